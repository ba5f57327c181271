# SPDX-License-Identifier: Apache-2.0
"""Runs the bare-metal guests of tests/guest against a hull-vmm, with the host's end of what they use."""
import os
import re
import socket
import struct
import subprocess
import threading
import time

from api import Prober
from group_net import Tap
from harness import (DEADLINE, EMULATED, END_DEADLINE, LONG_DEADLINE, PATIENCE, TOP, VMM, WorkDir, check, equal,
                     finish, listen, start, wait_for)

GUESTS = os.path.join(TOP, "build", "release", "tests", "guest")
ECHO_PORT, DEAF_PORT = 7000, 7001
DISK_SECTORS = 2048
# Lines of one device in LOG_LIMIT_PERIOD_MS (base/log.h), and the one that tells how many were dropped.
LOG_BURST, LOG_PERIOD = 5, 10
# Frames of this type the guest wants back (tests/guest/ether.c).
ETHERTYPE_ECHO = b"\x88\xb5"
DEVICES = ("virtio-blk", "virtio-blk", "virtio-net", "virtio-vsock", "virtio-rng", "virtio-balloon")


def disk_bytes():
    """A disk whose every 8-byte word is another one, as tests/guest/use.h says."""
    first = 0x68756c6c00000000
    return struct.pack(f"<{DISK_SECTORS * 64}Q", *range(first, first + DISK_SECTORS * 64))


def make_disk(path):
    with open(path, "wb") as file:
        file.write(disk_bytes())
    return path


class Echo:
    """The host's end of the guest's vsock connections: what comes goes back."""

    def __init__(self, path):
        self.listener = listen(path, backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[peer], daemon=True).start()

    @staticmethod
    def serve(peer):
        with peer:
            try:
                while True:
                    data = peer.recv(65536)
                    if not data:
                        return
                    peer.sendall(data)
            except OSError:
                return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def swapped(frame):
    """A frame on its way back, or None if it isn't to come back."""
    return frame[6:12] + frame[:6] + frame[12:] if frame[12:14] == ETHERTYPE_ECHO else None


class Wire:
    """The other end of the guest's network: a stream of frames, each behind its length, as passt speaks it."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            peer, _ = self.listener.accept()
            with peer, peer.makefile("rb") as stream:
                while head := stream.read(4):
                    back = swapped(stream.read(int.from_bytes(head, "big")))
                    if back:
                        peer.sendall(len(back).to_bytes(4, "big") + back)
        except OSError:
            return

    def close(self):
        self.listener.close()


class TapWire:
    """The same at a tap device."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, int.from_bytes(ETHERTYPE_ECHO, "big"))
        self.socket.bind((name, int.from_bytes(ETHERTYPE_ECHO, "big")))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                frame, address = self.socket.recvfrom(1 << 17)
                if address[2] != socket.PACKET_OUTGOING:
                    self.socket.send(swapped(frame))
        except OSError:
            return

    def close(self):
        self.socket.close()


class Attack:
    """One run of a guest."""

    def __init__(self, work, name, *options, vmm=VMM, memory="64M", cpus=1, cmdline="", **kwargs):
        self.name, self.uds, self.api = name, os.path.join(work, "vsock"), os.path.join(work, "api")
        self.disks = [make_disk(os.path.join(work, "disk0")), make_disk(os.path.join(work, "disk1"))]
        self.echo = Echo(f"{self.uds}_{ECHO_PORT}")
        # Whoever connects there waits for ever.
        self.deaf = listen(f"{self.uds}_{DEAF_PORT}", backlog=2048)
        self.wire = Wire(os.path.join(work, "wire"))
        self.begin = time.monotonic()
        self.process = start(
            vmm, "--kernel", os.path.join(GUESTS, f"attack-{name}.elf"), "--memory", memory, "--cpus", str(cpus),
            "--cmdline", cmdline, "--serial", "stdio", "--disk", self.disks[0], "--disk", self.disks[1] + ",ro",
            "--net", "passt=" + os.path.join(work, "wire"), "--vsock", f"cid=7,uds={self.uds}", "--rng", "--balloon",
            "size=0,stats=60,reporting", "--api-sock", self.api, *options, **kwargs)

    def finish(self, codes=(0,), timeout=DEADLINE, out=b""):
        """Wait for its end; every check must have been made and be right. out: what was read of its console before"""
        result = finish(self.process, timeout)
        result.out = out + result.out
        self.echo.close()
        self.deaf.close()
        self.wire.close()
        out = result.out.decode(errors="replace").replace("\r", "")
        bad = re.findall("^not ok .*$", out, re.M)
        good = re.findall("^ok .*$", out, re.M)
        check(not bad, f"{len(bad)} of {len(bad) + len(good)} checks of attack-{self.name} failed:\n",
              "\n ".join(bad[:20]))
        check(result.code in codes, f"expected an exit code of {codes}:", result)
        if codes == (0,):
            end = re.search(r"^end (\d+) checks$", out, re.M)
            check(end and int(end.group(1)) == len(good) > 0, "the guest's last line is missing or wrong:", result)
            self.check_log(result)
        for disk in self.disks:
            with open(disk, "rb") as file:
                check(file.read() == disk_bytes(), f"{disk} was changed")
        return result

    def check_log(self, result):
        """All that the monitor says is of broken devices, a few lines each."""
        lines, periods = result.err.count(b"\n"), int((time.monotonic() - self.begin) / LOG_PERIOD) + 1
        check(lines <= len(DEVICES) * periods * (LOG_BURST + 1) + 1, lines, "lines in", periods * LOG_PERIOD, "seconds")
        for line in result.err.decode(errors="replace").splitlines():
            check(re.search(r"^hull-vmm: warn: (virtio-\w+: guest driver error: .*; device stopped until it is reset"
                            r"|\d+ similar lines were dropped|serial: \d+ bytes of output were dropped)$", line),
                  "the monitor said:", result.err.decode(errors="replace")[:3000])


    def answer_time(self):
        """How long the monitor takes to refuse what is no line of the vsock protocol; no guest has a part in it."""
        begin = time.monotonic()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(END_DEADLINE)
            sock.connect(self.uds)
            sock.sendall(b"nonsense\n")
            equal(sock.recv(100), b"", "what a bad line is answered")
        return time.monotonic() - begin


