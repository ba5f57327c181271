# SPDX-License-Identifier: Apache-2.0
"""hull-jailer when something goes wrong, up to kill -9: what is left of it."""
import contextlib
import os
import shutil
import signal
import stat

import jailer
from guest import CMDLINE, initramfs
from harness import KERNEL, VMM, check, equal, file_text, kill, match, read_until, run
from jailer import FIRECRACKER, JAILED, JAILED_CODE, JAILER, UID, Jail, check_leftover
from jailer_machine import PROGRAM
from monitor import AS_USER, check_threads
from proc import status
from ptrace import PTRACE_O_EXITKILL, PTRACE_O_TRACESYSGOOD, PTRACE_SETOPTIONS, PTRACE_SYSCALL, PTRACE_TRACEME, ptrace


def test_bad_options():
    with Jail() as jail:
        for options, pattern in (
                (["--id", "a"], "--id is given more than once"), (["--nonsense"], "unknown option '--nonsense'"),
                (["--daemonize", "--daemonize"], "--daemonize is given more than once"),
                (["more"], "unexpected argument 'more'"), (["--netns"], "--netns needs a value"),
                (["--cgroup-version", "3"], "neither 1 nor 2"), (["--parent-cgroup", "../x"], "not a relative path"),
                (["--cgroup", "cpu.max"], "not FILE=VALUE"), (["--resource-limit", "x=1"], "neither no-file=N")):
            jail.refuse(pattern, *options)
        for name in ("--id", "--uid", "--gid", "--exec-file"):
            argv = jail.argv()
            at = argv.index(name)
            run(*argv[:at], *argv[at + 2:]).expect_error(1, f"{name} is missing", by="hull-jailer")
            for value in ("", "../x" if name == "--id" else "/" if name == "--exec-file" else "-1"):
                argv[at + 1] = value
                run(*argv).expect_error(1, name, by="hull-jailer")
        equal(os.listdir(jail.base), [], "what was made")


def test_help_and_version():
    run(JAILER).expect_error(1, "--id is missing", by="hull-jailer")
    result = run(JAILER, "--help")
    equal((result.code, result.err), (0, b""), "exit code and stderr")
    match("^Usage: hull-jailer --id ", result.out, "help")
    version, its = run(JAILER, "--version"), run(VMM, "--version")
    equal(version.code, 0, "exit code")
    # What reads both expects the same.
    equal(match(r"\AJailer v(\S+)\nhull-jailer (\S+)\n\Z", version.out, "version").groups(),
          match(r"\AFirecracker v(\S+)\nhull-vmm (\S+)\n\Z", its.out, "version").groups(), "versions")


def test_exec_files():
    with Jail() as jail:
        plain = os.path.join(jail.top, "plain")
        with open(plain, "w", encoding="utf-8") as file:
            file.write("no program")
        fifo = os.path.join(jail.top, "fifo")
        os.mkfifo(fifo, 0o755)
        for path, pattern in ((jail.top + "/none", "No such file"), (jail.top, "is not a regular file"),
                              (plain, "is not executable"), (fifo, "is not a regular file"),
                              ("/dev/null", "is not a regular file")):
            jail.use(path)
            jail.refuse(f"--exec-file {path}: .*{pattern}")
        os.chmod(plain, 0o755)
        jail.use(plain)
        jail.refuse("executing /plain in .*/root as user 12345: Exec format error")
        # The name is the link's, the program what it leads to.
        os.symlink(JAILED, os.path.join(jail.top, "named"))
        jail.use(os.path.join(jail.top, "named"))
        equal(jail.run().code, JAILED_CODE, "exit code")
        check(stat.S_ISREG(os.lstat(os.path.join(jail.root, "named")).st_mode), "the copy is a link")
        # No right comes with the copy.
        shutil.copy(JAILED, os.path.join(jail.top, "private"))
        os.chmod(os.path.join(jail.top, "private"), 0o6700)
        jail.use(os.path.join(jail.top, "private"))
        equal(jail.run().code, JAILED_CODE, "exit code")
        equal(os.stat(os.path.join(jail.root, "private")).st_mode, PROGRAM, "mode of the copy")


