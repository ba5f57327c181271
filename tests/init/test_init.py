#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hull-init's tests: the container and its own command.

test_init.py INIT_NATIVE [TEST...]                      in namespaces of this machine
test_init.py --vm HULL_VMM KERNEL INITRAMFS [TEST...]   in virtual machines
"""
import hashlib
import os
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

import harness
from harness import (DISK, EXITED, FAILED, HELLO, READONLY, RESIZE, SIGNAL, START, STDERR, STDIN, STDOUT, TIMEOUT, TMPFS,
                     TTY, Guest, clone_image, failed, field, make_ext4, read_all, read_until, resources_unlimited, run, shell,
                     spec)

# Output, input, exit status


def test_output():
    code, signal, out, err = run(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (code, signal, out, err) == (7, 0, b"out\n", b"err\n")


def test_signals_in_status():
    assert run(["sh", "-c", "kill -9 $$"])[:2] == (0, 9)
    assert run(["sh", "-c", "kill -ABRT $$"])[:2] == (0, 6)
    assert run(["sh", "-c", "kill -TERM $$"])[:2] == (0, 15)


def test_stdin():
    data = bytes(range(256)) * 1000
    assert run(["cat"], stdin=b"")[2] == b""
    assert run(["sh", "-c", "wc -c"], stdin=data)[2].strip() == b"256000"


def test_no_streams():
    with Guest() as guest:
        guest.started(["sh", "-c", "read x; echo $x; test -c /proc/self/fd/1"], streams=(0, 0, 0))
        assert guest.exited() == (0, 0)
        assert list(guest.ports) == [1024]


def test_bulk():
    size = 100 << 20
    with Guest() as guest:
        guest.started(["cat"])
        block = os.urandom(1 << 20)
        sent = hashlib.sha256()

        def feed():
            sock = guest.accept(STDIN)
            for _ in range(size // len(block)):
                sent.update(block)
                sock.sendall(block)
            sock.shutdown(socket.SHUT_WR)

        guest.accept(STDOUT), guest.accept(STDIN)
        thread = threading.Thread(target=feed)
        thread.start()
        got, total = hashlib.sha256(), 0
        while data := guest.ports[STDOUT].recv(1 << 16):
            got.update(data)
            total += len(data)
        thread.join()
        assert total == size and got.digest() == sent.digest()
        assert guest.exited() == (0, 0)


def test_slow_reader_blocks_writer():
    with Guest() as guest:
        guest.started(["sh", "-c", "head -c 20000000 /dev/zero; echo done >&2"])
        out, err = guest.accept(STDOUT), guest.accept(STDERR)
        assert not select.select([err], [], [], 0.5)[0], "nothing stopped the writer"
        total = 0
        while data := out.recv(1 << 16):
            total += len(data)
        assert total == 20000000
        assert read_all(err) == b"done\n"
        assert guest.exited() == (0, 0)


def test_host_closes_stdout():
    with Guest() as guest:
        guest.started(["sh", "-c", "yes; echo $? >&2"])
        out = guest.accept(STDOUT)
        out.recv(100)
        out.close()
        assert read_all(guest.accept(STDERR)) == b"141\n"
        assert guest.exited() == (0, 0)


def test_host_closes_idle_stdout():
    """Nothing is written: the hangup alone must reach the pipe."""
    with Guest() as guest:
        guest.started(["sh", "-c", "read x; yes"])
        guest.accept(STDOUT).close()
        guest.accept(STDIN).sendall(b"\n")
        assert guest.exited() == (0, 13)


def test_command_closes_stdin():
    with Guest() as guest:
        guest.started(["sh", "-c", "exec <&-; echo closed; sleep 100"])
        assert guest.accept(STDOUT).recv(100) == b"closed\n"
        sock = guest.accept(STDIN)
        assert sock.recv(1) == b"", "the host isn't told"


def test_command_closes_stdout():
    with Guest() as guest:
        guest.started(["sh", "-c", "exec >&-; sleep 100"])
        assert read_all(guest.accept(STDOUT)) == b""


def test_background_holds_pipe():
    start = time.monotonic()
    assert run(["sh", "-c", "sleep 100 & echo started"])[2] == b"started\n"
    assert time.monotonic() - start < 10


def test_dev_stdout():
    assert shell("echo a > /dev/stdout; echo b > /proc/self/fd/1") == "a\nb\n"
    assert shell("echo a > /dev/stdout", user="1000") == "a\n"


# Signals


def test_signal():
    with Guest() as guest:
        guest.started(["sh", "-c", "trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.05; done"])
        out = guest.accept(STDOUT)
        assert out.recv(100) == b"ready\n"
        guest.send(SIGNAL, struct.pack("<II", 15, 0))
        assert read_all(out) == b"got\n"
        assert guest.exited() == (3, 0)
        guest.send(SIGNAL, struct.pack("<II", 15, 0))
        guest.shutdown()


def test_signal_default_kills():
    with Guest() as guest:
        guest.started(["sleep", "100"])
        guest.send(SIGNAL, struct.pack("<II", 1, 0))
        assert guest.exited() == (0, 1)


def test_signal_group():
    with Guest() as guest:
        guest.started(["sh", "-c", "trap 'echo parent' USR1; sleep 100; echo $?"])
        out = guest.accept(STDOUT)
        time.sleep(0.3)
        guest.send(SIGNAL, struct.pack("<II", 10, 1))
        assert sorted(read_all(out).split()) == [b"138", b"parent"]


def test_shutdown_kills():
    with Guest() as guest:
        guest.started(["sh", "-c", "trap '' TERM HUP; sleep 100 & wait"])
        guest.shutdown()


def test_host_dies():
    with Guest() as guest:
        guest.started(["sleep", "100"])
        guest.control.close()
        assert guest.process.wait(TIMEOUT) == 0


def test_host_dies_before_start():
    with Guest() as guest:
        guest.hello()
        guest.control.close()
        assert guest.process.wait(TIMEOUT) == 0


def test_orphans_are_reaped():
    out = shell("(sleep 0.1 & sleep 0.1 & true); sleep 0.5; ps -o stat= | grep -c Z || true")
    assert out == "0\n", out


# The host's messages are checked


def malformed(data):
    with Guest() as guest:
        guest.hello()
        guest.control.sendall(data)
        assert guest.process.wait(TIMEOUT) == 0


def test_malformed_frames():
    malformed(struct.pack("<IHH", 0, 99, 0))
    malformed(struct.pack("<IHH", 0x7FFFFFFF, START, 0))
    malformed(struct.pack("<IHH", 24, HELLO, 0) + b"x" * 24)


def test_malformed_spec():
    with Guest() as guest:
        guest.hello()
        guest.send(START, field(99, b"") + spec(["true"]))
        kind, payload = guest.recv()
        assert kind == FAILED and b"malformed" in payload
        guest.shutdown()


def test_second_start():
    with Guest() as guest:
        guest.started(["sleep", "100"])
        guest.send(START, spec(["true"]))
        assert guest.process.wait(TIMEOUT) == 0


# Terminal


def test_terminal():
    with Guest() as guest:
        guest.started(["sh", "-c", "tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo tty"], tty=(33, 101))
        data = read_all(guest.accept(TTY))
        assert data == b"/dev/pts/0\r\n33 101\r\ntty\r\n", data
        assert guest.exited() == (0, 0)


def test_terminal_input_and_resize():
    with Guest() as guest:
        guest.started(["sh", "-c", "trap 'stty size' WINCH; echo ready; while ! read x; do :; done; echo got $x"],
                      tty=(24, 80))
        sock = guest.accept(TTY)
        read_until(sock, b"ready\r\n")
        guest.send(RESIZE, struct.pack("<HH", 50, 132))
        read_until(sock, b"50 132\r\n")
        sock.sendall(b"hello\n")
        read_until(sock, b"got hello\r\n")
        assert guest.exited() == (0, 0)


def test_terminal_interrupt():
    with Guest() as guest:
        guest.started(["sh", "-c", "echo ready; sleep 100"], tty=(24, 80))
        sock = guest.accept(TTY)
        read_until(sock, b"ready\r\n")
        sock.sendall(b"\x03")
        assert guest.exited() == (0, 2)


def test_terminal_signal_group():
    with Guest() as guest:
        # The shell's child says so: the shell looks at its trap when that has gone.
        guest.started(["sh", "-c", "trap 'echo parent; exit 4' USR1; sh -c 'echo ready; exec sleep 100'"], tty=(24, 80))
        sock = guest.accept(TTY)
        read_until(sock, b"ready\r\n")
        guest.send(SIGNAL, struct.pack("<II", 10, 1))
        read_until(sock, b"parent")
        assert guest.exited() == (4, 0)


def test_terminal_hangup():
    """The host's close reaches the session as SIGHUP."""
    with Guest() as guest:
        guest.started(["sh", "-c", "echo ready; sleep 100"], tty=(24, 80))
        sock = guest.accept(TTY)
        read_until(sock, b"ready\r\n")
        sock.close()
        assert guest.exited()[1] == 1


