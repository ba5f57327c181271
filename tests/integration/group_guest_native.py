# SPDX-License-Identifier: Apache-2.0
"""The attacking guests on a /dev/kvm without hardware virtualization, which runs them and no Linux; on the bare machine."""
import os
import re

from attack import attack, storms
from harness import Skip, file_text


def here():
    """Options for such a machine; skips on others, whose kvm the other groups use."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("this machine has no /dev/kvm, or doesn't permit its use")
    if re.search(r"^flags.*\b(svm|vmx)\b", file_text("/proc/cpuinfo"), re.M) and not os.environ.get("HULL_TEST_NATIVE"):
        raise Skip("this machine has hardware virtualization: the other groups run on it")
    return "--kvm", "any"


def test_rings():
    attack("ring", *here(), cmdline="few")


def test_places():
    attack("place", *here(), cmdline="few")


def test_registers():
    attack("regs", *here(), cmdline="few")


def test_ports():
    attack("ports", *here(), cmdline="few")


def test_disk_requests():
    attack("blk", *here(), cmdline="few")


def test_vsock():
    attack("vsock", *here(), cmdline="few")


def test_storms():
    storms(7, 1.0, *here(), cpus=2)
