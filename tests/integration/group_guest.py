# SPDX-License-Identifier: Apache-2.0
"""Guests without a kernel that attack the devices through real exits (tests/guest)."""
import re

from attack import DEVICES, LOG_BURST, attack, attack_on_a_tap
from harness import check, equal

def test_rings():
    attack("ring")


def test_places():
    attack("place")


def test_registers():
    attack("regs")


def test_ports():
    attack("ports")


def broken_lines(result):
    return re.findall(r"^hull-vmm: warn: (virtio-\w+): guest driver error: ", result.err.decode(), re.M)


def test_one_line_for_each_broken_device():
    lines = broken_lines(attack("log"))
    equal(sorted(lines), sorted(DEVICES), "devices in the log")


def test_few_lines_for_devices_broken_often():
    lines = broken_lines(attack("log", cmdline="often"))
    check(len(DEVICES) * LOG_BURST <= len(lines) <= len(DEVICES) * LOG_BURST * 3, "lines of 100 times broken devices:", lines)


def ends(word, codes):
    result = attack("end", cmdline=word, codes=codes)
    check(result.err.count(b"\n") in (1, 2), "expected a line or two:", result)


def test_triple_fault():
    ends("triple", (17,))


def test_instructions_from_registers():
    ends("registers", (17, 19))


def test_instructions_from_nowhere():
    ends("nowhere", (17, 19))


def test_disk_requests():
    attack("blk")


def test_balloon_and_random_numbers():
    attack("memory")


def test_frames():
    attack("net")


def test_frames_on_a_tap():
    attack_on_a_tap()
