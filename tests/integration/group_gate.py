# SPDX-License-Identifier: Apache-2.0
"""What a boot costs in instructions is as bench/figures.json has it: hull-bench gate, in an emulated host of its own."""
import os

from harness import LONG_DEADLINE, TOP, check, run


def test_gate():
    result = run(os.path.join(TOP, "bench", "hull-bench"), "gate", timeout=2 * LONG_DEADLINE)
    check(result.code == 0, "grown beyond bench/figures.json:", result)
    for line in result.out.decode().splitlines():
        print("# " + line)
