# SPDX-License-Identifier: Apache-2.0
"""Stock Debian 12 with systemd: Debian's own kernels and initramfs, to a login and back to power-off.

A boot takes one to two minutes in the emulated host: this group has its own, so that it is bounded.
"""
import os
import re
import select
import signal
import time

from guest import debian_disk
from harness import LONG_DEADLINE, PATIENCE, VMM, Failed, as_bytes, equal, kill, match, short, start

BOOT_DEADLINE = 400 * PATIENCE


class Debian:
    """A guest whose serial console is a pty, as at a terminal."""

    def __init__(self, version, *options):
        disk = debian_disk()
        self.seen = b""
        self.master, slave = os.openpty()
        self.process = start(VMM, "--kernel", f"{disk}/vmlinuz-{version}", "--initrd", f"{disk}/initrd-{version}",
                             "--disk", f"{disk}/root.img,ro", "--memory", "512M", "--serial", "stdio",
                             "--cmdline", "console=ttyS0 root=/dev/vda ro quiet panic=-1", *options,
                             stdin=slave, stdout=slave)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        os.close(self.master)

    def expect(self, text, seconds=LONG_DEADLINE):
        """Read until text comes; return what came before it."""
        end, text = time.monotonic() + seconds, as_bytes(text)
        while text not in self.seen:
            left = end - time.monotonic()
            if left <= 0:
                raise Failed(f"no {text!r} within {seconds} s in {short(self.seen)}")
            if select.select([self.master], [], [], min(left, 1))[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError as gone:
                    raise Failed(f"no {text!r} before the end in {short(self.seen)}") from gone
        before, self.seen = self.seen.split(text, 1)
        return before

    def type(self, text):
        os.write(self.master, as_bytes(text))

    def log_in(self):
        self.expect("debian login: ", BOOT_DEADLINE)
        self.type("root\n")
        self.expect("Password: ")
        self.type("hull\n")
        self.expect("# ")

    def run(self, command):
        """Run a command in the shell; return its output, as the terminal shows it."""
        self.type(f"{command}; echo do''ne\n")
        self.expect("do''ne")
        out = self.expect("done\r").decode(errors="replace").replace("\r", "")
        self.expect("# ")
        return re.sub("\x1b\\[[?0-9]*[a-z]", "", out)

    def end(self, seconds=LONG_DEADLINE):
        """Wait for the end; return the exit code."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise Failed(f"still running after {seconds} s: {short(self.seen)}")
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    time.sleep(0.1)
        return self.process.returncode


def test_linux_6_1_logs_in_and_powers_off():
    with Debian("6.1", "--cpus", "2") as guest:
        guest.log_in()
        match(r"^6\.1\..*cloud-amd64$", guest.run("uname -r"), "kernel")
        equal(guest.run("nproc").strip(), "2", "CPUs")
        equal(guest.run("systemctl is-system-running --wait").strip(), "running", "system")
        match("VM_GEN_COUNTER|VM_Gen_Counter", guest.run("cat /sys/bus/acpi/devices/HULL0001:00/modalias"),
              "generation ID")
        kill(guest.process.pid, signal.SIGUSR2)
        equal(guest.end(), 0, "exit code")
        match("Power down|Powering off", guest.seen, "console")


def test_linux_6_12_logs_in_and_powers_off():
    with Debian("6.12") as guest:
        guest.log_in()
        match(r"^6\.12\..*cloud-amd64$", guest.run("uname -r"), "kernel")
        # Ctrl-A P on the terminal.
        guest.type("\x01p")
        equal(guest.end(), 0, "exit code")
        match("Power down|Powering off", guest.seen, "console")


def test_ctrl_alt_del_reboots():
    with Debian("6.12") as guest:
        guest.expect("debian login: ", BOOT_DEADLINE)
        guest.type("\x01d")
        equal(guest.end(), 16, "exit code")
        match("Rebooting|reboot", guest.seen, "console")
