# SPDX-License-Identifier: Apache-2.0
"""kill -9 of hull-jailer, of hull-vmm by itself and of hull pull at any point."""
import collections
import os
import signal
import subprocess
import threading

from api_client import Vmm
from attack import make_disk
from family import Family, Held
from harness import BUSYBOX, END_DEADLINE, HULL, WorkDir, check, equal, kill, run, wait_for
from jailer import FIRECRACKER, JAILED, Jail, check_leftover
from leftovers import Host
from monitor import ANY_KVM, GUEST


def tell(moments):
    print("# ended", ", ".join(f"{count} times {phase}" for phase, count in moments.items()))


# hull-jailer

def sweep_jailer(options, number, stride):
    """End each process that hull-jailer makes at more and more of its system calls."""
    with Jail(JAILED) as jail:
        host, at, came, count = Host(), 1, True, 0
        options = ("--cgroup-version", "2", "--cgroup", "pids.max=40", *options)
        while came:
            family = Family(jail.argv(*options), os.path.join(jail.top, "said"))
            check(family.reach(number=number), "no such process was made:", family.text())
            came = family.step(at) == at
            if came:
                kill(family.part, signal.SIGKILL)
                count += 1
            code = family.finish(END_DEADLINE)
            family.close()
            check(code in (0, 1), "exit code of hull-jailer:", code, family.text())
            check_leftover(jail, at)
            if code:
                # It lives and has removed what it had made.
                check(not os.path.exists(jail.folder), f"left after step {at}, and {family.text()}")
                check(not os.path.exists(jail.cgroup), f"the cgroup is left after step {at}, and {family.text()}")
            jail.remove()
            host.settle(f"after step {at} of process {number}", strict=True)
            at += stride
        return count


def test_processes_of_hull_jailer():
    moments = collections.Counter()
    for options, number, what in ((["--new-pid-ns"], 1, "in its namespace"),
                                  (["--daemonize", "--new-pid-ns"], 1, "as the session's leader"),
                                  (["--daemonize", "--new-pid-ns"], 2, "as the session's second")):
        moments[what] = sweep_jailer(options, number, 7 if number == 2 or len(options) == 1 else 3)
        check(moments[what] > 2, "hardly a step", what)
    tell(moments)


def test_hull_vmm_of_hull_jailer():
    """It is alone, and so is whoever removes its directory."""
    with Jail(FIRECRACKER) as jail:
        host, at, served, count = Host(), 1, False, 0
        while not served:
            family = Family(jail.argv(arguments=("--api-sock", "/api")), os.path.join(jail.top, "said"))
            check(family.reach(program="firecracker"), "it was not started:", family.text())
            socket = os.path.join(jail.root, "api")
            came = family.step(at, lambda socket=socket: os.path.exists(socket))
            served = os.path.exists(socket)
            check(came == at or served, "it ended early:", family.text())
            kill(family.part, signal.SIGKILL)
            equal(family.finish(END_DEADLINE), -signal.SIGKILL, "exit code")
            family.close()
            jail.remove()
            host.settle(f"after {at} calls", strict=True)
            count, at = count + 1, at + 17
        check(count > 2, "only", count, "moments")
        tell({"before it serves its API": count})


# hull-vmm by itself

