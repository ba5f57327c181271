# SPDX-License-Identifier: Apache-2.0
"""A runtime of OCI bundles: a container on the host's kernel, the floor of what a container costs."""
import json
import os
import subprocess

from ..container import OciContainer
from ..guest import CONTAINER_READY
from .base import CONTAINER, Peer

MOUNTS = [
    ("/proc", "proc", "proc", []),
    ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
    ("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
]


class OciRuntime(Peer):
    workload = CONTAINER

    def config(self, *args):
        """What 'spec' of the runtimes writes, in short."""
        return {"ociVersion": "1.0.2", "hostname": "bench",
                "process": {"args": list(args), "cwd": "/", "env": ["PATH=/usr/bin:/bin"], "user": {"uid": 0, "gid": 0},
                            "noNewPrivileges": True},
                "root": {"path": self.setup.rootfs, "readonly": True},
                "mounts": [{"destination": where, "type": kind, "source": source, "options": options}
                           for where, kind, source, options in MOUNTS],
                "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]}}

    @property
    def id(self):
        return f"hull-bench-{os.path.basename(self.work)}-{os.getpid()}"

    def base(self):
        return [self.program(), "--root", self.path("state")]

    def command(self, *words):
        args = ["sh", "-c", f"echo {CONTAINER_READY}; exec sleep 100000"] if "hold" in words else \
            ["echo", CONTAINER_READY]
        bundle = self.path("bundle")
        os.makedirs(bundle, exist_ok=True)
        with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as file:
            json.dump(self.config(*args), file)
        return [*self.base(), "run", "--bundle", bundle, self.id]

    def container(self, *, timeout, cpus):
        return OciContainer(self, timeout=timeout, cpus=cpus)

    def clean(self):
        if os.path.exists(os.path.join(self.path("state"), self.id)):
            subprocess.run([*self.base(), "delete", "--force", self.id], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=60)

    def is_guest_memory(self, mapping):
        return False
