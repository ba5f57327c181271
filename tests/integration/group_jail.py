# SPDX-License-Identifier: Apache-2.0
"""The jail of a running monitor, as the host sees it; and from inside, by tests/jail/probe."""
import contextlib
import ctypes
import fcntl
import mmap
import os
import re
import signal
import socket
import stat
import struct
import sys
import threading

from api_client import Vmm
from attack import make_disk
from group_net import Tap
from group_vsock import HOST_PORT, Guest
from harness import (DEADLINE, EMULATED, END_DEADLINE, LONG_DEADLINE, TOP, VMM, Skip, WorkDir, check,
                     check_no_process_left, equal, file_text, finish, kill, listen, match, read_until, run, start,
                     tree, wait_for)

sys.path.insert(0, os.path.join(TOP, "vmm", "sandbox"))

import syscall_rules  # noqa: E402

PROBE = os.path.join(TOP, "build", "release", "tests", "jail", "probe")
GUEST = os.path.join(TOP, "build", "release", "tests", "guest", "attack-wait.elf")
CALL_NUMBERS = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
USER = 1000
# vmm/config.h
FIRST_ID, IDS = 1900000000, 4 << 20
OWN_SPACES = ("user", "mnt", "net", "ipc", "uts", "cgroup")
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
FORBIDDEN = 148
SECRET = "an-environment-nobody-is-to-read"
PF_IO_WORKER, PF_USER_WORKER = 0x10, 0x4000
# Where KVM has no hardware behind it, it runs this group's guest all the same.
ANY_KVM = [] if re.search(r"^flags.*\b(svm|vmx)\b", file_text("/proc/cpuinfo"), re.M) else ["--kvm", "any"]
AS_USER = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]


def attempts(*argv):
    result = run(*argv, PROBE, timeout=LONG_DEADLINE)
    lines = result.out.decode().splitlines()
    bad = [line for line in lines if not line.startswith(("ok ", "# "))]
    check(not bad and result.code == 0, f"exit code {result.code}, attempts that went wrong: {bad}", result.err)
    check(sum(line.startswith("ok ") for line in lines) > 300, "not all attempts were made:", lines[-3:])


def test_attempts_from_inside():
    attempts()


def test_attempts_from_inside_as_an_ordinary_user():
    attempts(*AS_USER)


def status(path):
    """The fields of a /proc/PID/status."""
    return dict(line.split(":", 1) for line in file_text(path).splitlines())


