# SPDX-License-Identifier: Apache-2.0
"""virtio-vsock: streams and messages, both ways, many at once, slow and impatient ends; one guest serves all tests."""
import contextlib
import os
import resource
import socket
import struct
import threading
import time
import zlib

from api import Api
from guest import CMDLINE, VSOCK_INIT, initramfs, start_vmm
from harness import (DEADLINE, END_DEADLINE, Failed, WorkDir, check, equal, finish, listen, match, read_until, short,
                     wait_for)

STREAM_PORT = 5000
MESSAGE_PORT = 5001
HOST_PORT = 6000
MIB = 1 << 20


class Guest:
    """A running guest, its path for host connections and what it said."""

    def __init__(self, work):
        resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
        initramfs(os.path.join(work, "initramfs"), program=VSOCK_INIT)
        self.path = os.path.join(work, "v")
        self.api = os.path.join(work, "api")
        self.process = start_vmm(work, "vsock", "--vsock", f"cid=7,uds={self.path},seqpacket", "--api-sock", self.api,
                                 cmdline=CMDLINE)
        read_until(self.process.stdout, "guest: ready")
        self.idle = self.descriptors()

    def dial(self, job=b"", port=STREAM_PORT):
        """Connect to the guest; job is what a stream begins with."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(DEADLINE)
        sock.connect(self.path)
        sock.sendall(b"CONNECT %d\n" % port)
        line = b""
        while not line.endswith(b"\n"):
            byte = sock.recv(1)
            check(byte, "closed instead of OK, after", line)
            line += byte
        check(1 << 30 <= int(match(r"^OK (\d+)\n$", line).group(1)) < 1 << 31, line)
        sock.sendall(job)
        return sock

    def dial_messages(self, job):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.settimeout(DEADLINE)
        sock.connect(self.path + ".seqpacket")
        sock.send(b"CONNECT %d\n" % MESSAGE_PORT)
        match(r"^OK \d+\n$", sock.recv(64))
        sock.send(job)
        return sock

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident_kib(self):
        """Resident memory beside the guest's."""
        total, own, rss = 0, True, 0
        with open(f"/proc/{self.process.pid}/smaps", encoding="utf-8") as file:
            for line in file:
                if line.startswith("Rss:"):
                    rss = int(line.split()[1])
                elif line.startswith("VmFlags:"):
                    own = "nr" not in line.split()
                    total += rss if own else 0
        return total


@contextlib.contextmanager
def guest():
    with WorkDir() as work:
        vm = Guest(work)
        try:
            yield vm
            check(vm.process.poll() is None, "the monitor has ended")
            with vm.dial(b"p"):
                result = finish(vm.process)
            equal(result.code, 0, "exit code")
            equal(result.err, b"", "stderr")
        finally:
            if vm.process.poll() is None:
                vm.process.kill()
                finish(vm.process)


def pattern(length):
    block = bytearray()
    for i in range(length):
        block.append((i * 31 + (i >> 8) * 7 + (i >> 16)) & 0xff)
    return bytes(block)


def read_all(sock, limit=1 << 30):
    got = bytearray()
    while len(got) < limit:
        more = sock.recv(min(1 << 18, limit - len(got)))
        if not more:
            break
        got += more
    return bytes(got)


def summed(sock):
    """The guest's answer to a job that sums: checksum and length of what it has read."""
    word = read_all(sock).split()
    check(len(word) == 2, "the guest's answer:", word)
    return int(word[0], 16), int(word[1])


def listener(vm, port, kind=socket.SOCK_STREAM):
    sock = listen(f"{vm.path}_{port}", kind, 1100)
    sock.settimeout(DEADLINE)
    return sock


def send_and_sum(vm, data, job=b"s"):
    with vm.dial(job) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        equal(summed(sock), (zlib.adler32(data), len(data)), "sum of what the guest has read")


def big_transfers(vm):
    data = os.urandom(MIB) * 24
    send_and_sum(vm, data)
    expected = pattern(MIB)
    with vm.dial(b"g" + struct.pack("<I", MIB)) as sock:
        equal(zlib.adler32(read_all(sock)), zlib.adler32(expected), "sum of what the guest gave")
    # Both ways at once, on one connection.
    with vm.dial(b"e") as sock:
        writer = threading.Thread(target=lambda: (sock.sendall(data[:8 * MIB]), sock.shutdown(socket.SHUT_WR)))
        writer.start()
        got = read_all(sock)
        writer.join(DEADLINE)
        check(got == data[:8 * MIB], "the echo differs:", len(got))


def slow_readers(vm):
    data = os.urandom(MIB) * 4
    # The guest doesn't read for a while: the host's writes block, nothing grows.
    before = vm.resident_kib()
    send_and_sum(vm, data, b"r" + struct.pack("<I", 700))
    # The host reads little by little.
    with vm.dial(b"g" + struct.pack("<I", 2 * MIB)) as sock:
        time.sleep(0.5)
        got = 0
        while True:
            piece = sock.recv(50000)
            if not piece:
                break
            got += len(piece)
            time.sleep(0.002)
        equal(got, 2 * MIB, "bytes from the guest")
    check(vm.resident_kib() - before < 1024, "KiB grown:", vm.resident_kib() - before)


def half_close(vm):
    # The host ends first: the guest answers afterwards (every sum does that). The other way round:
    with vm.dial(b"g" + struct.pack("<I", 10)) as sock:
        equal(read_all(sock), pattern(10), "all before the end")
    # An end with everything in one go, and one without anything.
    send_and_sum(vm, b"x")
    with vm.dial(b"s") as sock:
        sock.shutdown(socket.SHUT_WR)
        equal(summed(sock), (1, 0), "sum of nothing")
    # A host that closes at once, with data under way.
    for _ in range(50):
        vm.dial(b"s" + b"y" * 1000).close()
    wait_for(lambda: vm.descriptors() == vm.idle, "the end of closed connections")


