# SPDX-License-Identifier: Apache-2.0
"""Guests without a kernel that attack the devices through real exits (tests/guest)."""
from attack import attack

# RAM on both sides of the hole below 4 GiB.
ABOVE = "3200M"


def test_rings():
    attack("ring")


def test_rings_with_memory_above_the_hole():
    attack("ring", memory=ABOVE)


def test_places():
    attack("place")


def test_places_with_memory_above_the_hole():
    attack("place", memory=ABOVE)


def test_registers():
    attack("regs")


def test_registers_with_memory_above_the_hole():
    attack("regs", memory=ABOVE)


def test_ports():
    attack("ports")


def test_races():
    attack("race", cpus=2)


def test_vsock():
    attack("vsock")
