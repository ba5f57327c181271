#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run hull-init and talk to it as hull does.

test_init.py INIT_NATIVE [TEST...]                      in namespaces of this machine
test_init.py --vm HULL_VMM KERNEL INITRAMFS [TEST...]   in virtual machines

The protocol is written down a second time here, from its description, so that a mistake in the C codec shows.
"""
import hashlib
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HELLO, START, STARTED, FAILED, EXITED, SIGNAL, RESIZE, SHUTDOWN = range(1, 9)
ARG, ENV, CWD, USER, HOSTNAME, ROOT, TERMINAL, STREAMS, CLOCK, RLIMIT = range(1, 11)
TMPFS, DISK, READONLY = range(3)
STDIN, STDOUT, STDERR, TTY = 5000, 5001, 5002, 5003
TIMEOUT = 60

program = []
in_vm = False
image = ""


def field(kind, value):
    if isinstance(value, str):
        value = value.encode()
    return struct.pack("<HHI", kind, 0, len(value)) + value


def spec(args, env=(), cwd=None, user=None, hostname=None, root=TMPFS, tty=None, streams=(1, 1, 1), rlimits=()):
    out = b"".join(field(ARG, arg) for arg in args) + b"".join(field(ENV, item) for item in env)
    for kind, value in ((CWD, cwd), (USER, user), (HOSTNAME, hostname)):
        if value is not None:
            out += field(kind, value)
    out += field(ROOT, struct.pack("<I", root))
    if tty:
        out += field(TERMINAL, struct.pack("<IHH", TTY, *tty))
    else:
        ports = [port if wanted else 0 for port, wanted in zip((STDIN, STDOUT, STDERR), streams)]
        out += field(STREAMS, struct.pack("<III", *ports))
    for limit in rlimits:
        out += field(RLIMIT, struct.pack("<IIQQ", limit[0], 0, *limit[1:]))
    return out


class Guest:
    """One hull-init; `ports` are the connections it made."""

    def __init__(self, image_dir=None, disk=None):
        self.vsock, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.vsock.settimeout(TIMEOUT)
        self.scratch = tempfile.mkdtemp()
        # The leak check looks into its process by ptrace, which hull-init forbids; the other checks stay.
        asan = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        self.process = subprocess.Popen(self.command(image_dir or image, disk, other.fileno()),
                                        pass_fds=[other.fileno()], env={**os.environ, "ASAN_OPTIONS": asan})
        other.close()
        self.ports = {}
        self.buffer = b""
        self.control = self.accept(1024)

    def command(self, image_dir, disk, fd):
        if not in_vm:
            return [*program, image_dir, disk or self.scratch, str(fd)]
        hull_vmm, kernel, initramfs = program
        disks = ["--disk", make_ext4(image_dir) + ",ro"] + (["--disk", disk] if disk else [])
        return [hull_vmm, "--kernel", kernel, "--initrd", initramfs, "--vsock", f"cid=3,fd={fd}", *disks,
                "--cmdline", "console=ttyS0 quiet panic=-1", "--serial", "file=/dev/stderr"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in [self.vsock, *self.ports.values()]:
            sock.close()
        self.process.wait(TIMEOUT)
        shutil.rmtree(self.scratch)

    def accept(self, port):
        while port not in self.ports:
            data, fds, _, _ = socket.recv_fds(self.vsock, 4, 1)
            assert len(data) == 4 and len(fds) == 1, "connection"
            sock = socket.socket(fileno=fds[0])
            sock.settimeout(TIMEOUT)
            self.ports[struct.unpack("<I", data)[0]] = sock
        return self.ports[port]

    def send(self, kind, payload=b""):
        self.control.sendall(struct.pack("<IHH", len(payload), kind, 0) + payload)

    def read(self, size):
        while len(self.buffer) < size:
            data = self.control.recv(4096)
            assert data, "the guest closed the control connection"
            self.buffer += data
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def recv(self):
        size, kind, process = struct.unpack("<IHH", self.read(8))
        assert process == 0
        return kind, self.read(size)

    def hello(self):
        kind, payload = self.recv()
        assert kind == HELLO
        magic, version, zero, _, _ = struct.unpack("<4sHHQQ", payload)
        assert (magic, version, zero) == (b"hull", 2, 0)

    def start(self, *args, **kwargs):
        """START and what comes of it: the STARTED or FAILED message."""
        self.hello()
        self.send(START, spec(*args, **kwargs))
        return self.recv()

    def started(self, *args, **kwargs):
        kind, payload = self.start(*args, **kwargs)
        assert kind == STARTED, payload
        return self

    def exited(self):
        kind, payload = self.recv()
        assert kind == EXITED, (kind, payload)
        return struct.unpack("<II", payload)

    def shutdown(self):
        self.send(SHUTDOWN)
        assert self.process.wait(TIMEOUT) == 0


def make_ext4(folder):
    """The file system that hull-vmm gives the guest as its disk: a copy of @folder, kept beside it."""
    path = folder + ".ext4"
    if not os.path.exists(path):
        with open(path, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", folder, path], check=True)
    return path


def read_all(sock):
    chunks = []
    while True:
        data = sock.recv(1 << 16)
        if not data:
            return b"".join(chunks)
        chunks.append(data)


def run(args, stdin=b"", image_dir=None, disk=None, **kwargs):
    """The whole life of a command: its code, signal, stdout, stderr."""
    with Guest(image_dir, disk) as guest:
        guest.started(args, **kwargs)
        sock = guest.accept(STDIN)
        try:
            sock.sendall(stdin)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the command has ended already
        out = read_all(guest.accept(STDOUT))
        err = read_all(guest.accept(STDERR))
        code, signal = guest.exited()
        guest.shutdown()
        return code, signal, out, err


def shell(script, **kwargs):
    code, signal, out, err = run(["sh", "-c", script], **kwargs)
    assert (code, signal, err) == (0, 0, b""), (code, signal, out, err)
    return out.decode()


def failed(args, code, *words, **kwargs):
    with Guest(kwargs.pop("image_dir", None)) as guest:
        kind, payload = guest.start(args, **kwargs)
        assert kind == FAILED, (kind, payload)
        assert struct.unpack("<I", payload[:4])[0] == code, payload
        for word in words:
            assert word.encode() in payload[4:], payload
        guest.shutdown()


def resources_unlimited():
    """Root of this machine may lack CAP_SYS_RESOURCE when that is a container itself."""
    if in_vm:
        return True
    with open("/proc/self/status", encoding="ascii") as file:
        effective = [line.split()[1] for line in file if line.startswith("CapEff")][0]
    return bool(int(effective, 16) & 1 << 24)


def clone_image(change):
    """A copy of the image that `change` has had its way with."""
    copy = tempfile.mkdtemp()
    shutil.copytree(image, copy, dirs_exist_ok=True, symlinks=True)
    change(copy)
    return copy


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


def read_until(sock, text):
    data = b""
    while text not in data:
        more = sock.recv(4096)
        assert more, data
        data += more
    return data


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
        guest.started(["sh", "-c", "trap 'echo parent; exit 4' USR1; echo ready; sleep 100"], tty=(24, 80))
        sock = guest.accept(TTY)
        read_until(sock, b"ready\r\n")
        time.sleep(0.2)
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
    assert not os.path.exists(image + "/usr/new") and os.path.exists(image + "/etc/group")
    assert shell("stat -c %a /; test -O / && echo mine") == "755\nmine\n"


def test_readonly_root():
    script = "touch /x 2>/dev/null && echo bad; for d in /tmp /run /var/tmp /dev/shm; do echo > $d/x && echo ok; done"
    assert shell(script, root=READONLY) == "ok\n" * 4
    assert shell("ls /tmp; stat -c %a /tmp; cat /etc/hostname", root=READONLY) == "kept\n1777\nhull\n"


def test_disk():
    disk = tempfile.mkdtemp()
    try:
        if in_vm:
            path = make_ext4(disk)
        else:
            path = disk
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=True)
        shell("echo first > /usr/new", root=DISK, disk=path)
        assert shell("cat /usr/new", root=DISK, disk=path) == "first\n"
        if in_vm:
            check = subprocess.run(["dumpe2fs", "-h", path], check=True, capture_output=True, text=True)
            assert "clean" in [line.split()[-1] for line in check.stdout.splitlines() if "state:" in line], check
    finally:
        if not in_vm:
            subprocess.run(["umount", disk], check=True)
        os.rmdir(disk)


def test_loopback():
    assert "127.0.0.1" in shell("ip addr show lo")


def test_nothing_left_for_the_container():
    """No way from the container to what PID 1 has mounted."""
    out = shell("ls /; ls /proc/1/root/ 2>&1 | head -1; chroot / ls -d ../../../init 2>&1 | head -1")
    assert "image" not in out.split() and "upper" not in out.split(), out


def make_image(root):
    os.chmod(root, 0o755)
    for path in ("bin", "etc", "usr/data", "tmp", "home/alice", "root"):
        os.makedirs(f"{root}/{path}")
    os.chmod(root + "/tmp", 0o1777)
    shutil.copy(shutil.which("busybox"), root + "/bin/busybox")
    names = subprocess.run([root + "/bin/busybox", "--list"], check=True, capture_output=True, text=True)
    for name in names.stdout.split():
        if name != "busybox":
            os.symlink("busybox", f"{root}/bin/{name}")
    files = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n",
        "etc/group": "root:x:0:\nsudo:x:27:alice\nvideo:x:44:bob,alice\nalice:x:1000:\n",
        "tmp/kept": "",
        "usr/data/script": "#!/bin/sh\necho script $1\n",
        "usr/data/noexec": "#!/bin/sh\n",
        "usr/data/garbage": "\x01\x02 no program\n",
        "usr/data/lost": "#!/no/such/interpreter\n",
    }
    for path, text in files.items():
        with open(f"{root}/{path}", "w", encoding="ascii") as file:
            file.write(text)
    for path in ("script", "garbage", "lost"):
        os.chmod(f"{root}/usr/data/{path}", 0o755)


def main():
    global program, in_vm, image
    names = sys.argv[1:]
    in_vm = names[0] == "--vm"
    program, names = (names[1:4], names[4:]) if in_vm else (names[:1], names[1:])
    if os.geteuid() or not shutil.which("busybox"):
        print("skipped: needs root and a static busybox")
        sys.exit(77)
    scratch = tempfile.mkdtemp()
    tempfile.tempdir = scratch
    image = tempfile.mkdtemp()
    make_image(image)
    names = names or [name for name in globals() if name.startswith("test_")]
    bad = 0
    for name in names:
        start = time.monotonic()
        try:
            globals()[name]()
            result = "ok"
        except Exception as error:  # noqa: BLE001: whatever it is, the next test runs
            result = f"FAILED: {type(error).__name__} {error}"
            bad += 1
        print(f"{name}: {result} ({time.monotonic() - start:.2f} s)", flush=True)
    shutil.rmtree(scratch)
    try:
        os.rmdir("/sys/fs/cgroup/container")
    except OSError:
        pass
    print(f"{len(names) - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)


main()