def threads(pid):
    """{name: tid} of those that run the monitor's code; the kernel's own workers for it don't."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        words = file_text(f"/proc/{pid}/task/{tid}/stat").rpartition(")")[2].split()
        if not int(words[6]) & (PF_IO_WORKER | PF_USER_WORKER):
            found[file_text(f"/proc/{pid}/task/{tid}/comm").strip()] = int(tid)
    return found


def spaces(pid):
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in OWN_SPACES + ("pid",)}


def mounts(pid):
    """[(root, mount point, options, optional fields, type)]"""
    found = []
    for line in file_text(f"/proc/{pid}/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        words = left.split()
        found.append((words[3], words[4], set(words[5].split(",")), words[6:], right.split()[0]))
    return found


def descriptors(pid):
    folder, found = f"/proc/{pid}/fd", {}
    for name in os.listdir(folder):
        # A client's connection may be closed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            found[int(name)] = os.readlink(f"{folder}/{name}")
    return found


def limits(pid):
    """{what: (soft, hard)}"""
    found = {}
    for line in file_text(f"/proc/{pid}/limits").splitlines()[1:]:
        words = re.split(r"\s{2,}", line)
        found[words[0]] = (words[1], words[2])
    return found


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


class Full:
    """A monitor with all kinds of devices, as a context."""

    def __init__(self, *options):
        self.options = options

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.enter(stack)
            self.stack = stack.pop_all()
        return self

    def enter(self, stack):
        path = stack.enter_context(WorkDir())
        stack.enter_context(Tap())
        self.disk = make_disk(os.path.join(path, "disk"))
        # Root's alone: it is opened before the monitor is somebody else.
        os.chmod(self.disk, 0o600)
        os.mkdir(os.path.join(path, "vsock"))
        self.uds = os.path.join(path, "vsock", "v.sock")
        self.api = os.path.join(path, "api.sock")
        self.log = os.path.join(path, "log")
        self.left = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, self.left)
        self.monitor = Monitor("--disk", self.disk, "--net", "tap=tap9", "--vsock", f"cid=3,uds={self.uds}",
                               "--api-sock", self.api, "--log-path", self.log, "--rng", "--balloon", "size=0",
                               *self.options, pass_fds=[self.left])
        stack.enter_context(self.monitor)
        self.pid = self.monitor.pid

    def __exit__(self, *_):
        self.stack.close()


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


def test_a_monitor_as_the_host_sees_it():
    with Full() as full:
        pid = full.pid
        uid = own_id(pid)
        check_threads(pid, 2, uid, uid)
        mine, its = spaces("self"), spaces(pid)
        for name in OWN_SPACES:
            check(mine[name] != its[name], "namespace", name, "is ours")
        check_root(pid, {os.path.dirname(full.uds): False})
        equal(os.readlink(f"/proc/{pid}/root"), "/", "root")
        with open(f"/proc/{pid}/environ", "rb") as file:
            equal(file.read().strip(b"\0"), b"", "environment")
        for name in ("status", "mem", "fd", "maps"):
            equal(os.stat(f"/proc/{pid}/{name}").st_uid, 0, f"owner of /proc/PID/{name}")
        check_descriptors(pid, [full.disk, full.log])
        check(full.left not in descriptors(pid) or descriptors(pid)[full.left] != "/", "an inherited folder is open")
        # Behind the filter it still writes its log, with the thread's name.
        kill(pid, signal.SIGTERM)
        result = finish(full.monitor.process)
        equal((result.code, result.err), (1, b""), "exit code and stderr")
        match(r"\[anonymous-instance:hull-vmm\] ended by signal 15", file_text(full.log), "log")


def test_a_socket_that_it_may_not_connect_to():
    """The guest is refused, whoever started the monitor is told once why, and all goes on."""
    if ANY_KVM:
        raise Skip("Linux doesn't boot on this machine's KVM")
    with WorkDir() as work, contextlib.ExitStack() as stack:
        vm = Guest(work)
        stack.callback(kill, vm.process.pid, signal.SIGKILL)
        path = f"{vm.path}_{HOST_PORT}"
        server = stack.enter_context(listen(path))
        for _ in range(2):
            os.chmod(path, 0o700)
            vm.dial(b"d" + struct.pack("<II", HOST_PORT, 1)).close()
            read_until(vm.process.stdout, f"dialing {HOST_PORT}: Connection reset by peer")
            os.chmod(path, 0o777)
            vm.dial(b"d" + struct.pack("<II", HOST_PORT, 1)).close()
            server.accept()[0].close()
        with vm.dial(b"p"):
            result = finish(vm.process)
        equal(result.code, 0, "exit code")
        match(rf"\A[^\n]*{re.escape(path)}: not permitted to user 19\d{{8}}, [^\n]*\n\Z", result.err, "stderr")


def test_its_limits():
    with Monitor() as monitor:
        found = limits(monitor.pid)
        for what, most in (("Max open files", 2048), ("Max processes", 2 + 64), ("Max core file size", 0),
                           ("Max file size", 64 << 40), ("Max msgqueue size", 0), ("Max locked memory", 0)):
            equal(found[what], (str(most), str(most)), what)
    with Monitor("--resource-limit", "no-file=100", "--resource-limit", "fsize=1048576") as monitor:
        found = limits(monitor.pid)
        equal(found["Max open files"], ("100", "100"), "open files")
        equal(found["Max file size"], ("1048576", "1048576"), "file size")
    # Never more than whoever started it may.
    with Monitor(prefix=["prlimit", "--nofile=200:300", "--fsize=4096:8192"]) as monitor:
        found = limits(monitor.pid)
        equal(found["Max open files"], ("300", "300"), "open files")
        equal(found["Max file size"], ("8192", "8192"), "file size")


def test_a_root_without_sockets_is_empty():
    with Monitor() as monitor:
        check_root(monitor.pid)
        equal(os.readlink(f"/proc/{monitor.pid}/cwd"), "/", "working directory")


def test_a_user_that_was_asked_for():
    with Monitor("--uid", "12345", "--gid", "54321") as monitor:
        check_threads(monitor.pid, 2, 12345, 54321)



def test_without_a_jail():
    with Full("--no-jail") as full:
        pid = full.pid
        mine = status("/proc/self/status")
        for tid in threads(pid).values():
            got = status(f"/proc/{pid}/task/{tid}/status")
            for field in ("Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", *SETS):
                equal(got[field].split(), mine[field].split(), field)
        equal(spaces(pid), spaces("self"), "namespaces")
        equal(file_text(f"/proc/{pid}/mountinfo"), file_text("/proc/self/mountinfo"), "mounts")
        check(SECRET.encode() in open(f"/proc/{pid}/environ", "rb").read(), "the environment is gone")
        equal(limits(pid)["Max core file size"], limits("self")["Max core file size"], "core dumps")
        equal(limits(pid)["Max processes"], limits("self")["Max processes"], "processes")
        equal(os.readlink(f"/proc/{pid}/root"), "/", "root")
        equal(sorted(os.listdir(f"/proc/{pid}/root")), sorted(os.listdir("/")), "what the root holds")


def test_as_an_ordinary_user():
    mode = os.stat("/dev/kvm").st_mode
    if not EMULATED and not mode & 0o006 == 0o006:
        raise Skip("/dev/kvm isn't for all, and changing that is not a test's business on a real machine")
    os.chmod("/dev/kvm", 0o666)
    try:
        with WorkDir() as work:
            os.chown(work, USER, USER)
            uds = os.path.join(work, "vsock")
            with Monitor("--vsock", f"cid=3,uds={uds}", "--api-sock", os.path.join(work, "api"),
                         prefix=AS_USER) as monitor:
                pid = monitor.pid
                check_threads(pid, 2, USER, USER)
                mine, its = spaces("self"), spaces(pid)
                for name in OWN_SPACES:
                    check(mine[name] != its[name], "namespace", name, "is ours")
                check_root(pid, {work: False})
                with open(f"/proc/{pid}/environ", "rb") as file:
                    equal(file.read().strip(b"\0"), b"", "environment")
                equal(os.stat(f"/proc/{pid}/status").st_uid, 0, "owner of /proc/PID/status")
                check_descriptors(pid, [])
                # Nor does another process of that user's get at it.
                for name in ("mem", "environ", "fd/0", "root"):
                    result = run(*AS_USER, "sh", "-c", f"exec 3< /proc/{pid}/{name}")
                    check(result.code, "a process of the same user opens", name, result)
    finally:
        os.chmod("/dev/kvm", stat.S_IMODE(mode))


def test_two_monitors():
    with Monitor() as one, Monitor() as other:
        check(own_id(one.pid) != own_id(other.pid), "the same user ID")
        ones, others = spaces(one.pid), spaces(other.pid)
        for name in OWN_SPACES:
            check(ones[name] != others[name], "the same namespace", name)


# Filters.

PTRACE_CONT, PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 7, 17, 0x4206, 0x4207
PTRACE_TRACEME, PTRACE_SYSCALL, PTRACE_SETOPTIONS, PTRACE_GET_FILTER = 0, 24, 0x4200, 0x420c
PTRACE_O_TRACESYSGOOD, PTRACE_O_EXITKILL = 1, 1 << 20
WALL = 0x40000000
ARCH_X86_64, ARCH_I386, ARCH_AARCH64 = 0xc000003e, 0x40000003, 0xc00000b7
ALLOW, TRAP, KILL, EPERM = 0x7fff0000, 0x00030000, 0x80000000, 0x00050001
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=None, data=None):
    r = libc.ptrace(request, pid, address, data)
    if r < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"ptrace {request:#x}: {os.strerror(code)}")
    return r


def filters_of(tid):
    """All filters of a thread, as lists of instructions (code, jt, jf, k)."""
    found = []
    ptrace(PTRACE_SEIZE, tid)
    try:
        ptrace(PTRACE_INTERRUPT, tid)
        os.waitpid(tid, WALL)
        while True:
            try:
                size = ptrace(PTRACE_GET_FILTER, tid, len(found))
            except OSError as error:
                if error.errno == 2:
                    return found
                if error.errno == 5 and not EMULATED:
                    raise Skip("this kernel gives no filters away") from error
                raise
            text = ctypes.create_string_buffer(8 * size)
            ptrace(PTRACE_GET_FILTER, tid, len(found), ctypes.cast(text, ctypes.c_void_p))
            found.append(list(struct.iter_unpack("=HBBI", text.raw)))
    finally:
        ptrace(PTRACE_DETACH, tid)


def play(program, number, args=(0,) * 6, arch=ARCH_X86_64):
    """What a filter says of a system call."""
    data = struct.pack("=IIQ6Q", number & 0xffffffff, arch, 0, *args)
    acc, at = 0, 0
    while True:
        code, jt, jf, k = program[at]
        at += 1
        if code == 0x20:  # load a word
            acc = struct.unpack_from("=I", data, k)[0]
        elif code == 0x54:
            acc &= k
        elif code == 0x05:
            at += k
        elif code in (0x15, 0x25, 0x35, 0x45):
            taken = {0x15: acc == k, 0x25: acc > k, 0x35: acc >= k, 0x45: bool(acc & k)}[code]
            at += jt if taken else jf
        elif code == 0x06:
            return k
        else:
            raise AssertionError(f"instruction {code:#x} is not known here")


# Those of the rules' constants that stand for numbers, from the kernel's headers.
CONSTANTS = {
    "F_DUPFD_CLOEXEC": fcntl.F_DUPFD_CLOEXEC, "F_GETFL": fcntl.F_GETFL, "F_SETFL": fcntl.F_SETFL, "F_OFD_SETLK": 37,
    "IORING_REGISTER_SYNC_CANCEL": 24, "IORING_UNREGISTER_RING_FDS": 21,
    "BLKGETSIZE64": 0x80081272, "TCGETS": 0x5401, "TCSETS": 0x5402, "TCSETSW": 0x5403,
    "TCSETSF": 0x5404, "TUNSETOFFLOAD": 0x400454d0, "TUNSETQUEUE": 0x400454d9,
    "KVM_RUN": 0xae80, "KVM_KVMCLOCK_CTRL": 0xaead, "KVM_SET_GSI_ROUTING": 0x4008ae6a,
    "MADV_DONTDUMP": mmap.MADV_DONTDUMP, "MADV_DONTNEED": mmap.MADV_DONTNEED, "PROT_EXEC": mmap.PROT_EXEC,
    "PR_GET_NAME": 16,
    "SIGBUS": int(signal.SIGBUS), "AF_UNIX": int(socket.AF_UNIX), "0": 0,
}


def rules_of(thread, pid):
    """{number: [condition]} of what the sources say of a thread; a condition is None or (argument, mask, value)."""
    numbers = dict(re.findall(r"^#define __NR_(\w+) (\d+)$", file_text(CALL_NUMBERS), re.M))
    constants = dict(CONSTANTS, SECCOMP_SELF=pid)
    found = {}
    for folder in ("base", "protocol", "devices", "vmm"):
        for name in (name for name in tree(os.path.join(TOP, folder)) if name.endswith(".c")):
            for kind, call, condition in syscall_rules.rules(os.path.join(TOP, folder, name)):
                if kind != thread:
                    continue
                if condition:
                    words = re.findall(r"\w+", condition)[1:]
                    argument, how, *values = words
                    for value in values:
                        check(value in constants, f"{value} is not in CONSTANTS of this test")
                    values = [constants[value] for value in values]
                    condition = (int(argument), *(values if how == "SCMP_CMP_MASKED_EQ" else (2 ** 64 - 1, values[0])))
                found.setdefault(int(numbers[call]), []).append(condition)
    return found


def allowed(conditions, args):
    return any(not condition or args[condition[0]] & condition[1] == condition[2] for condition in conditions)


def check_filter(program, thread, pid):
    rules = rules_of(thread, pid)
    numbers = {int(number) for number in re.findall(r"__NR_\w+ (\d+)$", file_text(CALL_NUMBERS), re.M)}
    check(len(rules) > 20 and numbers, "no rules or no numbers were found")
    # io_uring_setup is refused in a way that the monitor can live with.
    refusal = {425: EPERM} if thread == "loop" else {}
    count = 0
    for number in sorted(numbers.union(range(1024))):
        conditions = rules.get(number, [])
        lists = [(0,) * 6, (1,) * 6, (2 ** 64 - 1,) * 6, (0x7fffffff,) * 6]
        for condition in filter(None, conditions):
            right = condition[2]
            for value in (right, right + 1, right ^ 1 << 32, right | 4, right | 1 << 63):
                lists += [tuple(value if n == condition[0] else rest for n in range(6)) for rest in (0, 2 ** 64 - 1)]
        for args in lists:
            got = play(program, number, args)
            expected = ALLOW if allowed(conditions, args) else refusal.get(number, TRAP)
            check(got == expected, f"{thread}: call {number} {args}: {got:#x}, not {expected:#x}")
            count += got == ALLOW
    for arch in (ARCH_I386, ARCH_AARCH64):
        for number in (0, 1, 4, 11, 64, 93):
            equal(play(program, number, arch=arch), KILL, f"{thread}: call {number} of another CPU")
    for number in (0, 1, 39, 520, 547, 0x3ffffffe):
        equal(play(program, number | 0x40000000), KILL, f"{thread}: x32 call {number}")
    check(count > 100, "hardly anything is allowed")


def test_filters_are_what_the_sources_say():
    """Each is read back from the kernel, and asked about all system calls."""
    with Monitor() as monitor:
        tids = threads(monitor.pid)
        for name, tid in tids.items():
            thread = "loop" if name == "hull-vmm" else "vcpu"
            found = filters_of(tid)
            equal(len(found), 1, f"filters of {name}")
            check_filter(found[0], thread, monitor.pid)
    with Monitor("--no-seccomp") as monitor:
        uid = own_id(monitor.pid)
        for tid in threads(monitor.pid).values():
            got = status(f"/proc/{monitor.pid}/task/{tid}/status")
            equal((got["Seccomp"].strip(), got["NoNewPrivs"].strip(), int(got["CapBnd"], 16), got["Uid"].split()[0]),
                  ("0", "1", 0, str(uid)), "a monitor without filters")


# Grants.

class Patched(Vmm):
    """A monitor in API mode whose guest has a disk and waits, as a context."""

    def __init__(self, work, *options):
        super().__init__(work, *ANY_KVM, *options)
        disk = make_disk(os.path.join(work, "disk"))
        self.ok("PUT", "/boot-source", {"kernel_image_path": GUEST})
        self.ok("PUT", "/drives/d", {"drive_id": "d", "path_on_host": disk, "is_root_device": False})
        self.start()

    def replace(self, path):
        self.ok("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": path})
        check(path in descriptors(self.process.pid).values(), path, "is not open")

    def refused(self, path, pattern="--grant"):
        before = self.files()
        self.fault(pattern, "PATCH", "/drives/d", {"drive_id": "d", "path_on_host": path})
        equal(self.files(), before, "descriptors")

    def files(self):
        """What is open but clients' connections, which come and go."""
        return sorted(name for name in descriptors(self.process.pid).values() if not name.startswith("socket:"))


