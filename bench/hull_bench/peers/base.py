# SPDX-License-Identifier: Apache-2.0
"""What an adapter offers."""
import os
import re
import shutil

from .. import guest, machine
from ..devices import Disk, Nic, Vsock

GUEST, CONTAINER = "guest", "container"
VHOST_VSOCK = "/dev/vhost-vsock"


class Peer:
    """A program that boots the same guest (workload GUEST), or runs the same container (CONTAINER).

    name       for --peers
    workload   peers are compared with those of the same one
    programs   names that are looked for in PATH; the first that is there is taken
    mark       what its output has in it when the guest's init, or the container's program, runs
    vhost      whether its vsock is the kernel's vhost-vsock; otherwise its host end is a UNIX socket, as Firecracker's
    """
    name, workload, programs = "", GUEST, ()
    vhost = False

    def __init__(self, setup, work):
        """setup: guest.Guest; work: a folder of its own."""
        self.setup, self.work = setup, work

    @property
    def mark(self):
        return guest.READY if self.workload == GUEST else guest.CONTAINER_READY

    def path(self, name):
        return os.path.join(self.work, name)

    def program(self):
        for name in self.programs:
            found = shutil.which(name)
            if found:
                return found
        return None

    def missing(self):
        """Why it can't take part, or None."""
        if not self.program():
            return f"not installed: no {' or '.join(self.programs)} in PATH"
        if self.vhost and self.devices(Vsock) and not os.path.exists(VHOST_VSOCK):
            return f"its vsock takes {VHOST_VSOCK}, the module vhost_vsock"
        return None

    def version(self):
        return machine.output_of(self.program(), "--version")

    def command(self, *words):
        """The command line, its files made ready; words are for the guest's init (bench/init.c): "mark", "hold",
        and "timer", which monitors that have a boot timer take as theirs, too."""
        raise NotImplementedError

    def container(self, *, timeout, cpus):
        """A container that waits, see container.py; of CONTAINER's."""
        raise NotImplementedError

    def api_command(self, sock):
        """The command line of a monitor that serves Firecracker's API on a socket that it makes there, or None."""
        del sock

    def devices(self, kind):
        """Those of a class, in order."""
        return [device for device in self.setup.devices if isinstance(device, kind)]

    def device_args(self):
        """Words of the command line for the guest's devices, in their order."""
        give = {Disk: self.disk, Nic: self.nic, Vsock: self.vsock}
        return [word for number, device in enumerate(self.setup.devices) for word in give[type(device)](device, number)]

    def disk(self, disk, number):
        """Words for one of devices.py, and so on; number: its place among all."""
        raise NotImplementedError

    def nic(self, nic, number):
        raise NotImplementedError

    def vsock(self, vsock, number):
        raise NotImplementedError

    def vsock_path(self):
        return self.path("vsock")

    def vsock_address(self):
        """Of the guest, as bench-vsock-host takes it."""
        return f"vsock:{self.devices(Vsock)[0].cid}" if self.vhost else "unix:" + self.vsock_path()

    def env(self):
        return {}

    def phases(self, found):
        """After a run, of which found is hull-bench-run's word: the marks, as results.phase() makes them."""
        from ..results import phase
        return [phase("ready", found["mark_us"], found["mark_cpu_us"])]

    def timer_us(self):
        """What the monitor's boot timer said, or None: Firecracker's, which a byte that the guest writes stops."""
        said = re.findall(r"Guest-boot-time = +(\d+) us", machine.text_of(self.path("log")))
        return int(said[-1]) if said else None

    def pass_fds(self):
        """Descriptors that the next run inherits."""
        return ()

    def prepare(self):
        """Before each run."""

    def clean(self):
        """After each run, one that failed too."""
        if os.path.lexists(self.vsock_path()):
            os.unlink(self.vsock_path())

    def is_guest_memory(self, mapping):
        """Whether a mapping of /proc/PID/smaps, a dict with path, size_kib, flags, is the guest's RAM."""
        return mapping["size_kib"] >= self.setup.memory_mib * 1024 // 2 or \
            os.path.basename(mapping["path"]) in ("vmlinux", "bzImage", "initramfs")
