# SPDX-License-Identifier: Apache-2.0
"""Guests without a kernel that attack the devices through real exits (tests/guest)."""
from attack import attack


def test_rings():
    attack("ring")


def test_rings_with_memory_above_the_hole():
    attack("ring", memory="3200M")
