# SPDX-License-Identifier: Apache-2.0
"""Firecracker by a configuration file, without its API; from its documentation, as Debian 12 has no package of it."""
import json

from .base import Peer


class Firecracker(Peer):
    name, programs = "firecracker", ("firecracker",)

    def config(self, *words):
        setup = self.setup
        # It knows no power-off: a reset by the keyboard controller ends it.
        return {"boot-source": {"kernel_image_path": setup.kernel, "initrd_path": setup.initrd,
                                "boot_args": setup.cmdline("reboot=k", "pci=off", "reset", *words)},
                "drives": [],
                "machine-config": {"vcpu_count": setup.cpus, "mem_size_mib": setup.memory_mib}}

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
