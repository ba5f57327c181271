# SPDX-License-Identifier: Apache-2.0
"""The parts of the host's state that a VM touches."""
import os

from harness import EMULATED, equal, file_text, tree


def host_state():
    """What a monitor might leave on the host."""
    # Others use these, too, on a machine that isn't this test's alone.
    cgroups = [folder for folder, _, _ in os.walk("/sys/fs/cgroup")] if EMULATED else []
    return {
        "mounts": file_text("/proc/self/mountinfo"),
        "/run/hull": sorted(tree("/run/hull")),
        "network devices": sorted(os.listdir("/sys/class/net")),
        "cgroups": sorted(cgroups),
        "sockets": sorted(line.split()[-1] for line in file_text("/proc/net/unix").splitlines() if "@" in line),
        "/tmp": sorted(os.listdir("/tmp")) if EMULATED else [],
    }


def check_unchanged(before):
    for what, now in host_state().items():
        equal(now, before[what], what)
