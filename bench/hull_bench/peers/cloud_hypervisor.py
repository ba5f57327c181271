# SPDX-License-Identifier: Apache-2.0
"""Cloud Hypervisor; from its documentation, as Debian 12 has no package of it."""
from .base import Peer


class CloudHypervisor(Peer):
    name, programs = "cloud-hypervisor", ("cloud-hypervisor",)

    def command(self, *words):
        setup = self.setup
        return [self.program(), "--kernel", setup.kernel, "--initramfs", setup.initrd, "--cmdline",
                setup.cmdline(*words), "--cpus", f"boot={setup.cpus}", "--memory", f"size={setup.memory_mib}M",
                "--serial", "tty", "--console", "off"]
