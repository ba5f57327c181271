# SPDX-License-Identifier: Apache-2.0
"""hull run: exit codes, options, and the machine and the container as the command sees them."""
import functools
import os
import re

import layout
from harness import (BUSYBOX, DEBIAN, HULL, LONG_DEADLINE, WorkDir, check, equal, finish, hull, match, read_until, run,
                     start_hull)


def sh(script, *options, **kwargs):
    """Run a script in the busybox image."""
    return hull(*options, BUSYBOX, "sh", "-c", script, **kwargs)


def test_output():
    hull(BUSYBOX, "echo", "hello", "two  words").expect(0, "hello two  words\n")


def test_stderr_apart_and_exit_code():
    sh("echo to-out; echo to-err >&2; exit 3").expect(3, "to-out\n", "to-err\n")


def test_debian_python():
    hull(DEBIAN, "python3", "-c", "import sys; print('python', sys.version_info[0])").expect(0, "python 3\n")


def test_command_of_the_image():
    hull("-i", BUSYBOX, stdin=b"echo from sh; exit 5\n").expect(5, "from sh\n", "")


def test_killed_by_kill():
    sh("kill -9 $$").expect(137, "", "")


def test_killed_by_abort():
    hull(DEBIAN, "python3", "-c", "import os; os.abort()").expect(134, "", "")


def test_command_not_found():
    hull(BUSYBOX, "no-such-command").expect_error(127, "no-such-command", "not found")


def test_command_not_there_by_path():
    hull(BUSYBOX, "/no/such/command").expect_error(127, "/no/such/command", "not found")


def test_command_not_executable():
    hull(BUSYBOX, "/etc/passwd").expect_error(126, "/etc/passwd", "[Pp]ermission")


def test_command_is_a_directory():
    hull(BUSYBOX, "/etc").expect_error(126, "/etc", "directory")


def test_bad_option():
    hull("--no-such-option", BUSYBOX, "true").expect_error(125, "no-such-option")


def test_no_image_given():
    hull().expect_error(125, "image")


def test_environment():
    with WorkDir() as work:
        path = os.path.join(work, "env")
        with open(path, "w", encoding="utf-8") as file:
            file.write("# a comment\nFILE=from file\nBOTH=from file\nPASSED\n")
        result = hull("-e", "ONE=1", "--env", "TWO=a b=c", "-e", "BOTH=from option", "-e", "HERE", "-e", "NOT_HERE",
                      "--env-file", path, BUSYBOX, "env", env={"HERE": "here", "PASSED": "passed", "NOT_HERE": None})
    result.expect(0)
    got = dict(line.split("=", 1) for line in result.out.decode().splitlines())
    check("PATH" in got and "/bin" in got["PATH"].split(":"), "PATH of the image:", got)
    equal(got.pop("HOME"), "/root", "HOME")
    check(re.fullmatch("[0-9a-f]+", got.pop("HOSTNAME")), "HOSTNAME:", got)
    del got["PATH"]
    equal(got, {"ONE": "1", "TWO": "a b=c", "FILE": "from file", "BOTH": "from option", "HERE": "here",
                "PASSED": "passed"}, "environment")


def test_workdir_is_made():
    hull("-w", "/made/for this", BUSYBOX, "pwd").expect(0, "/made/for this\n")


def test_user_by_name():
    sh("id -un; id -u; id -g; grep CapEff /proc/self/status; echo $HOME", "-u", "nobody").expect(
        0, "nobody\n65534\n65534\nCapEff:\t0000000000000000\n/\n")


def test_user_by_name_and_group():
    sh("id -u; id -g", "--user", "daemon:users").expect(0, "1\n100\n")


def test_user_by_number():
    sh("id -u; id -g; touch /etc/x || echo refused", "-u", "1234:77").expect(
        0, "1234\n77\nrefused\n", "touch: /etc/x: Permission denied\n")


def test_unknown_user():
    hull("-u", "stranger", BUSYBOX, "true").expect_error(125, "stranger")