def paused(vm):
    api, data = Api(vm.api), os.urandom(200000)
    with vm.dial(b"e") as sock:
        api.pause()
        sock.sendall(data[:1000])
        sock.settimeout(0.5)
        try:
            raise Failed(f"a machine at rest answers: {sock.recv(100)}")
        except TimeoutError:
            pass
        api.resume()
        sock.settimeout(DEADLINE)
        writer = threading.Thread(target=lambda: (sock.sendall(data[1000:]), sock.shutdown(socket.SHUT_WR)))
        writer.start()
        # And in the middle of a stream.
        for _ in range(3):
            api.pause()
            api.resume()
        check(read_all(sock) == data, "the echo differs")
        writer.join(DEADLINE)
    # Who calls in a pause is answered after it.
    api.pause()
    resumer = threading.Timer(0.3, api.resume)
    resumer.start()
    vm.dial(b"e").close()
    resumer.join()
    # vCPUs report by an eventfd that the first pause has made.
    vm.idle += 1


def wrong_clients(vm):
    for line in (b"CONNECT\n", b"connect x\n", b"GET / HTTP/1.1\r\n\r\n", b"CONNECT 4294967296\n", b"CONNECT 99\n"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE)
            sock.connect(vm.path)
            sock.sendall(line)
            try:
                equal(sock.recv(64), b"", f"answer to {line}")
            except ConnectionResetError:
                pass
    # Case and further words don't matter.
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(DEADLINE)
        sock.connect(vm.path)
        sock.sendall(b"Connect 5000 please\n")
        match("^OK ", sock.recv(64))


def messages(vm):
    sizes = [1, 2, 3, 1000, 4096, 10000, 65536, 1, 50000]
    # To the guest and back.
    with vm.dial_messages(b"e") as sock:
        for size in sizes:
            message = os.urandom(size)
            equal(sock.send(message), size, "sent")
            check(sock.recv(1 << 17) == message, "the echo of a message of", size)
    # Many under way at once.
    with vm.dial_messages(b"e") as sock:
        count = 300
        writer = threading.Thread(target=lambda: [sock.send(b"%d" % i * (i % 50 + 1)) for i in range(count)])
        writer.start()
        for i in range(count):
            equal(sock.recv(1 << 17), b"%d" % i * (i % 50 + 1), "message")
        writer.join(DEADLINE)
    # One that the guest begins; a stream socket at the same name isn't what it wants.
    with listener(vm, HOST_PORT, socket.SOCK_SEQPACKET) as server:
        vm.dial_messages(b"d" + struct.pack("<II", HOST_PORT, 1)).close()
        with server.accept()[0] as sock:
            sock.settimeout(DEADLINE)
            for size in sizes:
                sock.send(b"m" * size)
                equal(len(sock.recv(1 << 17)), size, "length of the echo")
            sock.shutdown(socket.SHUT_WR)
            equal(sock.recv(1), b"", "the end")
    os.unlink(f"{vm.path}_{HOST_PORT}")
    with listener(vm, HOST_PORT + 1):
        vm.dial_messages(b"d" + struct.pack("<II", HOST_PORT + 1, 1)).close()
        read_until(vm.process.stdout, f"dialing {HOST_PORT + 1}: Connection reset by peer")
    os.unlink(f"{vm.path}_{HOST_PORT + 1}")


def many(vm):
    """1,000 at once, half of them begun by either side."""
    wait_for(lambda: vm.descriptors() == vm.idle, "the end of all before", END_DEADLINE)
    resident = vm.resident_kib()
    socks = []
    with listener(vm, HOST_PORT + 2) as server:
        vm.dial(b"d" + struct.pack("<II", HOST_PORT + 2, 500)).close()
        for _ in range(500):
            socks.append(server.accept()[0])
    os.unlink(f"{vm.path}_{HOST_PORT + 2}")
    for sock in socks:
        sock.settimeout(DEADLINE)
    for _ in range(500):
        socks.append(vm.dial(b"e"))
    check(vm.descriptors() >= vm.idle + 1000, "connections:", vm.descriptors() - vm.idle)
    grown = vm.resident_kib() - resident
    # A page or two each: nothing of their rings.
    check(grown < 8192, "KiB for 1,000 connections:", grown)
    data = [os.urandom(3000) for _ in socks]
    for sock, mine in zip(socks, data):
        sock.sendall(mine)
    for number, (sock, mine) in enumerate(zip(socks, data)):
        got = read_all(sock, len(mine))
        check(zlib.adler32(got) == zlib.adler32(mine), "the echo of connection", number, short(got[:20]))
    # Up to the limit, and beyond it.
    extra = []
    with contextlib.suppress(Failed, OSError):
        while len(extra) < 40:
            extra.append(vm.dial(b"e"))
    equal(len(socks) + len(extra), 1023, "connections at most")
    for sock in socks + extra:
        sock.shutdown(socket.SHUT_WR)
    for sock in socks + extra:
        equal(sock.recv(1), b"", "the end")
        sock.close()
    wait_for(lambda: vm.descriptors() == vm.idle, "the end of all", END_DEADLINE)


def test_streams_and_messages():
    with guest() as vm:
        for part in (big_transfers, slow_readers, half_close, paused, wrong_clients, messages, many):
            begin = time.monotonic()
            part(vm)
            print(f"# {part.__name__} {time.monotonic() - begin:.1f} s", flush=True)