def ask(vmm):
    """What an orchestrator asks for, as long as somebody answers."""
    try:
        vmm.ok("PUT", "/boot-source", {"kernel_image_path": GUEST})
        vmm.ok("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 64})
        vmm.ok("PUT", "/drives/d", {"drive_id": "d", "path_on_host": os.path.join(vmm.work, "disk"),
                                    "is_root_device": False})
        vmm.ok("PUT", "/vsock", {"guest_cid": 3, "uds_path": os.path.join(vmm.work, "vsock")})
        vmm.start()
    except OSError:
        pass


def end_vmm(vmm, at):
    """Return whether there were so many system calls before it waited for more requests."""
    held = Held(vmm.process.pid)
    client = threading.Thread(target=ask, args=[vmm])
    client.start()
    came = held.step(at, seconds=3) == at
    kill(held.pid, signal.SIGKILL)
    os.waitpid(held.pid, 0)
    vmm.process.returncode = -signal.SIGKILL
    client.join()
    return came


def test_hull_vmm_with_its_api():
    with WorkDir() as work:
        make_disk(os.path.join(work, "disk"))
        with Vmm(work, *ANY_KVM) as vmm:
            ask(vmm)
        host, at, came, moments = Host(), 3, True, collections.Counter()
        while came:
            with Vmm(work, *ANY_KVM) as vmm:
                came = end_vmm(vmm, at)
            host.settle(f"after {at} calls", strict=True)
            check(set(os.listdir(work)) <= {"disk", "api.sock", "vsock", "api.sock~", "vsock~"}, "left:",
                  os.listdir(work))
            moments["on the way to its guest" if came else "beside its guest"] += 1
            at += 41
        check(moments["on the way to its guest"] > 5, "hardly a step")
        # The next one takes the places of all of them.
        with Vmm(work, *ANY_KVM) as vmm:
            ask(vmm)
            equal(vmm.state(), "Running", "state")
            equal(sorted(os.listdir(work)), ["api.sock", "disk", "vsock"], "what is there")
        tell(moments)


# hull pull

class Pull:
    """Fetching the image of busybox into an empty store with skopeo, as a context."""

    def __enter__(self):
        self.folder = WorkDir()
        self.work = self.folder.__enter__()
        archive = os.path.join(self.work, "archive.tar")
        subprocess.run(["tar", "-C", BUSYBOX, "-cf", archive, "."], check=True)
        self.store = os.path.join(self.work, "store")
        self.env = {"HULL_STORE": self.store}
        for name in ("TMPDIR", "XDG_RUNTIME_DIR"):
            self.env[name] = os.path.join(self.work, name)
            os.mkdir(self.env[name])
        self.argv = [HULL, "pull", "oci-archive:" + archive]
        # All that stays for ever is there, but for the image.
        run(HULL, "pull", os.path.join(self.work, "none"), env=self.env).expect_error(125, "none")
        self.host = Host(**{name: path for name, path in self.env.items() if name != "HULL_STORE"}, store=self.store)
        return self

    def __exit__(self, *_):
        self.folder.__exit__()

    def family(self):
        return Family(self.argv, os.path.join(self.work, "said"), self.env)

    def next_command(self, when):
        run(HULL, "pull", os.path.join(self.work, "none"), env=self.env).expect_error(125, "none")
        equal(os.listdir(os.path.join(self.store, "tmp")), [], f"temporary files {when}, and one more command")


def sweep_pull(program, first, growth, victim=None):
    moments, at, came = collections.Counter(), first, True
    while came:
        # What was fetched in whole isn't fetched again.
        with Pull() as pull:
            family = pull.family()
            check(family.reach(program=program), program, "was not started:", family.text())
            came = family.step(at) == at
            phase = ("before it is fetched" if not family.made else "while it is fetched"
                     if family.made[0] in family.live else "while it is unpacked")
            if came:
                kill(victim(family) if victim else family.part, signal.SIGKILL)
                moments[phase] += 1
            if came and victim:
                family.leave()
            code = family.finish(END_DEADLINE)
            family.close()
            if program == "skopeo" and came and not victim:
                equal(code, 125, f"exit code of hull; {family.text()}")
                equal(os.listdir(os.path.join(pull.store, "tmp")), [], "temporary files")
            wait_for(lambda: not pull.host.more().get("processes"), "the end of all", 20)
            pull.next_command(f"after {at} calls of {program}")
            more = set(pull.host.more()) - {"store"}
            check(not more, "left:", pull.host.more())
            at += max(2, int(at * growth)) | 1
    check(sum(moments.values()) > 5, "hardly a moment:", moments)
    tell(moments)


def test_hull_pull():
    sweep_pull("hull", 5, 0.4)


def test_skopeo():
    sweep_pull("skopeo", 3, 0.8)


def test_hull_pull_while_skopeo_is_at_some_point():
    sweep_pull("skopeo", 3, 0.8, victim=lambda family: family.top)


def test_hull_while_skopeo_is_stopped():
    with Pull() as pull:
        family = pull.family()
        check(family.reach(program="skopeo"), "it was not started")
        family.step(40)
        kill(family.part, signal.SIGSTOP)
        family.leave()
        kill(family.top, signal.SIGKILL)
        equal(family.finish(END_DEADLINE), -signal.SIGKILL, "exit code")
        family.close()
        pull.next_command("after skopeo was stopped")
