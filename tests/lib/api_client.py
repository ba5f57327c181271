# SPDX-License-Identifier: Apache-2.0
"""hull-vmm in API mode, and a client that holds each answer against docs/api.yaml."""
import http.client
import json
import os
import signal
import socket

from api_document import ApiDocument
from guest import CMDLINE, initramfs
from harness import END_DEADLINE, KERNEL, VMM, check, equal, kill, match, run, start, wait_for

DOCUMENT = ApiDocument()


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = path
        # These go along with the next request.
        self.descriptors = []

    def send(self, data):
        if not self.descriptors:
            super().send(data)
            return
        if self.sock is None:
            self.connect()
        equal(socket.send_fds(self.sock, [data], self.descriptors), len(data), "bytes sent")
        self.descriptors = []

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Vmm:
    """A monitor in API mode, as a context."""

    def __init__(self, work, *options):
        self.sock = os.path.join(work, "api.sock")
        self.work = work
        self.process = start(VMM, "--api-sock", self.sock, *options)
        wait_for(lambda: self.answers() or self.process.poll() is not None, "the socket")
        check(self.process.poll() is None, "hull-vmm has ended")

    def answers(self):
        if not os.path.exists(self.sock):
            return False
        # Its name is there when it is listened on, not before; or a monitor that has ended left it behind.
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.sock) == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            kill(self.process.pid, signal.SIGKILL)
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()
        self.process.wait()

    def request(self, method, path, body=None, timeout=60, descriptors=()):
        """Return the status and the body, parsed if it is JSON. All of it is as docs/api.yaml says."""
        connection = Connection(self.sock, timeout)
        connection.descriptors = list(descriptors)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = response.read()
            kind = response.headers.get("Content-Type", "")
            answer = json.loads(answer) if kind == "application/json" else answer.decode() if answer else None
            DOCUMENT.check(method, path, body, response.status, response.headers, answer)
            return response.status, answer
        finally:
            connection.close()

    def ok(self, method, path, body=None, descriptors=()):
        status, answer = self.request(method, path, body, descriptors=descriptors)
        check(status in (200, 204), method, path, body, "gave", status, answer)
        return answer

    def fault(self, pattern, method, path, body=None, descriptors=()):
        status, answer = self.request(method, path, body, descriptors=descriptors)
        equal(status, 400, f"status of {method} {path}")
        match(pattern, answer["fault_message"], f"fault of {method} {path} {body}")

    def state(self):
        return self.ok("GET", "/")["state"]

    def boot_source(self, word, args=""):
        image = os.path.join(self.work, "initramfs")
        if not os.path.exists(image):
            initramfs(image)
        self.ok("PUT", "/boot-source", {"kernel_image_path": KERNEL, "initrd_path": image,
                                        "boot_args": f"{CMDLINE} reboot=k probe={word} {args}"})

    def start(self):
        self.ok("PUT", "/actions", {"action_type": "InstanceStart"})


def curl(vmm, *args):
    return run("curl", "-sS", "--unix-socket", vmm.sock, *args, timeout=END_DEADLINE)


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(match(r"VmRSS:\s+(\d+) kB", file.read()).group(1))
