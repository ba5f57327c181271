# SPDX-License-Identifier: Apache-2.0
"""Containers that wait, in which further commands run. Each is a context, and offers

  command         the command line that it is run by
  exec(args)      runs a command to its end; what results.run() takes besides: values exec_us, exec_cpu_us, and phases
  stream(args)    runs a command; how many bytes of output came, and the seconds from the first to the last
"""
import contextlib
import os
import select
import socket
import subprocess
import time

from . import api, process, signals, tool
from .process import Failed
from .results import phase

VSOCK_PORT = 5000
# Of what one read takes.
PIECE = 1 << 16


def drain(fd, timeout):
    """Read to the end; return the bytes that came and the seconds since the first."""
    until, got, began = process.now() + timeout, 0, None
    while True:
        if not select.select([fd], [], [], process.TICK_S)[0]:
            if process.now() >= until:
                raise Failed(f"the output did not end within {timeout} s")
            continue
        piece = len(os.read(fd, PIECE))
        if not piece:
            return got, time.monotonic() - began if began else 0.0
        # What it took to start isn't part of it.
        began = began or time.monotonic()
        got += piece
        if process.now() >= until:
            raise Failed(f"the output did not end within {timeout} s")


class OciContainer:
    """Of a runtime of OCI bundles."""

    def __init__(self, peer, *, timeout, cpus):
        self.peer, self.timeout, self.cpus, self.stack = peer, timeout, cpus, contextlib.ExitStack()
        self.command = peer.command("hold")
        self.work = peer.path("exec")
        os.makedirs(self.work, exist_ok=True)

    def __enter__(self):
        with self.stack as stack:
            stack.callback(self.peer.clean)
            stack.enter_context(process.Held(self.command, self.peer.work, mark=self.peer.mark, timeout=self.timeout,
                                             env=self.peer.env(), cpus=self.cpus))
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def words(self, args):
        return [*self.peer.base(), "exec", self.peer.id, *args]

    def exec(self, args):
        found = process.run(self.words(args), self.work, timeout=self.timeout, env=self.peer.env(), cpus=self.cpus)
        used = found["user_us"] + found["system_us"]
        return {"values": {"exec_us": found["wall_us"], "exec_cpu_us": used},
                "phases": [phase("command ended", found["wall_us"], used)]}

    def stream(self, args):
        running = None
        try:
            with process.on(self.cpus), open(os.path.join(self.work, "stderr"), "wb") as stderr, signals.deferred():
                running = subprocess.Popen(self.words(args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr)
            return drain(running.stdout.fileno(), self.timeout)
        finally:
            if running:
                running.kill()
                running.wait()
                running.stdout.close()


class HullContainer:
    """Behind hull-vmm's API, over which its commands are made, too. Their CPU time is hull-vmm's, its guest's included."""

    def __init__(self, peer, *, timeout, cpus, rootfs=None, name="api"):
        self.peer, self.timeout, self.stack = peer, timeout, contextlib.ExitStack()
        self.work, self.rootfs = peer.path(name), rootfs
        os.makedirs(self.work, exist_ok=True)
        self.sock, self.vsock = os.path.join(self.work, "api.sock"), os.path.join(self.work, "vsock")
        self.command = peer.monitor("--api-sock", self.sock)
        self.server = api.Server(self.command, self.sock, self.work, timeout=timeout, cpus=cpus)

    def configuration(self):
        """The requests that come before its start."""
        setup = self.peer.setup
        initrd = os.path.join(setup.stage, "lib", "hull", "initramfs")
        return [("/boot-source", {"kernel_image_path": setup.kernel, "initrd_path": initrd, "boot_args": setup.cmdline()}),
                ("/machine-config", {"vcpu_count": setup.cpus, "mem_size_mib": setup.memory_mib}),
                ("/drives/image", {"drive_id": "image", "path_on_host": self.rootfs or self.prepared(), "is_root_device": False,
                                   "is_read_only": True}),
                ("/vsock", {"guest_cid": 3, "uds_path": self.vsock}),
                ("/container", {"rootfs": {"drive_id": "image"}, "hostname": "bench",
                                "process": {"args": ["sleep", "100000"], "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}}),
                ("/actions", {"action_type": "InstanceStart"})]

    def prepared(self):
        """The file system of the image."""
        return tool.must(self.peer.program(), "pull", "--path", self.peer.setup.image, seconds=600,
                         env=dict(os.environ, **self.peer.env())).strip()

    def __enter__(self):
        with self.stack as stack:
            stack.enter_context(self.server)
            with self.server.first() as client:
                for target, body in self.configuration():
                    client.request("PUT", target, body)
                client.request("POST", "/container/start")
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    @staticmethod
    def make(client, args, **more):
        """Return the path of a command that is made but not started."""
        return "/container/exec/" + client.request("POST", "/container/exec", {"args": args, **more})["id"]

    def exec(self, args):
        # A client keeps its connection, but not one on which something went wrong.
        with self.server.client() as client:
            phases, used, began = [], self.server.cpu_us(), time.monotonic_ns()

            def reached(name):
                phases.append(phase(name, (time.monotonic_ns() - began) / 1000, self.server.cpu_us() - used))

            path = self.make(client, args)
            reached("command made")
            client.request("POST", path + "/start")
            reached("command started")
            end = client.request("GET", path + "/wait")
            reached("command ended")
        if end != {"exit_code": 0}:
            raise Failed(f"{args[0]} ended with {end}")
        return {"values": {"exec_us": phases[-1]["at_us"], "exec_cpu_us": phases[-1]["cpu_us"]}, "phases": phases}

    def stream(self, args):
        """To a client that is attached to it."""
        with self.server.client() as client, self.server.client() as attached:
            path = self.make(client, args, log_size=0)
            connection, begun = attached.upgrade("POST", path + "/attach?stdout=1&raw=1")
            client.request("POST", path + "/start")
            got, seconds = drain(connection.fileno(), self.timeout)
            return got + len(begun), seconds

    def vsock_stream(self, args):
        """Over a connection that the command makes itself, by socat."""
        listener = os.path.join(self.work, f"vsock_{VSOCK_PORT}")
        with socket.socket(socket.AF_UNIX) as server, self.server.client() as client:
            if os.path.exists(listener):
                os.unlink(listener)
            server.bind(listener)
            # A jailed monitor is another user.
            os.chmod(listener, 0o777)
            server.listen(1)
            server.settimeout(self.timeout)
            path = self.make(client, ["sh", "-c", f"{' '.join(args)} 2>/dev/null | "
                                      f"socat -u -b {PIECE} - VSOCK-CONNECT:2:{VSOCK_PORT}"])
            client.request("POST", path + "/start")
            try:
                connection = server.accept()[0]
            except TimeoutError:
                raise Failed(f"no vsock connection within {self.timeout} s") from None
            with connection:
                return drain(connection.fileno(), self.timeout)
