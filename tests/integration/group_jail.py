# SPDX-License-Identifier: Apache-2.0
"""The jail of a running monitor, as the host sees it; and from inside, by tests/jail/probe."""
import contextlib
import os
import re
import signal
import stat
import struct

from full_monitor import Full
from group_vsock import HOST_PORT, Guest
from harness import (EMULATED, LONG_DEADLINE, TOP, Skip, WorkDir, check, equal, file_text, finish, kill, listen, match,
                     read_until, run)
from monitor import (ANY_KVM, AS_USER, SECRET, SETS, USER, Monitor, check_descriptors, check_root, check_threads,
                     own_id)
from proc import OWN_SPACES, descriptors, limits, spaces, status, threads

PROBE = os.path.join(TOP, "build", "release", "tests", "jail", "probe")


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
