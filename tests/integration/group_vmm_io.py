# SPDX-License-Identifier: Apache-2.0
"""hull-vmm alone: disks, serial port, vsock."""
import os
import select
import socket
import subprocess
import time

from guest import expect_end, said, start_vmm, vmm, vmm_args
from harness import (DEADLINE, END_DEADLINE, Failed, WorkDir, as_bytes, check, equal, file_text, finish, listen, match,
                     read_until, run)

MIB = 1 << 20


def test_disks():
    with WorkDir() as work:
        writable, readonly = os.path.join(work, "rw"), os.path.join(work, "ro")
        with open(writable, "wb") as file:
            file.truncate(4 * MIB)
        with open(readonly, "wb") as file:
            file.write(b"read-only disk".ljust(MIB, b"\0"))
        before = file_text(readonly)
        result = expect_end(vmm(work, "disk", "--disk", writable, "--disk", readonly + ",ro"), 0)
        said(result, "vda write good")
        said(result, "vda read good")
        said(result, "vdb begins read-only disk")
        said(result, "vdb write: (Read-only file system|Permission denied|Operation not permitted)")
        check(file_text(readonly) == before, "the read-only disk was changed")
        equal(written(writable), pattern(), "what is on the disk")


def pattern():
    return bytes((i * 2654435761 & 0xffffffff) >> 24 for i in range(MIB))


def written(path):
    with open(path, "rb") as file:
        file.seek(MIB)
        return file.read(MIB)


def test_flushed_data_survives_a_kill():
    with WorkDir() as work:
        path, other = os.path.join(work, "disk"), os.path.join(work, "other")
        for name in (path, other):
            with open(name, "wb") as file:
                file.truncate(4 * MIB)
        process = start_vmm(work, "disk-hold", "--disk", path, "--disk", other + ",ro")
        read_until(process.stdout, "probe: flushed")
        process.kill()
        finish(process)
        equal(written(path), pattern(), "what is on the disk")


def test_disk_by_descriptor():
    with WorkDir() as work:
        path = os.path.join(work, "disk")
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.truncate(fd, 4 * MIB)
        os.unlink(path)
        result = finish(start_vmm(work, "disk", "--disk", f"fd={fd}", pass_fds=(fd,)))
        expect_end(result, 0)
        equal(os.pread(fd, MIB, MIB), pattern(), "what is on the disk")
        os.close(fd)


def test_standard_descriptors_closed():
    """What is opened next must not become what messages and the console are written to."""
    with WorkDir() as work:
        path = os.path.join(work, "disk")
        with open(path, "wb") as file:
            file.truncate(MIB)
        args = vmm_args(work, "info", "--disk", path, "--serial", "stdio", "--log-level", "debug")
        result = run("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *args)
        equal((result.code, result.out, result.err), (0, b"", b""), "exit code and output")
        check(not file_text(path).strip("\0"), "something was written to the disk")


def test_serial_none():
    with WorkDir() as work:
        result = vmm(work, "info", "--serial", "none")
        equal((result.code, result.out, result.err), (0, b"", b""), "exit code and output")


def test_serial_to_a_file():
    with WorkDir() as work:
        path = os.path.join(work, "console")
        result = vmm(work, "info", "--serial", "file=" + path)
        equal((result.code, result.out), (0, b""), "exit code and stdout")
        match("^probe: cpus 1", file_text(path), "console file")


def test_serial_to_a_descriptor():
    with WorkDir() as work:
        reader, writer = os.pipe()
        process = start_vmm(work, "info", "--serial", f"fd={writer}", pass_fds=(writer,))
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            out = file.read()
        finish(process).expect(0, "")
        match("^probe: cpus 1", out, "console")


def test_serial_that_nobody_reads():
    # Output is dropped then; the guest must neither stop nor end the monitor.
    with WorkDir() as work:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            while True:
                os.write(writer, b"full" * 1024)
        except BlockingIOError:
            os.set_blocking(writer, True)
        process = start_vmm(work, "info", "--serial", f"fd={writer}", pass_fds=(writer,),
                            cmdline="console=ttyS0 panic=-1 ignore_loglevel")
        os.close(writer)
        result = finish(process)
        os.close(reader)
        expect_end(result, 0, "bytes of output were dropped")


def test_serial_input():
    with WorkDir() as work:
        process = start_vmm(work, "console", stdin=subprocess.PIPE)
        read_until(process.stdout, "probe: type")
        process.stdin.write(b"some words\n")
        process.stdin.flush()
        read_until(process.stdout, "probe: typed some words")
        equal(finish(process).code, 0, "exit code")


def talk(sock, text, seconds=END_DEADLINE):
    sock.settimeout(seconds)
    sock.sendall(as_bytes(text))


def receive(sock, count, seconds=END_DEADLINE):
    sock.settimeout(seconds)
    got = b""
    while len(got) < count:
        more = sock.recv(min(65536, count - len(got)))
        if not more:
            raise Failed(f"the connection ended after {len(got)} of {count} bytes: {got[:200]!r}")
        got += more
    return got


def receive_line(sock):
    got = b""
    while not got.endswith(b"\n"):
        got += receive(sock, 1)
    return got.decode()


def connect(path, port):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(END_DEADLINE)
    sock.connect(path)
    sock.sendall(b"CONNECT %d\n" % port)
    return sock


def test_vsock_by_unix_sockets():
    with WorkDir() as work:
        path = os.path.join(work, "vsock")
        listener = listen(path + "_6000")
        listener.settimeout(END_DEADLINE)
        process = start_vmm(work, "vsock", "--vsock", f"cid=7,uds={path}")
        # The guest calls.
        guest, _ = listener.accept()
        equal(receive(guest, 11), b"hello host\n", "the guest's greeting")
        talk(guest, "hello guest")
        read_until(process.stdout, "probe: the host said hello guest")
        equal(guest.recv(1), b"", "after the guest's close")
        read_until(process.stdout, "probe: nobody there: Connection reset by peer")
        # Nobody listens at that port of the guest's.
        with connect(path, 4999) as sock:
            equal(sock.recv(100), b"", "answer of a port where nobody listens")
        # We call the guest: 4 MiB there and back at once.
        with connect(path, 5000) as sock:
            match(r"^OK \d+\n$", receive_line(sock), "answer")
            data = os.urandom(4 * MIB)
            got, sent = bytearray(), 0
            sock.setblocking(False)
            end = time.monotonic() + DEADLINE
            while len(got) < len(data):
                check(time.monotonic() < end, "echo stops: sent", sent, "got", len(got))
                readable, writable, _ = select.select([sock], [sock] if sent < len(data) else [], [], 1)
                if readable:
                    more = sock.recv(65536)
                    check(more, "the connection ended after", len(got))
                    got += more
                if writable:
                    sent += sock.send(data[sent:sent + 65536])
            check(got == data, "the echo differs")
        equal(finish(process).code, 0, "exit code")
        listener.close()


def test_vsock_path_taken():
    with WorkDir() as work:
        path = os.path.join(work, "vsock")
        with open(path, "wb"):
            pass
        result = vmm(work, "poweroff", "--vsock", f"cid=7,uds={path}")
        expect_end(result, 152, "vsock")
        check(os.path.exists(path), "the file in the way was removed")


def test_vsock_channel_closed_ends_it():
    with WorkDir() as work:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = start_vmm(work, "hang", "--vsock", f"cid=3,fd={theirs.fileno()}", pass_fds=(theirs.fileno(),))
        theirs.close()
        read_until(process.stdout, "probe: hanging")
        ours.close()
        equal(finish(process).code, 1, "exit code")
