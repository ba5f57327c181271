# SPDX-License-Identifier: Apache-2.0
"""kvmtool, whose program is called lkvm; from its documentation, as Debian 12 has no package of it."""
from ..devices import Nic
from .base import Peer


class Kvmtool(Peer):
    name, programs = "kvmtool", ("lkvm", "lkvm-static", "vm")
    vhost = True

    def missing(self):
        return super().missing() or \
            (None if self.setup.bzimage else "it boots no ELF kernel: --bzimage must name the same kernel as a bzImage")

    def version(self):
        from .. import machine
        return "kvm tool " + machine.output_of(self.program(), "version")

    def command(self, *words):
        setup = self.setup
        # Without --name it takes one of its process ID; reset is what ends it.
        return [self.program(), "run", "--kernel", setup.bzimage, "--initrd", setup.initrd, "--mem",
                str(setup.memory_mib), "--cpus", str(setup.cpus), "--console", "serial",
                *([] if self.devices(Nic) else ["--network", "mode=none"]), *self.device_args(),
                "--params", setup.cmdline("reboot=k", "reset", *words)]

    def disk(self, disk, number):
        return ["--disk", disk.path + ",ro" * disk.readonly + ",direct" * disk.direct]

    def nic(self, nic, number):
        return ["--network", f"mode=tap,tapif={nic.tap}"]

    def vsock(self, vsock, number):
        return ["--vsock", str(vsock.cid)]