def test_who_may():
    with Jail() as jail:
        result = run(*AS_USER, *jail.argv())
        result.expect_error(1, r"only root can make a jail, not user 1000", by="hull-jailer")
        equal(os.listdir(jail.base), [], "what was made")
        argv = jail.argv()
        argv[argv.index("--uid") + 1] = "0"
        result = run(*argv)
        equal(result.code, JAILED_CODE, "exit code")
        equal(result.err, b"hull-jailer: warn: --uid 0: the program runs as root\n", "stderr")


def test_a_monitor_that_is_given_root():
    """Its own jail takes that from it."""
    with Jail(FIRECRACKER) as jail:
        os.makedirs(jail.root, 0o755)
        shutil.copy(KERNEL, os.path.join(jail.root, "vmlinux"))
        initramfs(os.path.join(jail.root, "initrd"))
        argv = jail.argv(arguments=["--kernel", "vmlinux", "--initrd", "initrd", "--serial", "stdio", "--cmdline",
                                    CMDLINE + " probe=hang"])
        argv[argv.index("--uid") + 1] = argv[argv.index("--gid") + 1] = "0"
        jail.process = jailer.start(*argv)
        read_until(jail.process.stdout, "probe: hanging")
        pid = jail.process.pid
        uid = int(status(f"/proc/{pid}/status")["Uid"].split()[0])
        equal(uid, 1900000000 + pid, "user ID")
        check_threads(pid, 1, uid, uid, program="firecracker")


def test_no_room_and_no_devices():
    with Jail() as jail:
        for options, pattern in (
                ("size=64k,mode=755", "copying the program to .*: No space left on device"),
                ("nodev,mode=755", "/root/dev: its file system is mounted with nodev"),
                ("noexec,mode=755", "executing /jailed in .* as user 12345: Permission denied"),
                ("ro", "(making directory .*: Read-only file system|others than its owner)")):
            run("mount", "-t", "tmpfs", "-o", options, "tmpfs", jail.base).expect(0)
            try:
                jail.refuse(pattern)
            finally:
                run("umount", jail.base).expect(0)


def test_a_prepared_directory_is_given_back():
    with Jail() as jail:
        os.makedirs(os.path.join(jail.root, "dev"), 0o711)
        os.chown(jail.root, UID, 7)
        with open(os.path.join(jail.root, "disk"), "w", encoding="utf-8") as file:
            file.write("data")
        jail.use("/bin/bash")
        os.rename(os.path.join(jail.base, "jailed"), os.path.join(jail.base, "bash"))
        jail.refuse("executing /bash")


# kill -9 at any step.

def killed_at(argv, step):
    """Run it up to its step-th system call's entry or end, and end it there. Return whether it came that far."""
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            null = os.open("/dev/null", os.O_RDWR)
            for number in range(3):
                os.dup2(null, number)
            ptrace(PTRACE_TRACEME, 0)
            os.execv(argv[0], argv)
        os._exit(127)
    os.waitpid(pid, 0)
    ptrace(PTRACE_SETOPTIONS, pid, None, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)
    for _ in range(step):
        ptrace(PTRACE_SYSCALL, pid)
        _, ended = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(ended):
            return False
    kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def test_killed_at_any_step():
    """What stays is the documented: the VM's directory and cgroup. Once these are removed, the ID is free again."""
    for options, stride in (((), 7), (("--daemonize", "--new-pid-ns"), 9)):
        with Jail() as jail:
            mine = file_text("/proc/self/mountinfo")
            options = ("--cgroup-version", "2", "--cgroup", "pids.max=40", *options)
            step, more = 1, True
            while more:
                more = killed_at(jail.argv(*options), step)
                check_leftover(jail, step)
                equal(file_text("/proc/self/mountinfo"), mine, "mounts")
                jail.remove()
                check(not os.path.exists(jail.cgroup), "the cgroup can't be removed")
                step += stride
            check(step > 20 * stride, "only", step, "steps")
