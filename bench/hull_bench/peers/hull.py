# SPDX-License-Identifier: Apache-2.0
"""hull itself: a container by `hull run`, and a guest by hull-vmm alone."""
import json
import os
import re

from .. import machine
from ..container import HullContainer
from ..guest import CONTAINER_READY
from ..results import phase
from .base import CONTAINER, Peer


def more_options():
    return os.environ.get("HULL_BENCH_OPTIONS", "").split()


class Hull(Peer):
    """hull run: from the image in the store to the container's first byte, and to the end of all processes."""
    name, workload = "hull", CONTAINER

    def program(self):
        path = os.path.join(self.setup.stage, "bin", "hull")
        return path if os.path.exists(path) else None

    def missing(self):
        return None if self.program() else f"no {os.path.join(self.setup.stage, 'bin', 'hull')}"

    def command(self, *words):
        args = ["sh", "-c", f"echo {CONTAINER_READY}; exec sleep 100000"] if "hold" in words else \
            ["echo", CONTAINER_READY]
        options = [] if "hold" in words else ["--timing-file", self.path("timing")]
        return [self.program(), "run", "--memory", f"{self.setup.memory_mib}M", "--cpus", str(self.setup.cpus),
                *options, *more_options(), self.setup.image, *args]

    def monitor(self, *options):
        """The command line of a hull-vmm without `hull run`."""
        return [os.path.join(self.setup.stage, "bin", "hull-vmm"), *options, *more_options()]

    def container(self, *, timeout, cpus, **which):
        return HullContainer(self, timeout=timeout, cpus=cpus, **which)

    def env(self):
        return {"HULL_STORE": self.setup.store}

    def phases(self, found):
        with open(self.path("timing"), encoding="utf-8") as file:
            marks = json.load(file)["phases"]
        used, phases = {"hull": 0, "hull-vmm": 0}, []
        for mark in marks:
            cpu = mark.get("cpu_ns")
            if cpu is not None:
                used[mark["by"]] = cpu
            phases.append(phase(mark["phase"], (mark["ns"] - found["start_ns"]) / 1000,
                                None if cpu is None else sum(used.values()) / 1000))
        return phases

    def is_guest_memory(self, mapping):
        return "nr" in mapping["flags"] or super().is_guest_memory(mapping)


class HullVmm(Peer):
    """hull-vmm alone with the guest that its peers boot. HULL_BENCH_OPTIONS are further options, to see what they cost.
    """
    name = "hull-vmm"
    events = None

    def program(self):
        path = os.path.join(self.setup.stage, "bin", "hull-vmm")
        return path if os.path.exists(path) else None

    def missing(self):
        return None if self.program() else f"no {os.path.join(self.setup.stage, 'bin', 'hull-vmm')}"

    def version(self):
        # hull-vmm's first line is Firecracker's, for its clients.
        return machine.output_of(os.path.join(self.setup.stage, "bin", "hull"), "--version") or super().version()

    def prepare(self):
        self.events = os.pipe()
        os.set_blocking(self.events[0], False)

    def pass_fds(self):
        return (self.events[1],)

    def clean(self):
        super().clean()
        for fd in self.events or ():
            os.close(fd)
        self.events = None

    def command(self, *words):
        setup = self.setup
        argv = [self.program(), "--kernel", setup.kernel, "--initrd", setup.initrd, "--memory", f"{setup.memory_mib}M",
                "--cpus", str(setup.cpus), "--serial", "stdio", "--cmdline", setup.cmdline(*words), *self.device_args()]
        if "timer" in words:
            with open(self.path("log"), "w", encoding="utf-8"):
                pass
            argv += ["--boot-timer", "--log-path", self.path("log"), "--level", "Info"]
        if self.events:
            argv += ["--events-fd", str(self.events[1])]
        return argv + more_options()

    def api_command(self, sock):
        return [self.program(), "--api-sock", sock, *more_options()]

    def disk(self, disk, number):
        return ["--disk", disk.path + ",ro" * disk.readonly + ",direct" * disk.direct + properties(disk)]

    def nic(self, nic, number):
        return ["--net", f"tap={nic.tap}{properties(nic)}"]

    def vsock(self, vsock, number):
        return ["--vsock", f"cid=3,uds={self.vsock_path()}"]

    def phases(self, found):
        try:
            text = os.read(self.events[0], 1 << 16).decode()
        except BlockingIOError:
            text = ""
        marks = re.findall(r"^phase (\S+) (\d+) (\d+)$", text, re.M)
        return [phase(PHASES.get(name, name), (int(ns) - found["start_ns"]) / 1000, int(cpu) / 1000)
                for name, ns, cpu in marks] + super().phases(found)

    def is_guest_memory(self, mapping):
        return "nr" in mapping["flags"] or super().is_guest_memory(mapping)


def properties(device):
    return "," + device.properties if device.properties else ""


# hull-vmm's names, as `hull run --timing` has them.
PHASES = {"start": "monitor started", "kvm": "KVM open", "memory": "memory mapped", "devices": "devices ready",
          "kernel": "kernel loaded", "run": "first KVM_RUN"}
