# SPDX-License-Identifier: Apache-2.0
"""scripts/kvm-host itself: what a command in the emulated machine writes, and its exit code, come out."""
import os

from harness import LONG_DEADLINE, TOP, run

KVM_HOST = os.path.join(TOP, "scripts", "kvm-host")


def test_streams_and_exit_code():
    run(KVM_HOST, "--emulate", "sh", "-c", "echo out; echo err >&2; exit 3", timeout=LONG_DEADLINE).expect(3, "out\n", "err\n")
