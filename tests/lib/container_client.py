# SPDX-License-Identifier: Apache-2.0
"""A container driven over the API."""
import contextlib
import os
import socket
import struct

from api_client import Vmm
from harness import BUSYBOX, DEADLINE, END_DEADLINE, HULL, KERNEL, STAGE, WorkDir, check, equal, run

CMDLINE = "console=ttyS0 loglevel=3 panic=-1"
INITRD = os.path.join(STAGE, "lib", "hull", "initramfs")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def rootfs(image=BUSYBOX):
    return run(HULL, "pull", "--path", image).expect(0).out.decode().strip()


class Stream:
    """A connection that has left HTTP."""

    def __init__(self, path, method, target):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(path)
        self.socket.sendall(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                            "Upgrade: tcp\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            check(byte, "the connection ended within the head:", head)
            head += byte
        self.status = int(head.split()[1])
        self.head = head.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def end(self):
        self.socket.shutdown(socket.SHUT_WR)

    def read(self):
        """All until the end."""
        data = b""
        while piece := self.socket.recv(1 << 16):
            data += piece
        return data

    def frames(self):
        """All until the end, as what came from stdout and from stderr."""
        data, got = self.read(), {1: b"", 2: b""}
        while data:
            stream, length = struct.unpack(">B3xI", data[:8])
            check(len(data) >= 8 + length, "a frame is cut")
            got[stream] += data[8:8 + length]
            data = data[8 + length:]
        return got[1], got[2]


class Container(Vmm):
    """A monitor with a container that isn't started."""

    def __init__(self, work, *args, start=True, image=BUSYBOX, **process):
        super().__init__(work)
        self.ok("PUT", "/boot-source", {"kernel_image_path": KERNEL, "initrd_path": INITRD, "boot_args": CMDLINE})
        self.ok("PUT", "/drives/image", {"drive_id": "image", "path_on_host": rootfs(image),
                                         "is_root_device": False, "is_read_only": True})
        self.ok("PUT", "/container", {"rootfs": {"drive_id": "image"}, "hostname": "box",
                                      "process": {"args": list(args), "env": [PATH], **process}})
        if start:
            self.ok("PUT", "/actions", {"action_type": "InstanceStart"})

    def stream(self, what="attach", query="stdout=1&stderr=1", command="/container", status=101):
        stream = Stream(self.sock, "GET" if what == "logs" else "POST", f"{command}/{what}?{query}")
        equal(stream.status, status, "status: " + stream.head)
        return stream

    def exec(self, *args, **process):
        """Make a further command; return its path."""
        return "/container/exec/" + self.ok("POST", "/container/exec", {"args": list(args), **process})["id"]

    def power_off(self):
        self.ok("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
        equal(self.process.wait(END_DEADLINE), 0, "hull-vmm's exit code")


@contextlib.contextmanager
def container(*args, **process):
    with WorkDir() as work, Container(work, *args, **process) as vmm:
        yield vmm