def test_terminal_half_close():
    with Guest() as guest:
        guest.started(["sh", "-c", "sleep 0.3; echo still here"], tty=(24, 80))
        sock = guest.accept(TTY)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"still here\r\n"
        assert guest.exited() == (0, 0)


def typed(script, data):
    """What a terminal shows of a script whose input is @data and then ends."""
    with Guest() as guest:
        guest.started(["sh", "-c", script + "; echo ended $?"], tty=(24, 80))
        sock = guest.accept(TTY)
        shown = read_until(sock, b"ready\r\n")
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        shown += read_all(sock)
        assert guest.exited() == (0, 0)
        return shown.split(b"ready\r\n", 1)[1]


def test_terminal_end_of_input():
    """A reader of lines learns of it, after all that was typed."""
    start = "stty -echo; echo ready; "
    assert typed(start + "cat", b"") == b"ended 0\r\n"
    assert typed(start + "cat", b"line\n") == b"line\r\nended 0\r\n"
    assert typed(start + "cat", b"line\r") == b"line\r\nended 0\r\n"
    assert typed(start + "cat", b"line\npart") == b"line\r\npartended 0\r\n"
    assert typed("stty -echo eof ^A; echo ready; cat -v", b"a\x04\n") == b"a^D\r\nended 0\r\n"
    assert typed(start + "md5sum", (b"x" * 99 + b"\n") * 5000) == b"%s  -\r\nended 0\r\n" % (
        hashlib.md5((b"x" * 99 + b"\n") * 5000).hexdigest().encode())


