# SPDX-License-Identifier: Apache-2.0
"""The options of hull run."""
import os
import re

import layout
from harness import BUSYBOX, LONG_DEADLINE, WorkDir, check, equal, finish, hull, match, read_until, start_hull


def sh(script, *options, **kwargs):
    """Run a script in the busybox image."""
    return hull(*options, BUSYBOX, "sh", "-c", script, **kwargs)


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


def test_workdir_of_any_bytes():
    path = b"/\xff\"\\\n\x01/\xc3\xa9"
    hull("-w", path, BUSYBOX, "sh", "-c", "printf %s \"$PWD\"").expect(0, path)


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
    sh("echo new >/etc/passwd && rm -r /home && mkdir /home/ && mv /home /house && "
       "cat /etc/passwd; ls -d /house").expect(0, "new\n/house\n")


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
    sh("nproc; for i in 0 1 2 3; do taskset -c $i sh -c 'grep -c ^processor /proc/cpuinfo'; done",
       "--cpus", "4").expect(0, "4\n4\n4\n4\n4\n")


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
