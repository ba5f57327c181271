# SPDX-License-Identifier: Apache-2.0
"""The guests that attack rings, places and registers, in a machine with RAM on both sides of the hole below 4 GiB."""
from attack import attack

MEMORY = "3200M"


def test_rings():
    attack("ring", memory=MEMORY, cmdline="few")


def test_places():
    attack("place", memory=MEMORY, cmdline="few")


def test_registers():
    attack("regs", memory=MEMORY, cmdline="few")
