# SPDX-License-Identifier: Apache-2.0
"""Runs the bare-metal guests of tests/guest against a hull-vmm, with the host's end of what they use."""
import os
import re
import socket
import struct
import threading

from harness import DEADLINE, TOP, VMM, WorkDir, check, finish, start

GUESTS = os.path.join(TOP, "build", "release", "tests", "guest")
ECHO_PORT, DEAF_PORT = 7000, 7001
DISK_SECTORS = 2048
# Lines of one device in LOG_LIMIT_PERIOD_MS (base/log.h), and the one that tells how many were dropped.
LOG_BURST, LOG_PERIOD = 5, 10


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
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
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


class Attack:
    """One run of a guest."""

    def __init__(self, work, name, *options, vmm=VMM, memory="64M", cpus=1, cmdline="", **kwargs):
        self.name, self.uds = name, os.path.join(work, "vsock")
        self.disks = [make_disk(os.path.join(work, "disk0")), make_disk(os.path.join(work, "disk1"))]
        self.echo = Echo(f"{self.uds}_{ECHO_PORT}")
        # Whoever connects there waits for ever.
        self.deaf = socket.socket(socket.AF_UNIX)
        self.deaf.bind(f"{self.uds}_{DEAF_PORT}")
        self.deaf.listen(2048)
        self.process = start(
            vmm, "--kernel", os.path.join(GUESTS, f"attack-{name}.elf"), "--memory", memory, "--cpus", str(cpus),
            "--cmdline", cmdline, "--serial", "stdio", "--disk", self.disks[0], "--disk", self.disks[1] + ",ro",
            "--vsock", f"cid=7,uds={self.uds}", *options, **kwargs)

    def finish(self, code=0, timeout=DEADLINE):
        """Wait for its end; every check must have been made and be right."""
        result = finish(self.process, timeout)
        self.echo.close()
        self.deaf.close()
        out = result.out.decode(errors="replace").replace("\r", "")
        bad = re.findall("^not ok .*$", out, re.M)
        good = re.findall("^ok .*$", out, re.M)
        check(not bad, f"{len(bad)} of {len(bad) + len(good)} checks of attack-{self.name} failed:\n",
              "\n ".join(bad[:20]))
        check(result.code == code, f"expected exit code {code}:", result)
        if code == 0:
            end = re.search(r"^end (\d+) checks$", out, re.M)
            check(end and int(end.group(1)) == len(good) > 0, "the guest's last line is missing or wrong:", result)
        self.check_log(result)
        for disk in self.disks:
            with open(disk, "rb") as file:
                check(file.read() == disk_bytes(), f"{disk} was changed")
        return result

    @staticmethod
    def check_log(result):
        """All that the monitor says is of broken devices, a few lines each."""
        for line in result.err.decode(errors="replace").splitlines():
            check(re.search(r"^hull-vmm: warn: (virtio-\w+: guest driver error: .*; device stopped until it is reset"
                            r"|\d+ similar lines were dropped|serial: \d+ bytes of output were dropped)$", line),
                  "the monitor said:", result.err.decode(errors="replace")[:3000])


def attack(name, *options, timeout=DEADLINE, **kwargs):
    with WorkDir() as work:
        return Attack(work, name, *options, **kwargs).finish(timeout=timeout)