def test_terminal_end_of_input_is_nothing_to_a_raw_one():
    shown = typed("stty raw -echo opost; echo ready; timeout 1 head -c 1 | wc -c", b"")
    # The shell may say, before it, that head was terminated.
    assert b"0" in shown.split(), shown


def test_terminal_bulk_output():
    with Guest() as guest:
        guest.started(["sh", "-c", "stty raw; head -c 3000000 /dev/zero"], tty=(24, 80))
        assert len(read_all(guest.accept(TTY))) == 3000000
        assert guest.exited() == (0, 0)


def test_terminal_console():
    with Guest() as guest:
        guest.started(["sh", "-c", "test -c /dev/console; echo hi > /dev/console; echo there > /dev/tty"], tty=(1, 2))
        assert read_all(guest.accept(TTY)) == b"hi\r\nthere\r\n"


# Command lookup


def test_not_found():
    failed(["nope"], 127, "nope: not found")
    failed(["/bin/nope"], 127, "/bin/nope: not found")
    failed([""], 127, "not found")
    failed(["sh"], 127, "sh: not found", env=["PATH=/nowhere"])


def test_not_executable():
    failed(["/etc/passwd"], 126, "/etc/passwd", "denied")
    failed(["/etc"], 126, "/etc: is a directory")
    failed(["noexec"], 126, "noexec", env=["PATH=/usr/data:/bin"])
    failed(["/usr/data/garbage"], 126, "/usr/data/garbage")
    failed(["/usr/data/lost"], 127, "interpreter")


def test_path_search():
    assert shell("echo $0", env=["PATH=/nowhere::/bin"]) == "sh\n"
    assert run(["script", "arg"], env=["PATH=/usr/data"])[2] == b"script arg\n"
    assert run(["./script", "arg"], cwd="/usr/data")[2] == b"script arg\n"


# Environment, user, directory


def test_environment():
    out = shell("env | grep -v -e SHLVL -e PWD", env=["A=1", "B=x y"], hostname="box")
    assert set(out.splitlines()) == {
        "A=1",
        "B=x y",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME=box",
        "HOME=/root",
    }, out


def test_user():
    assert shell("id -u; id -g; id -G; echo $HOME", user="alice") == "1000\n1000\n1000 27 44\n/home/alice\n"
    assert shell("id -u; id -g; id -G", user="alice:video") == "1000\n44\n44\n"
    assert shell("id -u; id -g; echo $HOME", user="4711:4712") == "4711\n4712\n/\n"
    assert shell("echo $HOME", user="alice", env=["HOME=/elsewhere"]) == "/elsewhere\n"


