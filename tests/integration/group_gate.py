# SPDX-License-Identifier: Apache-2.0
"""What a boot costs in instructions is as bench/figures.json has it: hull-bench gate, in an emulated host of its own.
And the guest kernel is small."""
import os
import struct

from harness import LONG_DEADLINE, TOP, check, run

KERNEL = os.path.join(TOP, "build", "stage", "lib", "hull", "vmlinux")
KERNEL_SIZE = 8 << 20
PT_LOAD = 1


def loaded_size(path):
    """What an ELF's segments hold: text and data, the gaps between sections counted in, without zeroed data."""
    with open(path, "rb") as file:
        data = file.read()
    offset, = struct.unpack_from("<Q", data, 32)
    entry_size, count = struct.unpack_from("<HH", data, 54)
    check(data[:5] == b"\x7fELF\2" and count > 0, path, "is no 64-bit ELF with segments")
    segments = [struct.unpack_from("<IIQQQQQQ", data, offset + number * entry_size) for number in range(count)]
    return sum(segment[5] for segment in segments if segment[0] == PT_LOAD)


def test_kernel_is_small():
    size = loaded_size(KERNEL)
    check(1 << 20 < size <= KERNEL_SIZE, f"{KERNEL}: {size / (1 << 20):.2f} MiB of text and data are loaded")
    print(f"# {size / (1 << 20):.2f} MiB of text and data")


def test_gate():
    result = run(os.path.join(TOP, "bench", "hull-bench"), "gate", timeout=2 * LONG_DEADLINE)
    check(result.code == 0, "grown beyond bench/figures.json:", result)
    for line in result.out.decode().splitlines():
        print("# " + line)
