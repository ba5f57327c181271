# SPDX-License-Identifier: Apache-2.0
"""The control group of each VM of hull run: its limits bind, and nothing of it stays."""
import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

from group_blk import Ext4
from group_network import Outside
from harness import (BUSYBOX, DEADLINE, END_DEADLINE, HULL, LONG_DEADLINE, STAGE, Skip, WorkDir, check, equal,
                     file_text, finish, hull, kill, match, monitor_of, read_until, reap, run, start, start_hull,
                     wait_for)

MIB = 1 << 20
USER = 1000
NAME = re.compile(r"hull-\d+-[0-9a-f]{8}")
CONTROLLERS = ("cpu", "io", "memory", "pids")


def top():
    """Where cgroup v2 is mounted, with all that is needed."""
    for line in file_text("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup2 "):
            path = left.split()[4]
            if set(CONTROLLERS) <= set(file_text(os.path.join(path, "cgroup.controllers")).split()):
                return path
    raise Skip("this machine has no cgroup v2 with all controllers")


def own():
    """This process's group."""
    path = match(r"^0::(\S*)$", file_text("/proc/self/cgroup"))[1]
    return os.path.normpath(top() + path)


def groups(where=None):
    """The groups of VMs, wherever they are."""
    return [os.path.join(folder, name) for folder, names, _ in os.walk(where or top()) for name in names
            if NAME.fullmatch(name)]


def group_of(pid):
    """A process's group."""
    return os.path.normpath(top() + match(r"^0::(\S*)$", file_text(f"/proc/{pid}/cgroup"))[1])


def values(group, *names):
    return [file_text(os.path.join(group, name)).strip() for name in names]


