# SPDX-License-Identifier: Apache-2.0
"""The guests that attack the devices, against a hull-vmm with AddressSanitizer and UndefinedBehaviorSanitizer.

What either finds ends it with a report on stderr and another exit code, which no attack may bring about.
"""
import os

from attack import attack, attack_on_a_tap, storms
from harness import TOP, Failed

SANITIZED = os.path.join(TOP, "build", "gcc", "vmm", "hull-vmm")
# AddressSanitizer makes system calls of its own, and mappings that can be executed.
NO_JAIL = "--no-jail"
OPTIONS = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=99",
           "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99"}


def sanitized():
    if not os.path.exists(SANITIZED):
        raise Failed(f"{SANITIZED} is missing (scripts/test builds it)")
    return {"vmm": SANITIZED, "env": OPTIONS, "cmdline": "few"}


def test_rings():
    attack("ring", NO_JAIL, **sanitized())


def test_places():
    attack("place", NO_JAIL, **sanitized())


def test_registers():
    attack("regs", NO_JAIL, **sanitized())


def test_ports():
    attack("ports", NO_JAIL, **sanitized())


def test_disk_requests():
    attack("blk", NO_JAIL, **sanitized())


def test_balloon_and_random_numbers():
    attack("memory", NO_JAIL, **sanitized())


def test_vsock():
    attack("vsock", NO_JAIL, **sanitized())


def test_races():
    attack("race", NO_JAIL, cpus=2, **sanitized())


def test_storms():
    storms(7, 0.5, NO_JAIL, cpus=2, **sanitized())


def test_frames():
    attack("net", NO_JAIL, **sanitized())


def test_frames_on_a_tap():
    attack_on_a_tap(NO_JAIL, **sanitized())
