# SPDX-License-Identifier: Apache-2.0
"""A tap device with an address, in a network namespace."""
import os

from . import namespace, tool
from .fault import Fault

NAME, HOST, GUEST, PREFIX, NETMASK = "tap0", "10.9.0.1", "10.9.0.2", 24, "255.255.255.0"
HINT = ": a tap device takes root"


def make(*, queues=False):
    """In a namespace in which this process is from now on; it goes with it."""
    if not os.path.exists("/dev/net/tun"):
        raise Fault("/dev/net/tun is missing: a tap device takes the module tun")
    namespace.enter("network", HINT)
    for words in ("link set lo up",
                  f"tuntap add dev {NAME} mode tap" + (" multi_queue" if queues else ""),
                  f"addr add {HOST}/{PREFIX} dev {NAME}", f"link set {NAME} up"):
        tool.must("ip", *words.split(), hint=HINT)