def test_grants():
    with WorkDir() as work:
        granted, readable, other = (os.path.join(work, name) for name in ("granted", "readable", "other"))
        for folder in (granted, readable, other):
            os.mkdir(folder)
            os.chmod(make_disk(os.path.join(folder, "disk")), 0o666)
        os.chmod(make_disk(os.path.join(granted, "roots")), 0o600)
        os.symlink(os.path.join(other, "disk"), os.path.join(granted, "out"))
        os.symlink("disk", os.path.join(granted, "in"))
        with Patched(work, "--grant", granted + ",rw", "--grant", readable) as vmm:
            check_root(vmm.process.pid, {granted: True, readable: False})
            vmm.replace(os.path.join(granted, "disk"))
            vmm.refused(os.path.join(other, "disk"))
            vmm.refused(os.path.join(granted, "out"))
            vmm.refused(os.path.join(granted, "..", "other", "disk"))
            vmm.refused("/etc/passwd")
            vmm.refused(os.path.join(granted, "roots"))
            # It may be read, but the drive is to be written to.
            vmm.refused(os.path.join(readable, "disk"))
            vmm.refused(os.path.join(granted, "nothing"))
            equal(vmm.state(), "Running", "state")
        equal(sorted(tree(granted)), ["disk", "in", "out", "roots"], "what the granted folder holds")