def test_unknown_user():
    failed(["true"], 125, "nobodyknows", user="nobodyknows")
    failed(["true"], 125, "nogroup", user="alice:nogroup")


def test_hostile_passwd():
    def fifo(root):
        os.unlink(root + "/etc/passwd")
        os.mkfifo(root + "/etc/passwd")

    def escape(root):
        os.unlink(root + "/etc/passwd")
        os.symlink("../../../../../../../etc/passwd", root + "/etc/passwd")

    copy = clone_image(fifo)
    failed(["true"], 125, "/etc/passwd", "regular", user="alice", image_dir=copy)
    shutil.rmtree(copy)
    copy = clone_image(escape)
    failed(["true"], 125, user="root", image_dir=copy)
    shutil.rmtree(copy)


def test_directory():
    assert shell("pwd", cwd="/usr/data") == "/usr/data\n"
    assert shell("pwd; stat -c '%u %a' .", cwd="/made/for/me") == "/made/for/me\n0 755\n"
    assert shell("pwd", cwd="/made/for/me", root=READONLY) == "/made/for/me\n"
    failed(["true"], 125, "/etc/passwd", "not a directory", cwd="/etc/passwd")


def test_capabilities():
    script = "grep -e Cap -e NoNew /proc/self/status"
    default, none = "00000000a80425fb", "0000000000000000"

    def caps(user):
        return dict(line.split(":\t") for line in shell(script, user=user).splitlines())

    assert caps("") == {
        "CapInh": none, "CapPrm": default, "CapEff": default, "CapBnd": default, "CapAmb": none, "NoNewPrivs": "0",
    }
    assert caps("alice") == {
        "CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": default, "CapAmb": none, "NoNewPrivs": "0",
    }


def test_process_state():
    out = shell("for i in $(seq 0 50); do test -e /proc/self/fd/$i && echo $i || true; done")
    assert out == "0\n1\n2\n", out
    out = shell("grep -e SigBlk -e SigIgn /proc/self/status; umask")
    assert out == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n0022\n", out
    out = shell("cat /proc/self/oom_score_adj; sleep 0.1; cat /proc/1/oom_score_adj").split()
    assert out == ["0", "-1000" if resources_unlimited() else "0"], out


def test_limits():
    if resources_unlimited():
        out = shell("ulimit -Sn; ulimit -Hn")
        assert out == "1024\n524288\n", out
    assert shell("ulimit -Sn; ulimit -Hn", rlimits=[(7, 100, 200)]) == "100\n200\n"


def test_long_arguments():
    """Near the limit of a frame."""
    args = ["sh", "-c", "echo $#", "sh"] + ["x" * 100] * 2000
    assert run(args)[2] == b"2000\n"
    failed(["echo", "x" * 140000], 126, "rgument list too long")


# Namespaces and mounts


def test_processes():
    out = shell("echo $$; cd /proc; echo [0-9]*")
    assert out == "2\n1 2\n", out
    out = run(["sh", "-c", "readlink /proc/1/exe; readlink /proc/1/fd/6; cat /proc/1/maps; ls /proc/1/root/"])
    assert out[2] == b"", out


def test_init_is_immune():
    assert shell("kill -9 1; kill -TERM 1; sleep 0.1; echo alive") == "alive\n"


def test_mounts():
    out = shell("cut -d' ' -f2-4 /proc/mounts")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    for path, kind, options in (
        ("/", "overlay", {"rw"}),
        ("/proc", "proc", {"rw", "nosuid", "nodev", "noexec"}),
        ("/sys", "sysfs", {"ro", "nosuid", "nodev", "noexec"}),
        ("/sys/fs/cgroup", "cgroup2", {"ro", "nosuid", "nodev", "noexec"}),
        ("/dev", "tmpfs", {"nosuid"}),
        ("/dev/pts", "devpts", {"nosuid", "noexec", "gid=5", "mode=620", "ptmxmode=666"}),
        ("/dev/shm", "tmpfs", {"nosuid", "nodev", "noexec", "size=65536k"}),
        ("/proc/sys", "proc", {"ro", "nosuid", "nodev", "noexec"}),
    ):
        assert rows[path][0] == kind, (path, rows[path])
        assert options <= set(rows[path][1].split(",")), (path, rows[path])
    assert not [path for path in rows if path.startswith(("/image", "/container", "/upper", "/cgroup"))], rows