def put(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Vm:
    """A running hull run whose command has said "up", as a context. It ends with its standard input."""

    def __init__(self, *options, script="echo up; cat", prefix=(), env=None):
        self.options, self.script, self.prefix, self.env = options, script, prefix, env

    def __enter__(self):
        argv = [*self.prefix, HULL, "run", "-i", *self.options, BUSYBOX, "sh", "-c", self.script]
        self.process = start(*argv, stdin=subprocess.PIPE, env=self.env)
        try:
            read_until(self.process.stdout, "up\n")
            self.monitor = monitor_of(self.process)
            self.group = group_of(self.monitor)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def end(self):
        """Return: how it ended."""
        return finish(self.process, LONG_DEADLINE)

    def __exit__(self, failed, *_):
        result = self.process.poll()
        if result is None:
            if failed:
                self.process.kill()
            result = self.end().code
            check(failed or result == 0, "exit code of hull:", result)


@contextlib.contextmanager
def nothing_left():
    before = sorted(groups())
    yield
    equal(sorted(groups()), before, "groups of VMs")


def overhead(memory):
    """cli/vm_cgroup.c"""
    return memory + memory // 64 + 48 * MIB


def test_a_group_of_its_own():
    with nothing_left(), Vm("--memory", "256M", "--cpus", "2") as vm:
        match(NAME.pattern + "$", vm.group, "group of the monitor")
        check(f"hull-{vm.process.pid}-" in vm.group, "it does not tell its owner:", vm.group)
        check(group_of(vm.process.pid) != vm.group, "hull itself is in it")
        # The kernel counts its own threads for KVM as the VM's.
        names = [file_text(f"/proc/{pid}/comm").strip() for pid in values(vm.group, "cgroup.procs")[0].split()]
        check("hull-vmm" in names, "processes:", names)
        check(all(name.startswith(("hull-vmm", "kvm-")) for name in names), "processes:", names)
        memory, swap, pids, oom, current = values(vm.group, "memory.max", "memory.swap.max", "pids.max",
                                                  "memory.oom.group", "memory.current")
        equal((int(memory), swap, int(pids), oom), (overhead(256 * MIB), "0", 130, "1"), "limits")
        check(int(current) > MIB, "memory in use:", current)
        check("cpu" not in values(vm.group, "cgroup.controllers")[0].split() or
              values(vm.group, "cpu.max")[0].startswith("max "), "CPU time is limited")


def test_limits_as_asked_for():
    with nothing_left(), Vm("--cpus", "1.5", "--memory", "128M", "--memory-swap", "192M",
                            script="nproc; echo up; cat") as vm:
        equal(values(vm.group, "cpu.max", "memory.swap.max"), ["150000 100000", str(64 * MIB)], "limits")
    with nothing_left(), Vm("--cpu-quota", "30000", "--cpu-period", "50000", "--memory-swap", "-1") as vm:
        equal(values(vm.group, "cpu.max", "memory.swap.max"), ["30000 50000", "max"], "limits")


def test_a_fraction_of_cpus_is_rounded_up():
    hull("--cpus", "1.5", BUSYBOX, "nproc").expect(0, "2\n")
    hull("--cpus", "0.5", BUSYBOX, "nproc").expect(0, "1\n")


def test_two_at_a_time():
    with nothing_left(), Vm() as one, Vm() as two:
        check(one.group != two.group, "they share", one.group)
        equal(sorted(groups()), sorted([one.group, two.group]), "groups")


def test_the_guest_fits_with_all_of_its_memory():
    """What is beside the guest's memory is enough: nothing is killed when the guest touches all it has."""
    script = "dd if=/dev/zero of=/dev/null bs=400M count=1 2>/dev/null && echo up; cat"
    with nothing_left(), Vm("--memory", "512M", script=script) as vm:
        events = dict(line.split() for line in values(vm.group, "memory.events")[0].splitlines())
        equal((events["oom_kill"], events["max"]), ("0", "0"), "memory events")
        peak = int(values(vm.group, "memory.peak")[0])
        check(400 * MIB < peak < overhead(512 * MIB) - 16 * MIB, "memory, MiB:", peak // MIB)
        print(f"# peak {peak // 1024} KiB of {overhead(512 * MIB) // 1024}")


def test_memory_binds():
    with nothing_left(), Vm("--memory", "256M", script="echo up; read x; dd if=/dev/zero of=/dev/shm/x bs=1M count=120; cat") as vm:
        # Below what the guest has touched, and is about to.
        put(os.path.join(vm.group, "memory.max"), str(48 * MIB))
        vm.process.stdin.write(b"\n")
        vm.process.stdin.flush()
        result = vm.end()
        vm.process.returncode = 0
    equal(result.code, 125, f"exit code: {result}")
    match("^hull: the VM was killed: it needed more memory than its control group may have$", result.err, "stderr")


def join(group):
    """For a child: be in a group."""
    return lambda: put(os.path.join(group, "cgroup.procs"), "0")


def test_memory_binds_for_whoever_is_in_it():
    with nothing_left(), Vm("--memory", "64M", script="echo up; cat") as vm:
        put(os.path.join(vm.group, "memory.oom.group"), "0")
        glutton = subprocess.run([sys.executable, "-c", f"x = b'x' * {400 * MIB}"], preexec_fn=join(vm.group), check=False,
                                 timeout=DEADLINE)
        equal(glutton.returncode, -signal.SIGKILL, "end of one that needs more")


def test_processes_bind():
    """Of the host: whoever breaks out of the guest can't make more."""
    script = """import os, sys
for i in range(1000):
    try:
        pid = os.fork()
    except BlockingIOError:
        print(i)
        os.killpg(0, 9)
    if pid == 0:
        import signal
        signal.pause()
"""
    with nothing_left(), Vm("--cpus", "1") as vm:
        before = int(values(vm.group, "pids.current")[0])
        result = subprocess.run([sys.executable, "-c", script], preexec_fn=lambda: (os.setsid(), join(vm.group)()),
                                check=False, timeout=DEADLINE, capture_output=True, env={"PYTHONUNBUFFERED": "1"})
        made = int(result.stdout)
        check(100 < made <= 129 - before, "processes made:", made, "beside", before)
        wait_for(lambda: reap() or int(values(vm.group, "pids.current")[0]) <= before, "the end of those processes",
                 END_DEADLINE)


def test_processes_of_the_container_bind():
    script = "i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i + 1)); done; wait"
    result = hull("--pids-limit", "20", BUSYBOX, "sh", "-c", script)
    check(result.code == 2, "exit code:", result)
    match("can't fork: Resource temporarily unavailable", result.err, "stderr")
    # The command itself is one of them; what there is besides isn't counted.
    count = "i=0; while [ $i -lt {0} ]; do sleep 100 & i=$((i + 1)); done; echo $i"
    hull("--pids-limit", "20", BUSYBOX, "sh", "-c", count.format(19)).expect(0, "19\n")
    result = hull("--pids-limit", "20", BUSYBOX, "sh", "-c", count.format(20))
    check(result.code == 2, "exit code:", result)
    hull("--pids-limit", "-1", BUSYBOX, "sh", "-c", count.format(150)).expect(0, "150\n")


def used(group):
    """CPU time in seconds."""
    return int(match(r"^usage_usec (\d+)$", values(group, "cpu.stat")[0])[1]) / 1e6


def test_cpu_binds():
    def share(*options):
        with nothing_left(), Vm(*options, script="while :; do :; done & echo up; read x; kill $!") as vm:
            time.sleep(1)
            begin, before = time.monotonic(), used(vm.group)
            time.sleep(6)
            return (used(vm.group) - before) / (time.monotonic() - begin)

    limited, free = share("--cpus", "0.2"), share()
    check(0.05 < limited < 0.27, "CPUs taken of 0.2:", limited)
    check(free > 1.5 * limited, "CPUs taken without a limit:", free, "with one:", limited)


def device_of(path):
    """The block device of the file system on which a path lies: its number and its name."""
    st = os.stat(path)
    number = f"{os.major(st.st_dev)}:{os.minor(st.st_dev)}"
    return number, "/dev/" + match(r"^DEVNAME=(\S*)$", file_text(f"/sys/dev/block/{number}/uevent"))[1]


def transfer(folder, *options):
    """Seconds that a guest takes to write 6 MiB to its scratch disk, which lies in a folder of the host, and to read them
    once neither side has them in memory."""
    script = "size='bs=256k count=24'; t() { read x y </proc/uptime; echo $x; }\n" \
             "t; dd if=/dev/urandom of=/x $size conv=fsync 2>/dev/null; t; echo up; read x\n" \
             "t; dd if=/x of=/dev/null $size iflag=direct 2>/dev/null || echo failed; t; cat"
    process = start_hull("-i", "--store", os.path.join(folder, "store"), "--disk", "64M", *options, BUSYBOX, "sh", "-c",
                         script, stdin=subprocess.PIPE)
    said = read_until(process.stdout, "up\n", LONG_DEADLINE)
    os.sync()
    put("/proc/sys/vm/drop_caches", "3")
    out, _ = process.communicate(b"\n", LONG_DEADLINE)
    times = [float(word) for word in (said + out).decode().replace("up", "").split()]
    return times[1] - times[0], times[3] - times[2]


def test_io_binds():
    with WorkDir() as work, Ext4(work) as folder, nothing_left():
        device = device_of(folder)[1]
        free = transfer(folder)
        slow_write = transfer(folder, "--device-write-bps", f"{device}:512K")
        slow_read = transfer(folder, "--device-read-bps", f"{device}:512K")
        print("# seconds to write and to read: without a limit %.1f %.1f," % free, "writing limited %.1f %.1f," % slow_write,
              "reading limited %.1f %.1f" % slow_read)
        check(slow_read[1] > max(8, 2 * free[1]), "seconds to read:", slow_read[1], "and without a limit:", free[1])
        check(slow_write[0] > max(8, 2 * free[0]), "seconds to write:", slow_write[0], "and without a limit:", free[0])


def test_io_as_asked_for():
    with WorkDir() as work, Ext4(work) as folder:
        number, device = device_of(folder)
        options = []
        for name, rate in (("read-bps", "3M"), ("write-bps", "4096"), ("read-iops", "100"), ("write-iops", "200")):
            options += [f"--device-{name}", f"{device}:{rate}"]
        with nothing_left(), Vm(*options) as vm:
            equal(values(vm.group, "io.max"), [f"{number} rbps=3145728 wbps=4096 riops=100 wiops=200"], "io.max")


def test_passt_is_in_it():
    with Outside(), nothing_left(), Vm("--network", "passt", "--memory", "128M") as vm:
        names = [file_text(f"/proc/{pid}/comm").strip() for pid in values(vm.group, "cgroup.procs")[0].split()]
        check(any(name.startswith("passt") for name in names), "processes:", names)
        equal(values(vm.group, "memory.max")[0], str(overhead(128 * MIB) + 64 * MIB), "limit of memory")
        print("# peak with passt", int(values(vm.group, "memory.peak")[0]) // 1024, "KiB,",
              *[line for line in values(vm.group, "memory.stat")[0].splitlines() if line.startswith(("anon ", "kernel "))])


def test_every_end_leaves_nothing():
    with nothing_left():
        hull(BUSYBOX, "true").expect(0)
        hull(BUSYBOX, "false").expect(1, "")
        hull(BUSYBOX, "no-such-command").expect_error(127, "no-such-command")
        hull("--kernel", "/no/kernel", BUSYBOX, "true").expect_error(125, "/no/kernel", by="hull-vmm")
        hull("--network", "tap=no-such-tap", BUSYBOX, "true").expect_error(125, by="hull-vmm")
        for signo in (signal.SIGTERM, signal.SIGINT):
            with Vm(script="trap 'exit 7' TERM INT; echo up; while :; do read x; done") as vm:
                vm.process.send_signal(signo)
                equal(vm.end().code, 7, "exit code")
                vm.process.returncode = 0


def test_the_monitor_killed():
    with nothing_left(), Vm() as vm:
        kill(vm.monitor, signal.SIGKILL)
        result = vm.end()
        equal(result.code, 125, f"exit code: {result}")
        match("killed by signal 9", result.err, "stderr")
        vm.process.returncode = 0


def test_hull_killed():
    """What it leaves goes with the next; but never what another one still holds, be it empty."""
    with nothing_left():
        with Vm() as other, Vm() as vm:
            vm.process.kill()
            vm.end()
            vm.process.returncode = 0
            wait_for(lambda: not values(vm.group, "cgroup.procs")[0], "the monitor's end", END_DEADLINE)
            check(vm.group in groups(), "its group is gone:", groups())
            with Vm() as third:
                equal(sorted(groups()), sorted([other.group, third.group]), "groups after the next start")


def test_an_empty_group_in_use_stays():
    held = os.path.join(own(), "hull-1-0123abcd")
    os.mkdir(held)
    try:
        holder = start("flock", held, "sh", "-c", "echo up; cat", stdin=subprocess.PIPE)
        read_until(holder.stdout, "up\n")
        hull(BUSYBOX, "true").expect(0)
        check(os.path.isdir(held), "a group that somebody holds was removed")
        finish(holder)
        hull(BUSYBOX, "true").expect(0)
        check(not os.path.isdir(held), "a group that nobody holds was not removed")
    finally:
        if os.path.isdir(held):
            os.rmdir(held)


def test_other_groups_stay():
    names = ["hull-x", "hull-callers", "hull-1-0123abc", "hull-1-0123abcde", "hull--0123abcd", "hull-1-0123ABCD", "other"]
    paths = [os.path.join(own(), name) for name in names]
    for path in paths:
        os.mkdir(path)
    try:
        hull(BUSYBOX, "true").expect(0)
        equal([path for path in paths if not os.path.isdir(path)], [], "groups removed")
    finally:
        for path in paths:
            os.rmdir(path)


class Group:
    """A group with controllers for its children, maybe a user's; as a context."""

    def __init__(self, name, user=None):
        self.path, self.user = os.path.join(own(), name), user

    def __enter__(self):
        put(os.path.join(own(), "cgroup.subtree_control"), " ".join("+" + name for name in CONTROLLERS))
        os.mkdir(self.path)
        if self.user:
            for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
                os.chown(os.path.join(self.path, name), self.user, self.user)
        return self.path

    def __exit__(self, *_):
        put(os.path.join(self.path, "cgroup.kill"), "1")
        for folder, _, _ in os.walk(self.path, topdown=False):
            wait_for(lambda where=folder: not values(where, "cgroup.procs")[0], "an empty group", END_DEADLINE)
            os.rmdir(folder)


def into(group, *more):
    return ["sh", "-c", f"echo $$ >{group}/cgroup.procs && exec \"$@\"", "sh", *more]


def as_user(work):
    """What a user needs to run hull: programs, an image and a store that they can reach, and /dev/kvm."""
    shutil.copytree(STAGE, os.path.join(work, "stage"))
    shutil.copytree(BUSYBOX, os.path.join(work, "image"))
    store = os.path.join(work, "store")
    os.mkdir(store)
    os.chown(store, USER, USER)
    groups_of = f"--groups={os.stat('/dev/kvm').st_gid}"
    argv = ["setpriv", "--reuid", str(USER), "--regid", str(USER), groups_of, os.path.join(work, "stage", "bin", "hull"),
            "run", "--store", store]
    return argv, os.path.join(work, "image")


def test_a_user_without_a_group():
    with WorkDir() as work, nothing_left():
        argv, image = as_user(work)
        warned = run(*argv, image, "echo", "hi")
        equal((warned.code, warned.out), (0, b"hi\n"), f"end: {warned}")
        match(r"\Ahull: warn: no limit of the VM's memory and threads: .*not delegated.*systemd-run --user --scope -p "
              r"Delegate=yes hull run[^\n]*\n\Z", warned.err, "stderr")
        run(*argv, "--jail-without", "cgroup", image, "echo", "hi").expect(0, "hi\n")
        for asked in (("--cpus", "0.5"), ("--memory-swap", "1G"), ("--device-read-bps", "/dev/loop0:1M")):
            if asked[0].startswith("--device") and not os.path.exists("/dev/loop0"):
                continue
            for without in ([], ["--jail-without", "cgroup"]):
                run(*argv, *without, *asked, image, "true").expect_error(
                    125, f"^hull: {asked[0]}: .*systemd-run --user --scope -p Delegate=yes hull run")
        # It is the guest that sees to this one.
        run(*argv, "--jail-without", "cgroup", "--pids-limit", "9", image, "echo", "hi").expect(0, "hi\n")


def test_a_user_with_a_group():
    with WorkDir() as work, Group("delegated", USER) as group, nothing_left():
        argv, image = as_user(work)
        script = "echo up; cat"
        process = start(*into(group, *argv, "-i", "--cpus", "0.5", image, "sh", "-c", script), stdin=subprocess.PIPE)
        read_until(process.stdout, "up\n")
        monitor = group_of(monitor_of(process))
        equal(os.path.dirname(monitor), group, "where the VM's group is")
        equal(group_of(process.pid), os.path.join(group, "hull-callers"), "hull's own group")
        equal(values(monitor, "cpu.max", "memory.max"), ["50000 100000", str(overhead(512 * MIB))], "limits")
        equal(finish(process).expect(0).out, b"", "output")
        equal(groups(group), [], "groups left")


def test_a_users_shell_runs_several():
    """The shell that was alone in the group is moved, and what it starts then finds itself in the leaf."""
    with WorkDir() as work, Group("delegated", USER) as group, nothing_left():
        argv, image = as_user(work)
        line = " ".join(argv) + f" {image} echo"
        result = run(*into(group, "sh", "-c", f"{line} one; {line} two & {line} three & wait"))
        equal((result.code, sorted(result.out.split()), result.err), (0, [b"one", b"three", b"two"], b""), "end")
        equal(groups(group), [], "groups left")


def test_a_user_with_too_few_controllers():
    with WorkDir() as work, Group("delegated", USER) as group:
        put(os.path.join(group, "cgroup.subtree_control"), "+memory +pids")
        inner = os.path.join(group, "inner")
        os.mkdir(inner)
        for name in ("", "cgroup.procs", "cgroup.subtree_control"):
            os.chown(os.path.join(inner, name), USER, USER)
        argv, image = as_user(work)
        run(*into(inner, *argv, "--cpus", "0.5", image, "true")).expect_error(125, "--cpus: .*has no controller cpu")
        run(*into(inner, *argv, image, "echo", "hi")).expect(0, "hi\n")


def test_root_in_a_group_of_somebodys():
    """One that isn't marked as delegated is left alone: VMs lie in /hull, which goes with the last of them."""
    with Group("session") as session:
        shared = os.path.join(top(), "hull")
        with nothing_left():
            with Vm("--cpus", "1.5", prefix=into(session)) as one, Vm(prefix=into(session)) as two:
                equal({os.path.dirname(one.group), os.path.dirname(two.group)}, {shared}, "where the groups are")
                equal(group_of(one.process.pid), session, "hull's own group")
                equal(values(one.group, "cpu.max")[0], "150000 100000", "limit")
        check(not os.path.isdir(shared), "left behind:", shared)


def test_root_in_a_delegated_group():
    with Group("service") as service:
        os.setxattr(service, "trusted.delegate", b"1")
        with nothing_left(), Vm(prefix=into(service)) as vm:
            equal(os.path.dirname(vm.group), service, "where the VM's group is")


def in_mounts(setup, *argv):
    return run("unshare", "--mount", "sh", "-c", f"{setup} && exec \"$@\"", "sh", *argv)


def test_no_cgroup_v2():
    for setup, why in ((f"umount -l {top()}", "cgroup v2 is not mounted"),
                       (f"mount -t tmpfs x {top()}", "cgroup v2 is mounted, but"),
                       (f"mount -o remount,bind,ro {top()}", "Read-only file system")):
        in_mounts(setup, HULL, "run", BUSYBOX, "true").expect_error(
            125, f"^hull: jail: .*{why}.*; with --jail-without cgroup it goes on")
        in_mounts(setup, HULL, "run", "--jail-without", "cgroup", BUSYBOX, "echo", "hi").expect(0, "hi\n")
        in_mounts(setup, HULL, "run", "--no-jail", BUSYBOX, "echo", "hi").expect(0, "hi\n")
        in_mounts(setup, HULL, "run", "--jail-without", "cgroup", "--cpus", "1.5", BUSYBOX, "true").expect_error(
            125, f"^hull: --cpus: .*{why}")
