# SPDX-License-Identifier: Apache-2.0
"""What /proc tells of a process."""
import contextlib
import os
import re

from harness import file_text

OWN_SPACES = ("user", "mnt", "net", "ipc", "uts", "cgroup")
PF_IO_WORKER, PF_USER_WORKER = 0x10, 0x4000


def status(path):
    """The fields of a /proc/PID/status."""
    return dict(line.split(":", 1) for line in file_text(path).splitlines())


def threads(pid):
    """{name: tid} of those that run the monitor's code; the kernel's own workers for it don't."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        words = file_text(f"/proc/{pid}/task/{tid}/stat").rpartition(")")[2].split()
        if not int(words[6]) & (PF_IO_WORKER | PF_USER_WORKER):
            found[file_text(f"/proc/{pid}/task/{tid}/comm").strip()] = int(tid)
    return found


def spaces(pid):
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in OWN_SPACES + ("pid",)}


def mounts(pid):
    """[(root, mount point, options, optional fields, type)]"""
    found = []
    for line in file_text(f"/proc/{pid}/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        words = left.split()
        found.append((words[3], words[4], set(words[5].split(",")), words[6:], right.split()[0]))
    return found


def descriptors(pid):
    folder, found = f"/proc/{pid}/fd", {}
    for name in os.listdir(folder):
        # A client's connection may be closed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            found[int(name)] = os.readlink(f"{folder}/{name}")
    return found


def limits(pid):
    """{what: (soft, hard)}"""
    found = {}
    for line in file_text(f"/proc/{pid}/limits").splitlines()[1:]:
        words = re.split(r"\s{2,}", line)
        found[words[0]] = (words[1], words[2])
    return found