def test_unknown_group():
    hull("-u", "root:strangers", BUSYBOX, "true").expect_error(125, "strangers")


def test_entrypoint_option():
    hull("--entrypoint", "echo", BUSYBOX, "a", "b").expect(0, "a b\n")


def test_entrypoint_of_the_image():
    with WorkDir() as work:
        image = os.path.join(work, "image")
        layout.derive(BUSYBOX, image, config={"Entrypoint": ["echo", "entry"], "Cmd": ["cmd"], "WorkingDir": "/tmp",
                                              "User": "daemon", "Env": ["PATH=/bin", "FROM=image"]})
        hull(image).expect(0, "entry cmd\n")
        hull(image, "other").expect(0, "entry other\n")
        hull("--entrypoint", "", image, "sh", "-c", "pwd; id -un; echo $FROM").expect(0, "/tmp\ndaemon\nimage\n")


def test_hostname():
    sh("hostname; cat /etc/hostname; echo $HOSTNAME; grep -c box /etc/hosts", "--hostname", "box").expect(
        0, "box\nbox\nbox\n1\n")


def test_name_is_unique_while_it_runs():
    first = start_hull("--name", "only-one", "-i", BUSYBOX, "sh", "-c", "echo up; cat", stdin=-1)
    read_until(first.stdout, "up\n")
    hull("--name", "only-one", BUSYBOX, "true").expect_error(125, "only-one", "in use")
    equal(finish(first).code, 0, "exit code of the first")
    hull("--name", "only-one", BUSYBOX, "true").expect(0, "")


def test_read_only():
    sh("touch /etc/x; touch /x; echo $?; for d in /tmp /run /var/tmp /dev/shm; do echo y >$d/x && cat $d/x; done",
       "--read-only").expect(0, "1\ny\ny\ny\ny\n",
                             "touch: /etc/x: Read-only file system\ntouch: /x: Read-only file system\n")


def test_writable_by_default():
    sh("echo new >/etc/passwd && rm -r /home && mkdir /home/ && mv /home /house && cat /etc/passwd; ls -d /house").expect(
        0, "new\n/house\n")


def test_disk():
    # More than the memory: the end of the file must come back from the disk.
    result = sh("dd if=/dev/zero of=/big bs=1M count=200 conv=fsync 2>/dev/null; echo the end >>/big; "
                "tail -c 8 /big; ls -l /big; df -m / | tail -n 1; mv /etc /etc2 && ls -d /etc2",
                "--disk", "1G", "--memory", "160M", timeout=LONG_DEADLINE)
    result.expect(0)
    lines = result.out.decode().splitlines()
    equal((lines[0], lines[3]), ("the end", "/etc2"), "end of the file, renamed folder")
    match(" 209715208 ", lines[1], "size of the file")
    size = int(lines[2].split()[1])
    check(900 <= size <= 1024, "size of / in MiB:", size)


def memory_of(*options):
    result = sh("grep MemTotal /proc/meminfo", *options).expect(0)
    return int(result.out.split()[1]) // 1024


def test_memory_default():
    got = memory_of()
    check(440 <= got <= 512, "MiB of 512:", got)


def test_memory_option():
    got = memory_of("--memory", "1G")
    check(930 <= got <= 1024, "MiB of 1024:", got)


def test_smallest_memory_boots():
    got = memory_of("--memory", "64M")
    check(30 <= got <= 64, "MiB of 64:", got)


def test_one_cpu():
    sh("nproc; grep -c ^processor /proc/cpuinfo").expect(0, "1\n1\n")


def test_four_cpus():
    # All of them must run something: a process bound to each counts.
    sh("nproc; for i in 0 1 2 3; do taskset -c $i sh -c 'grep -c ^processor /proc/cpuinfo'; done", "--cpus", "4").expect(
        0, "4\n4\n4\n4\n4\n")


