# SPDX-License-Identifier: Apache-2.0
"""QEMU's microvm machine, without what a Linux guest of ours doesn't use."""
from .base import Peer


class Qemu(Peer):
    name, programs = "qemu", ("qemu-system-x86_64",)

    def command(self, *words):
        setup = self.setup
        return [self.program(), "-M", "microvm,pit=off,pic=off,rtc=off,isa-serial=on", "-accel", "kvm", "-cpu", "host",
                "-nodefaults", "-display", "none", "-no-reboot", "-m", f"{setup.memory_mib}M", "-smp", str(setup.cpus),
                "-kernel", setup.kernel, "-initrd", setup.initrd, "-append", setup.cmdline(*words), "-serial", "stdio"]
