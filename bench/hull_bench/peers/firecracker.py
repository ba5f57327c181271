# SPDX-License-Identifier: Apache-2.0
"""Firecracker by a configuration file, without its API; from its documentation, as Debian 12 has no package of it."""
import json

from ..devices import Disk, Nic, Vsock
from .base import Peer


class Firecracker(Peer):
    name, programs = "firecracker", ("firecracker",)

    def missing(self):
        return super().missing() or \
            ("its disks go through the page cache" if any(disk.direct for disk in self.devices(Disk)) else None)

    def config(self, *words):
        setup = self.setup
        # It knows no power-off: a reset by the keyboard controller ends it.
        made = {"boot-source": {"kernel_image_path": setup.kernel, "initrd_path": setup.initrd,
                                "boot_args": setup.cmdline("reboot=k", "pci=off", "reset", *words)},
                "drives": [{"drive_id": f"disk{number}", "path_on_host": disk.path, "is_root_device": False,
                            "is_read_only": disk.readonly, "io_engine": "Async"}
                           for number, disk in enumerate(self.devices(Disk))],
                "machine-config": {"vcpu_count": setup.cpus, "mem_size_mib": setup.memory_mib}}
        nics = [{"iface_id": f"eth{number}", "host_dev_name": nic.tap} for number, nic in enumerate(self.devices(Nic))]
        if nics:
            made["network-interfaces"] = nics
        if self.devices(Vsock):
            made["vsock"] = {"guest_cid": 3, "uds_path": self.vsock_path()}
        return made

    def api_command(self, sock):
        return [self.program(), "--api-sock", sock]

    def command(self, *words):
        with open(self.path("config.json"), "w", encoding="utf-8") as file:
            json.dump(self.config(*words), file)
        timer = ["--boot-timer", "--log-path", self.path("log"), "--level", "Info"] if "timer" in words else []
        if timer:
            # It wants the file to be there.
            with open(self.path("log"), "w", encoding="utf-8"):
                pass
        return [self.program(), "--no-api", *timer, "--config-file", self.path("config.json")]