def test_timing():
    result = hull("--timing", BUSYBOX, "echo", "out")
    check(result.code == 0 and result.out == b"out\n", result)
    rows = [re.split(r"\s{2,}", line.strip()) for line in result.err.decode().splitlines()]
    equal(rows[0][:2], ["phase", "at ms"], "heading")
    names = [row[0] for row in rows[1:]]
    equal(names, ["hull started", "image ready", "monitor spawned", "monitor started", "KVM open", "memory mapped",
                  "devices ready", "kernel loaded", "first KVM_RUN", "init started", "init connected",
                  "command started", "first output", "command exited", "VM ended"], "phases")
    at = [float(row[1]) for row in rows[1:]]
    # The guest's own marks are brought to the host's clock to within the time of one message.
    check(all(b - a > -50 for a, b in zip(at, at[1:])), "times don't grow:", rows)


def test_rm_is_accepted():
    hull("--rm", BUSYBOX, "true").expect(0, "")


def test_no_input_without_interactive():
    sh("cat; readlink /proc/self/fd/0", stdin=b"not for it").expect(0, "/dev/null\n")


def test_input_ends():
    sh("cat; echo end", "-i", stdin=b"some input\n").expect(0, "some input\nend\n")


def test_empty_input_ends():
    sh("wc -c", "-i", stdin=b"").expect(0, "0\n")


def test_orphans_are_reaped():
    sh("for i in 1 2 3 4 5; do (sleep 0.1 &); done; sleep 1; ps -o stat,comm | grep -c ^Z").expect(1, "0\n", "")


def test_background_process_does_not_hold_the_end():
    sh("sleep 1000 & sleep 1000 >/dev/null 2>&1 & echo done; exit 7").expect(7, "done\n", "")


def test_output_of_dying_children_arrives():
    # The command's last writes are in a pipe when it ends.
    sh("dd if=/dev/zero bs=1k count=60 2>/dev/null | tr '\\0' x").expect(0, b"x" * 61440)


def test_hull_help_and_version():
    for words in (("--help",), ("run", "--help"), ("help", "run")):
        result = run(HULL, *words)
        check(result.code == 0 and b"Usage" in result.out and result.err == b"", words, result)
    match(r"^hull \d+\.\d+\.\d+\n$", run(HULL, "--version").out, "version")


VIEW = """
section() { echo "=== $1"; }
section status; cat /proc/self/status
section ps; ps -o pid,ppid,comm
section pid1; cat /proc/1/comm; ls -l /proc/1/exe 2>&1
section mounts; cat /proc/self/mounts
section dev; ls -l /dev
section devtest; for d in null zero full random urandom tty; do [ -c /dev/$d ] && echo $d; done
section fds; ls -l /dev/fd/ | grep -v -e /proc -e total | wc -l
section cgroup; cat /proc/self/cgroup
section masked; for f in /proc/kcore /proc/keys /proc/timer_list; do [ -e $f ] && wc -c <$f; done; ls /sys/firmware
section sysrq; echo b >/proc/sysrq-trigger; echo "exit $?"
section sysctl; echo 1 >/proc/sys/kernel/panic; echo "exit $?"
section sys; mkdir /sys/fs/cgroup/x; mount -o remount,rw /sys; echo "exit $?"
section host; ls /; ls -d /work /build /image /upper /dev/vda 2>&1
section uname; uname -srm
section lo; ip addr show lo 2>&1 | grep inet
section limits; ulimit -n; ulimit -Hn
section umask; umask
section raw; cat /dev/vda 2>&1 | wc -c
"""


@functools.lru_cache(maxsize=None)
def view():
    """One container's answers to many questions: {section: text}."""
    result = hull(BUSYBOX, "sh", "-c", VIEW)
    equal(result.code, 0, "exit code")
    sections = {}
    for part in result.out.decode().split("=== ")[1:]:
        name, text = part.split("\n", 1)
        sections[name] = text
    sections["stderr"] = result.err.decode()
    return sections


def test_view_capabilities():
    status = dict(line.split(":\t", 1) for line in view()["status"].splitlines() if ":\t" in line)
    docker = "00000000a80425fb"
    for name in ("CapPrm", "CapEff", "CapBnd"):
        equal(status[name], docker, name)
    for name in ("CapInh", "CapAmb"):
        equal(status[name], "0000000000000000", name)


