# SPDX-License-Identifier: Apache-2.0
"""Guests that attack the devices with two vCPUs, with storms and with masses of connections."""
from attack import attack, storms


def test_races():
    attack("race", cpus=2)


def test_storms():
    storms(7, cpus=2)


def test_vsock():
    attack("vsock")
