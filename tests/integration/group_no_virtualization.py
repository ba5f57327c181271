# SPDX-License-Identifier: Apache-2.0
"""A /dev/kvm with no hardware virtualization behind it: only some machines have one, so this runs on the bare one."""
import os
import re

from harness import BUSYBOX, Skip, file_text, hull


def test_kvm_without_hardware():
    if not os.path.exists("/dev/kvm"):
        raise Skip("this machine has no /dev/kvm")
    if re.search(r"^flags.*\b(svm|vmx)\b", file_text("/proc/cpuinfo"), re.M):
        raise Skip("this machine has hardware virtualization")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm is not permitted")
    hull("--jail-without", "cgroup", BUSYBOX, "true").expect_error(125, "/dev/kvm", "hardware virtualization", by="hull-vmm")
