# SPDX-License-Identifier: Apache-2.0
"""Guests with memory above 4 GiB, on a host that has more than they."""
import re

from guest import debian_kernel, expect_end, said, vmm
from harness import BUSYBOX, LONG_DEADLINE, WorkDir, check, equal, hull


def test_memory_above_4_gib():
    with WorkDir() as work:
        result = expect_end(vmm(work, "memory", memory="5G", timeout=LONG_DEADLINE), 0)
        wrote, highest = map(int, said(result, r"wrote (\d+) MiB, highest at (\d+) MiB").groups())
        # The hole from 3 to 4 GiB moves the rest up.
        check(wrote > 4300 and 5120 < highest < 6144, result)


def test_memory_of_5_gib_is_seen():
    with WorkDir() as work:
        result = expect_end(vmm(work, "info", memory="5G"), 0)
        mib = int(said(result, r"memory (\d+) MiB").group(1))
        check(4900 <= mib <= 5120, "MiB:", mib)


def test_memory_map():
    with WorkDir() as work:
        result = expect_end(vmm(work, "machine", memory="5G"), 0)
        ram = re.findall(r"^probe: ([0-9a-f]+)-([0-9a-f]+) : System RAM$", result.out.decode(), re.M)
        equal([tuple(int(word, 16) for word in pair) for pair in ram],
              [(0x1000, 0x9fbff), (1 << 20, (3 << 30) - 1), (4 << 30, (6 << 30) - 1)], "RAM")


def test_debian_kernel_sees_it():
    kernel = debian_kernel()
    with WorkDir() as work:
        result = expect_end(vmm(work, "info", kernel=kernel, memory="5G", timeout=LONG_DEADLINE), 0)
        mib = int(said(result, r"memory (\d+) MiB").group(1))
        check(4700 <= mib <= 5120, "MiB:", mib)


def test_hull_run_with_5_gib():
    result = hull("--memory", "5G", "--cpus", "2", BUSYBOX, "sh", "-c",
                  "grep MemTotal /proc/meminfo; dd if=/dev/zero of=/x bs=1M count=300 2>/dev/null; ls -l /x")
    result.expect(0)
    check(4800 << 10 <= int(result.out.split()[1]) <= 5120 << 10, result)
    check(b" 314572800 " in result.out, result)