def test_devices():
    out = shell("cd /dev; ls; stat -c '%n %a %t:%T' null zero full random urandom tty; for i in ptmx fd stdin; do readlink $i; done")
    lines = out.splitlines()
    assert lines[:14] == ["core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin",
                          "stdout", "tty", "urandom"], lines
    assert "null 666 1:3" in lines and "tty 666 5:0" in lines
    assert lines[-3:] == ["pts/ptmx", "/proc/self/fd", "/proc/self/fd/0"]


def test_masked():
    assert shell("cat /proc/kcore /proc/keys 2>/dev/null | wc -c; ls /sys/firmware 2>/dev/null | wc -l").split() == ["0", "0"]
    code, _, _, err = run(["sh", "-c", "echo 1 > /proc/sys/vm/swappiness"])
    assert code and b"Read-only" in err, err
    script = "test ! -e /proc/sysrq-trigger || ! echo h 2>/dev/null > /proc/sysrq-trigger"
    assert run(["sh", "-c", script])[0] == 0


def test_cgroup():
    assert "0::/\n" in shell("cat /proc/self/cgroup")
    out = shell("cat /sys/fs/cgroup/cgroup.procs").split()
    assert "2" in out, out


def test_hostname_and_etc():
    out = shell("hostname; cat /etc/hostname; grep -c box /etc/hosts; readlink /etc/mtab; ls /etc/resolv.conf",
                hostname="box")
    assert out == "box\nbox\n1\n/proc/mounts\n/etc/resolv.conf\n", out


def test_etc_links_stay_inside():
    victim = tempfile.mkdtemp()

    def change(root):
        for name in ("hosts", "hostname", "resolv.conf"):
            if os.path.lexists(f"{root}/etc/{name}"):
                os.unlink(f"{root}/etc/{name}")
            os.symlink(f"{victim}/{name}", f"{root}/etc/{name}")

    copy = clone_image(change)
    assert shell("cat /etc/hostname; ls /etc/hosts", hostname="box", image_dir=copy) == "box\n/etc/hosts\n"
    assert not os.listdir(victim)
    shutil.rmtree(copy)
    shutil.rmtree(victim)


def test_bare_image():
    """No directory but the one with the program: mount points are made."""
    copy = tempfile.mkdtemp()
    shutil.copy(shutil.which("busybox"), copy + "/busybox")
    for root in (TMPFS, READONLY):
        code, _, out, err = run(["/busybox", "ls", "/"], image_dir=copy, root=root)
        assert code == 0 and set(out.split()) >= {b"proc", b"sys", b"dev", b"etc"}, (out, err)
    shutil.rmtree(copy)


def test_writable_layer():
    assert shell("echo x > /usr/new; rm /etc/group; mv /usr/data /usr/moved; ls /usr/moved/script") == \
        "/usr/moved/script\n"
    assert not os.path.exists(harness.image + "/usr/new") and os.path.exists(harness.image + "/etc/group")
    assert shell("stat -c %a /; test -O / && echo mine") == "755\nmine\n"


def test_readonly_root():
    script = "touch /x 2>/dev/null && echo bad; for d in /tmp /run /var/tmp /dev/shm; do echo > $d/x && echo ok; done"
    assert shell(script, root=READONLY) == "ok\n" * 4
    assert shell("ls /tmp; stat -c %a /tmp; cat /etc/hostname", root=READONLY) == "kept\n1777\nhull\n"


def test_disk():
    disk = tempfile.mkdtemp()
    try:
        if harness.in_vm:
            path = make_ext4(disk)
        else:
            path = disk
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=True)
        shell("echo first > /usr/new", root=DISK, disk=path)
        assert shell("cat /usr/new", root=DISK, disk=path) == "first\n"
        if harness.in_vm:
            check = subprocess.run(["dumpe2fs", "-h", path], check=True, capture_output=True, text=True)
            assert "clean" in [line.split()[-1] for line in check.stdout.splitlines() if "state:" in line], check
    finally:
        if not harness.in_vm:
            subprocess.run(["umount", disk], check=True)
        os.rmdir(disk)


def test_loopback():
    assert "127.0.0.1" in shell("ip addr show lo")


def test_nothing_left_for_the_container():
    """No way from the container to what PID 1 has mounted."""
    out = shell("ls /; ls /proc/1/root/ 2>&1 | head -1; chroot / ls -d ../../../init 2>&1 | head -1")
    assert "image" not in out.split() and "upper" not in out.split(), out


if __name__ == "__main__":
    harness.main(globals())