def test_nothing_is_granted_unasked():
    with WorkDir() as work:
        with Patched(work) as vmm:
            os.chmod(make_disk(os.path.join(work, "second")), 0o666)
            check_root(vmm.process.pid)
            vmm.refused(os.path.join(work, "second"))


def test_grants_of_strange_names():
    with WorkDir() as work:
        folder = os.path.join(work, "a b", "c")
        os.makedirs(folder)
        os.chmod(make_disk(os.path.join(folder, "disk")), 0o666)
        for name in (folder + "/", folder.replace("/c", "//c"), os.path.join(work, "a b", ".", "c"),
                     os.path.join(work, "a b", "c", "..", "c")):
            with Patched(work, "--grant", name + ",rw") as vmm:
                vmm.replace(os.path.join(folder, "disk"))
            os.unlink(os.path.join(work, "api.sock"))


def test_a_grant_that_is_not_there():
    with WorkDir() as work:
        result = run(VMM, *ANY_KVM, "--kernel", GUEST, "--memory", "64M", "--grant", os.path.join(work, "nothing"))
        result.expect_error(1, "granting .*/nothing", "No such file", by="hull-vmm")


# Nothing is left.

def host_state():
    """What a monitor might leave on the host."""
    # Others use these, too, on a machine that isn't this test's alone.
    cgroups = [folder for folder, _, _ in os.walk("/sys/fs/cgroup")] if EMULATED else []
    return {
        "mounts": file_text("/proc/self/mountinfo"),
        "/run/hull": sorted(tree("/run/hull")),
        "network devices": sorted(os.listdir("/sys/class/net")),
        "cgroups": sorted(cgroups),
        "sockets": sorted(line.split()[-1] for line in file_text("/proc/net/unix").splitlines() if "@" in line),
        "/tmp": sorted(os.listdir("/tmp")) if EMULATED else [],
    }


