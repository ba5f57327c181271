# SPDX-License-Identifier: Apache-2.0
"""Cloud Hypervisor; from its documentation, as Debian 12 has no package of it."""
from ..devices import Disk
from .base import Peer


class CloudHypervisor(Peer):
    name, programs = "cloud-hypervisor", ("cloud-hypervisor",)

    def command(self, *words):
        setup = self.setup
        return [self.program(), "--kernel", setup.kernel, "--initramfs", setup.initrd, "--cmdline",
                setup.cmdline(*words), "--cpus", f"boot={setup.cpus}", "--memory", f"size={setup.memory_mib}M",
                "--serial", "tty", "--console", "off", *self.device_args()]

    def disk(self, disk, number):
        # One option has them all.
        first = disk is self.devices(Disk)[0]
        return ["--disk"] * first + [f"path={disk.path}" + ",readonly=on" * disk.readonly + ",direct=on" * disk.direct]

    def nic(self, nic, number):
        return ["--net", f"tap={nic.tap},ip={nic.host},mask={nic.netmask}"]

    def vsock(self, vsock, number):
        return ["--vsock", f"cid=3,socket={self.vsock_path()}"]
