# SPDX-License-Identifier: Apache-2.0
"""hull-bench peers: which there are."""
import tempfile

from . import peers
from .guest import Guest

NAME = "peers"
SUMMARY = "List the programs to compare with, and which of them are here"
HELP = SUMMARY + "."


def run(args):
    del args
    with tempfile.TemporaryDirectory(prefix="hull-bench-") as work:
        for name, peer in peers.ALL.items():
            one = peer(Guest(work, bzimage="given by --bzimage"), work)
            print(f"{name:17} {peer.workload:10} {one.missing() or one.version()}")
    return 0