def check_unchanged(before):
    for what, now in host_state().items():
        equal(now, before[what], what)


def test_twenty_at_once():
    with WorkDir() as work, Tap():
        with Monitor():
            pass
        before = host_state()
        all_of_them, uids = [], set()
        try:
            for n in range(20):
                folder = os.path.join(work, str(n))
                os.mkdir(folder)
                all_of_them.append(
                    Monitor("--api-sock", f"{folder}/api", "--vsock", f"cid=3,uds={folder}/vsock", cpus=1))
            for monitor in all_of_them:
                monitor.__enter__()
                uids.add(own_id(monitor.pid))
            equal(len(uids), 20, "user IDs")
            ends = [threading.Thread(target=kill, args=[monitor.pid, signal.SIGKILL if n % 2 else signal.SIGTERM])
                    for n, monitor in enumerate(all_of_them)]
            for end in ends:
                end.start()
            for end in ends:
                end.join()
            for n, monitor in enumerate(all_of_them):
                monitor.process.communicate(timeout=DEADLINE)
                equal(monitor.process.returncode, -signal.SIGKILL if n % 2 else 1, "exit code")
        finally:
            for monitor in all_of_them:
                monitor.__exit__()
        check_no_process_left()
        check_unchanged(before)
        for n in range(20):
            check(set(tree(os.path.join(work, str(n)))) <= {"api", "vsock"}, "left:", tree(os.path.join(work, str(n))))
        # All IDs are to be had again.
        with Monitor() as monitor:
            own_id(monitor.pid)


