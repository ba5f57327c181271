# SPDX-License-Identifier: Apache-2.0
"""Devices that a guest has besides its serial port; the adapters of peers/ give them to it."""
import dataclasses
import os


@dataclasses.dataclass
class Disk:
    """properties: further ones, of hull-vmm's --disk."""
    path: str
    readonly: bool = False
    direct: bool = False
    properties: str = ""


@dataclasses.dataclass
class Nic:
    """On a tap device that is there; properties: further ones, of hull-vmm's --net."""
    tap: str
    host: str
    netmask: str
    properties: str = ""


@dataclasses.dataclass
class Vsock:
    """cid: the guest's, of which there may be but one in the whole host where the kernel's vhost-vsock serves it."""
    cid: int = dataclasses.field(default_factory=lambda: 1024 + os.getpid())
