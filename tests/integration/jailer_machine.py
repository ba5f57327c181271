# SPDX-License-Identifier: Apache-2.0
"""What firecracker-go-sdk does with a jailer, and what the host sees of it then."""
import json
import os
import shutil
import stat

from api_client import Connection
from guest import CMDLINE, PROBE, initramfs
from harness import KERNEL, check, equal, wait_for
from jailer import FIRECRACKER, GID, UID, Jail
from monitor import check_threads
from proc import OWN_SPACES, limits, mounts, spaces

SOCKET = "run/firecracker.socket"
# Firecracker's jailer's; what lies in it, its user can change.
FOLDER, DEVICE, PROGRAM = stat.S_IFDIR | 0o700, stat.S_IFCHR | 0o600, stat.S_IFREG | 0o755


class Machine:
    """What firecracker-go-sdk does with a jailer, in its order, as a context."""

    def __init__(self, *options, drives=(), init=PROBE, api_sock="/" + SOCKET, more=()):
        self.options, self.drives, self.init, self.api_sock, self.more = options, drives, init, api_sock, more
        self.jail = Jail(FIRECRACKER, "551e7604-e35c-42b3-b825-416853441234")

    def __enter__(self):
        self.jail.__enter__()
        try:
            self.boot()
        except BaseException:
            self.jail.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.jail.__exit__()

    def boot(self):
        # Started, with its arguments in that order; the files come later, into what it has made.
        self.pid = self.jail.start(*self.options, arguments=("--api-sock", self.api_sock, *self.more))
        self.process = self.jail.process
        self.sock = os.path.join(self.jail.root, self.api_sock.lstrip("/"))
        wait_for(self.answers, "the socket")
        for fifo in ("log", "metrics"):
            path = os.path.join(self.jail.top, fifo)
            os.mkfifo(path)
            self.link(path)
            os.chown(os.path.join(self.jail.root, fifo), UID, GID)
        self.log = os.open(os.path.join(self.jail.top, "log"), os.O_RDONLY | os.O_NONBLOCK)
        self.copy(KERNEL, "vmlinux")
        initramfs(os.path.join(self.jail.root, "initrd"), program=self.init)
        for drive in self.drives:
            self.link(drive)
        self.ok("PUT", "/logger", {"log_path": "log", "level": "Debug", "show_level": True,
                                   "show_log_origin": False})
        self.ok("PUT", "/metrics", {"metrics_path": "metrics"})
        self.ok("PUT", "/machine-config", {"vcpu_count": 2, "mem_size_mib": 128})
        self.ok("GET", "/machine-config")

    def link(self, path):
        os.link(path, os.path.join(self.jail.root, os.path.basename(path)))

    def copy(self, path, name):
        shutil.copy(path, os.path.join(self.jail.root, name))

    def answers(self):
        check(self.process.poll() is None, "it has ended with", self.process.returncode)
        try:
            return self.request("GET", "/machine-config")[0] == 200
        except OSError:
            return False

    def request(self, method, path, body=None):
        connection = Connection(self.sock)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def ok(self, method, path, body=None):
        code, answer = self.request(method, path, body)
        check(code in (200, 204), method, path, body, "gave", code, answer)

    def start(self, word):
        self.ok("PUT", "/boot-source", {"kernel_image_path": "vmlinux", "initrd_path": "initrd",
                                        "boot_args": f"{CMDLINE} probe={word}"})
        for number, drive in enumerate(self.drives):
            self.ok("PUT", f"/drives/{number}", {"drive_id": str(number), "path_on_host": os.path.basename(drive),
                                                 "is_root_device": False, "is_read_only": False})
        self.ok("PUT", "/actions", {"action_type": "InstanceStart"})


def check_jail(machine, root_kind="tmpfs"):
    """As tests/integration/group_jail.py holds of a monitor that nobody else has jailed."""
    pid = machine.pid
    check_threads(pid, 2, UID, GID, program="firecracker")
    mine, its = spaces("self"), spaces(pid)
    for name in OWN_SPACES:
        check(mine[name] != its[name], "namespace", name, "is ours")
    found = mounts(pid)
    equal([mount[1] for mount in found], ["/"], "mounts")
    _, _, options, optional, kind = found[0]
    check({"nosuid", "nodev", "noexec", "ro"} <= options, "mount options", options)
    equal(optional, [], "propagation")
    if root_kind:
        equal(kind, root_kind, "the root's type")
        equal(os.listdir(f"/proc/{pid}/root"), [], "what the root holds")
    for name in ("root", "cwd"):
        equal(os.readlink(f"/proc/{pid}/{name}"), "/", name)
    with open(f"/proc/{pid}/environ", "rb") as file:
        equal(file.read().strip(b"\0"), b"", "environment")
    for name in ("status", "mem", "fd", "maps"):
        equal(os.stat(f"/proc/{pid}/{name}").st_uid, 0, f"owner of /proc/PID/{name}")
    found = limits(pid)
    for what, most in (("Max open files", 2048), ("Max processes", 2 + 64), ("Max core file size", 0)):
        equal(found[what], (str(most), str(most)), what)
