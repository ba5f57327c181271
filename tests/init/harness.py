# SPDX-License-Identifier: Apache-2.0
"""Run hull-init and talk to it as hull does: what its tests share.

The protocol is written down a second time here, from its description, so that a mistake in the C codec shows.
"""
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

(HELLO, START, STARTED, FAILED, EXITED, SIGNAL, RESIZE, SHUTDOWN, EXEC, FREEZE, STATS, ARCHIVE, RESULT,
 USAGE) = range(1, 15)
ARG, ENV, CWD, USER, HOSTNAME, ROOT, TERMINAL, STREAMS, CLOCK, RLIMIT = range(1, 11)
CAPS, MOUNT = 16, 17
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


def spec(args, env=(), cwd=None, user=None, hostname=None, root=TMPFS, tty=None, streams=(1, 1, 1), rlimits=(), caps=None,
         mounts=(), base=0):
    out = b"".join(field(ARG, arg) for arg in args) + b"".join(field(ENV, item) for item in env)
    for kind, value in ((CWD, cwd), (USER, user), (HOSTNAME, hostname)):
        if value is not None:
            out += field(kind, value)
    out += field(ROOT, struct.pack("<I", root))
    if tty:
        out += field(TERMINAL, struct.pack("<IHH", TTY + base, *tty))
    else:
        ports = [port + base if wanted else 0 for port, wanted in zip((STDIN, STDOUT, STDERR), streams)]
        out += field(STREAMS, struct.pack("<III", *ports))
    for limit in rlimits:
        out += field(RLIMIT, struct.pack("<IIQQ", limit[0], 0, *limit[1:]))
    if caps is not None:
        out += field(CAPS, struct.pack("<Q", caps))
    for kind, disk, flags, size, path in mounts:
        out += field(MOUNT, struct.pack("<BBBBIQ", kind, disk, flags, 0, 0, size) + path.encode())
    return out


class Guest:
    """One hull-init; `ports` are the connections it made."""

    def __init__(self, image_dir=None, disk=None, more_disks=()):
        self.vsock, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.vsock.settimeout(TIMEOUT)
        self.scratch = tempfile.mkdtemp()
        # The leak check looks into its process by ptrace, which hull-init forbids; the other checks stay.
        asan = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        self.process = subprocess.Popen(self.command(image_dir or image, disk, more_disks, other.fileno()),
                                        pass_fds=[other.fileno()], env={**os.environ, "ASAN_OPTIONS": asan})
        other.close()
        self.ports = {}
        self.buffer = b""
        self.messages = {}
        self.control = self.accept(1024)

    def command(self, image_dir, disk, more_disks, fd):
        if not in_vm:
            return [*program, image_dir, disk or self.scratch, str(fd), *more_disks]
        hull_vmm, kernel, initramfs = program
        disks = ["--disk", make_ext4(image_dir) + ",ro"]
        if disk or more_disks:
            disks += ["--disk", disk or make_ext4(self.scratch)]
        for more in more_disks:
            disks += ["--disk", make_ext4(more)]
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

    def send(self, kind, payload=b"", number=0):
        self.control.sendall(struct.pack("<IHH", len(payload), kind, number) + payload)

    def read(self, size):
        while len(self.buffer) < size:
            data = self.control.recv(4096)
            assert data, "the guest closed the control connection"
            self.buffer += data
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def recv(self, number=0):
        """The next message about the command or request with this number; others are kept for later."""
        while not self.messages.get(number):
            size, kind, other = struct.unpack("<IHH", self.read(8))
            self.messages.setdefault(other, []).append((kind, self.read(size)))
        return self.messages[number].pop(0)

    def hello(self):
        kind, payload = self.recv()
        assert kind == HELLO
        magic, version, zero, _, _ = struct.unpack("<4sHHQQ", payload)
        assert (magic, version, zero) == (b"hull", 3, 0)

    def start(self, *args, **kwargs):
        """START and what comes of it: the STARTED or FAILED message."""
        self.hello()
        self.send(START, spec(*args, **kwargs))
        return self.recv()

    def started(self, *args, **kwargs):
        kind, payload = self.start(*args, **kwargs)
        assert kind == STARTED, payload
        return self

    def exited(self, number=0):
        kind, payload = self.recv(number)
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


def read_until(sock, text):
    data = b""
    while text not in data:
        more = sock.recv(4096)
        assert more, data
        data += more
    return data


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


def main(tests):
    """Run those of @tests, a module's globals, that the command line names."""
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
    names = names or [name for name in tests if name.startswith("test_")]
    bad = 0
    for name in names:
        start = time.monotonic()
        try:
            tests[name]()
            result = "ok"
        except Exception as error:  # noqa: BLE001: whatever it is, the next test runs
            where = traceback.extract_tb(error.__traceback__)[1]
            result = f"FAILED: line {where.lineno}: {type(error).__name__} {error}"
            bad += 1
        print(f"{name}: {result} ({time.monotonic() - start:.2f} s)", flush=True)
    shutil.rmtree(scratch)
    try:
        os.rmdir("/sys/fs/cgroup/container")
    except OSError:
        pass
    print(f"{len(names) - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