# A loop that is never starved answers in milliseconds; the greater ones are for one emulated CPU that three threads keep
# busy.
ANSWER_USUAL, ANSWER_WORST = 0.5 * PATIENCE, 5 * PATIENCE
API_P99 = 2 * PATIENCE if EMULATED else 0.01


def storms(count, seconds=1.5, *options, **kwargs):
    """Meanwhile the monitor must answer, about as soon as ever."""
    with WorkDir() as work:
        run = Attack(work, "storm", *options, stdin=subprocess.PIPE, **kwargs)
        reader, seen = Drain(run.process.stdout), []
        wait_for(lambda: os.path.exists(run.api), "the API's socket")
        for number in range(count):
            name = reader.wait_for(rb"^storm (.*?)\r?\n", number)
            times, end, prober = [], time.monotonic() + seconds, Prober(run.api)
            while time.monotonic() < end:
                times.append(run.answer_time())
                for _ in range(10):
                    prober.ask()
            prober.close()
            run.process.stdin.write(b".")
            run.process.stdin.flush()
            times.sort()
            usual, worst = times[len(times) // 2], times[-1]
            api = prober.percentile(99)
            seen.append(f"{name}: vsock {usual * 1000:.1f} ms, worst {worst * 1000:.1f} ms; GET / of {len(prober.times)}, "
                        f"p99 {api * 1000:.1f} ms")
            check(usual < ANSWER_USUAL and worst < ANSWER_WORST and api < API_P99, "the monitor is slow to answer:",
                  "; ".join(seen))
        reader.join()
        run.finish(out=reader.text())
        print("#  ", "; ".join(seen))


class Drain:
    """Reads a pipe as fast as it comes."""

    def __init__(self, stream):
        self.stream, self.got, self.changed = stream, bytearray(), threading.Condition()
        self.ended = False
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while True:
            more = os.read(self.stream.fileno(), 65536)
            with self.changed:
                self.got += more
                self.ended = not more
                self.changed.notify_all()
            if not more:
                return

    def wait_for(self, pattern, number):
        """The group of the pattern's match of that number, from 0."""
        def find():
            found = re.findall(pattern, self.text(), re.M)
            return found[number] if len(found) > number else None
        with self.changed:
            self.changed.wait_for(lambda: find() is not None or self.ended, END_DEADLINE)
            check(find() is not None, f"no match {number} of {pattern} in", self.text()[-2000:])
            return find().decode()

    def text(self):
        return bytes(self.got)

    def join(self):
        self.thread.join(END_DEADLINE)


def attack(name, *options, codes=(0,), timeout=LONG_DEADLINE, **kwargs):
    with WorkDir() as work:
        return Attack(work, name, *options, **kwargs).finish(codes, timeout)


def attack_on_a_tap(*options, **kwargs):
    """Its kernel believes no header, either. The device before it is that of every attack."""
    with Tap("tap9", "multi_queue") as tap:
        wire = TapWire(tap)
        try:
            attack("net", "--net", f"tap={tap},queues=2,mtu=1500", *options, **kwargs)
        finally:
            wire.close()