def start_traced(*argv):
    """Start a program that stops at its execve(), traced by this thread."""
    process = start(*argv, preexec_fn=lambda: libc.ptrace(PTRACE_TRACEME, 0, None, None))
    check(os.WIFSTOPPED(os.waitpid(process.pid, 0)[1]), "not stopped")
    ptrace(PTRACE_SETOPTIONS, process.pid, None, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)
    return process


def step(pid, until):
    """Let it go from stop to stop, at each system call and its return, until so many or the loop's first wait.
    Return: how many."""
    for count in range(until):
        ptrace(PTRACE_SYSCALL, pid)
        state = os.waitpid(pid, 0)[1]
        if not os.WIFSTOPPED(state):
            raise AssertionError(f"it ended, {state:#x}, after {count} stops")
        if file_text(f"/proc/{pid}/syscall").split()[0] == "232":  # epoll_wait
            return count
    return until


def sweep(work, step_size):
    """End a start at each so manieth of its system calls."""
    def argv():
        return [VMM, *ANY_KVM, "--kernel", GUEST, "--memory", "64M", "--cpus", "1", "--serial", "stdio", "--disk",
                os.path.join(work, "disk"), "--net", "tap=tap9", "--vsock", f"cid=3,uds={work}/vsock", "--api-sock",
                f"{work}/api", "--log-path", f"{work}/log"]
    named = {"disk", "vsock", "api", "log"}
    before = host_state()
    at, last = 1, False
    while not last:
        process = start_traced(*argv())
        last = step(process.pid, at) < at
        kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)
        process.returncode = -signal.SIGKILL
        process.communicate()
        check_unchanged(before)
        # A socket is made under a name with a tilde, which the next start takes away.
        left = set(tree(work)) - named - {"api~", "vsock~"}
        check(not left, f"left by an end at stop {at}:", left)
        at += step_size
    return at // step_size


def test_killed_at_any_point_of_its_start():
    with WorkDir() as work, Tap():
        make_disk(os.path.join(work, "disk"))
        with Monitor():
            pass
        count = sweep(work, 29 if EMULATED else 5)
        check(count > 10, "hardly a start has been ended:", count)
        check_no_process_left()
        # And it starts where the others were ended.
        for name in ("api~", "vsock~"):
            if not os.path.exists(os.path.join(work, name)):
                with socket.socket(socket.AF_UNIX) as dead:
                    dead.bind(os.path.join(work, name))
        with Monitor("--disk", os.path.join(work, "disk"), "--net", "tap=tap9", "--vsock", f"cid=3,uds={work}/vsock",
                     "--api-sock", f"{work}/api"):
            equal(sorted(tree(work)), ["api", "disk", "log", "vsock"], "what is there")