def test_view_processes():
    rows = [line.split() for line in view()["ps"].splitlines()[1:]]
    pids = {int(row[0]): row for row in rows}
    check(1 in pids and len(pids) == 3, "expected pid 1, sh and ps:", rows)
    check("busybox" not in view()["pid1"], "pid 1 is the command's:", view()["pid1"])


def test_view_mounts():
    mounts = {}
    for line in view()["mounts"].splitlines():
        _, target, kind, options = line.split()[:4]
        mounts[target] = (kind, options.split(","))
    expected = {"/": "overlay", "/proc": "proc", "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs",
                "/dev/mqueue": "mqueue", "/sys": "sysfs", "/sys/fs/cgroup": "cgroup2"}
    for target, kind in expected.items():
        check(target in mounts, target, "is not mounted:", mounts)
        equal(mounts[target][0], kind, "file system on " + target)
    for target in ("/sys", "/sys/fs/cgroup", "/proc/sys", "/proc/bus"):
        check("ro" in mounts[target][1], target, "is writable:", mounts[target])
    for target in ("/proc", "/sys", "/dev/shm"):
        check({"nosuid", "nodev", "noexec"} <= set(mounts[target][1]), target, mounts[target])
    check(not [t for t in mounts if t.startswith(("/image", "/upper", "/disk"))], "PID 1's mounts show:", mounts)


def test_view_devices():
    equal(view()["devtest"].split(), ["null", "zero", "full", "random", "urandom", "tty"], "device nodes")
    names = {line.split()[-1] for line in view()["dev"].splitlines() if not line.startswith(("l", "total"))}
    names |= {line.split()[8] for line in view()["dev"].splitlines() if line.startswith("l")}
    equal(names, {"core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
                  "tty", "urandom", "zero"}, "/dev")


def test_view_masked_paths():
    equal(set(view()["masked"].split()) or {"0"}, {"0"}, "sizes of masked files, names in masked folders")


def test_view_kernel_settings_are_read_only():
    for section in ("sysrq", "sysctl", "sys"):
        check("exit 0" not in view()[section], section, "is writable")


def test_view_cgroup():
    equal(view()["cgroup"], "0::/\n", "own cgroup")


def test_view_no_host():
    root = view()["host"].split("ls: ")[0].split()
    equal(set(root) - {"bin", "dev", "etc", "home", "linuxrc", "proc", "root", "sbin", "sys", "tmp", "usr", "var"}, set(),
          "names in / that the image doesn't have")
    check("/dev/vda\n" not in view()["host"], "the image's disk is in /dev")
    equal(view()["raw"].strip(), str(len("cat: can't open '/dev/vda': No such file or directory\n")), "raw disk")


def test_view_kernel():
    match(r"^Linux 6\.12\S*-hull\S* x86_64$", view()["uname"], "uname")


def test_view_loopback():
    match(r"inet 127\.0\.0\.1/8", view()["lo"], "loopback")


def test_view_limits():
    equal(view()["limits"].split(), ["1024", "524288"], "open files")
    equal(view()["umask"].strip(), "0022", "umask")


def test_two_containers_share_nothing():
    first = start_hull("-i", BUSYBOX, "sh", "-c", "echo secret >/tmp/file; touch /etc/mark; echo up; cat", stdin=-1)
    read_until(first.stdout, "up\n")
    sh("cat /tmp/file /etc/mark; ps -o comm | grep -c '^cat'; exit 0").expect(
        0, "0\n", "cat: can't open '/tmp/file': No such file or directory\n"
                  "cat: can't open '/etc/mark': No such file or directory\n")
    equal(finish(first).code, 0, "exit code of the first")


def test_output_closed_before_the_start():
    process = start_hull(BUSYBOX, "sh", "-c", "echo lost; exit 4")
    process.stdout.close()
    process.stdout = None
    result = finish(process)
    check(result.code in (4, 141), "exit code:", result)

