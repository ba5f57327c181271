# SPDX-License-Identifier: Apache-2.0
"""A hull-vmm whose guest waits, and what holds of each that has jailed itself."""
import os
import re
import signal
import stat

from harness import END_DEADLINE, TOP, VMM, check, equal, file_text, kill, read_until, start, wait_for
from proc import descriptors, mounts, status, threads

GUEST = os.path.join(TOP, "build", "release", "tests", "guest", "attack-wait.elf")
USER = 1000
# vmm/config.h
FIRST_ID, IDS = 1900000000, 4 << 20
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
SECRET = "an-environment-nobody-is-to-read"
# Where KVM has no hardware behind it, it runs this guest all the same.
ANY_KVM = [] if re.search(r"^flags.*\b(svm|vmx)\b", file_text("/proc/cpuinfo"), re.M) else ["--kvm", "any"]
AS_USER = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]


class Monitor:
    """A monitor whose guest waits, as a context."""

    def __init__(self, *options, cpus=2, prefix=(), pass_fds=(), vmm=VMM):
        self.cpus = cpus
        self.process = start(*prefix, vmm, *ANY_KVM, "--kernel", GUEST, "--memory", "64M", "--cpus", str(cpus),
                             "--serial", "stdio", *options, pass_fds=pass_fds, env={"HULL_SECRET": SECRET})
        self.pid = self.process.pid

    def __enter__(self):
        try:
            read_until(self.process.stdout, "waiting")
            # The guest is there before the other threads, maybe.
            wait_for(lambda: len(threads(self.pid)) == self.cpus + 1, "the threads", END_DEADLINE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        kill(self.pid, signal.SIGKILL)
        self.process.communicate()


def check_threads(pid, cpus, uid, gid, groups=(), program="hull-vmm"):
    tids = threads(pid)
    equal(sorted(tids), sorted([program] + [f"vcpu{n}" for n in range(cpus)]), "threads")
    for name, tid in tids.items():
        got = wait_for(lambda tid=tid: (found := status(f"/proc/{pid}/task/{tid}/status"))["Seccomp"].strip() == "2"
                       and found, f"the filter of {name}", 10)
        equal(got["Uid"].split(), [str(uid)] * 4, f"user IDs of {name}")
        equal(got["Gid"].split(), [str(gid)] * 4, f"group IDs of {name}")
        equal(got["Groups"].split(), [str(group) for group in groups], f"groups of {name}")
        for field in SETS:
            equal(int(got[field], 16), 0, f"{field} of {name}")
        equal(got["NoNewPrivs"].strip(), "1", f"no_new_privs of {name}")


def own_id(pid):
    uid = int(status(f"/proc/{pid}/status")["Uid"].split()[0])
    check(FIRST_ID <= uid < FIRST_ID + IDS, "not of the range:", uid)
    return uid


def check_root(pid, grants=()):
    """The root and grants, {path: writable}, and nothing else is mounted."""
    found = mounts(pid)
    for _, point, options, optional, _ in found:
        check({"nosuid", "nodev", "noexec"} <= options, "mount options of", point, options)
        equal(optional, [], f"propagation of {point}")
    equal(sorted(mount[1] for mount in found), sorted(["/", *grants]), "mounts")
    for _, point, options, _, kind in found:
        if point == "/":
            equal(kind, "tmpfs", "the root's type")
        check(("ro" in options) != bool(dict(grants).get(point)), "mount options of", point, options)
    # Where something is granted, the working directory is there, too, so that relative names keep their meaning.
    places = [*grants, os.getcwd()] if grants else []
    for folder, folders, files in os.walk(f"/proc/{pid}/root"):
        here = folder.removeprefix(f"/proc/{pid}/root")
        if here in dict(grants):
            folders.clear()
            continue
        equal(files, [], f"files in its {here or '/'}")
        for name in folders:
            check(any(f"{place}/".startswith(f"{here}/{name}/") for place in places), "its root has", here, name)


KINDS = re.compile(r"socket:\[\d+\]|pipe:\[\d+\]|anon_inode:(\[(eventfd|eventpoll|timerfd|signalfd|io_uring)\]"
                   r"|kvm-vm|kvm-vcpu:\d+)|/dev/kvm|/dev/net/tun|/dev/null")


def check_descriptors(pid, files):
    found = descriptors(pid)
    strange = [name for name in found.values() if not KINDS.fullmatch(name) and name not in files]
    equal(strange, [], "descriptors that nothing needs")
    for name in files:
        check(name in found.values(), "not open any more:", name)
    for fd, name in found.items():
        check(not stat.S_ISDIR(os.stat(f"/proc/{pid}/fd/{fd}").st_mode), "a folder is open:", fd, name)
