# SPDX-License-Identifier: Apache-2.0
"""What memory a process has, from /proc."""
import re
import resource

from . import machine

PAGE_KIB = resource.getpagesize() // 1024
# Anonymous is what was written to: a file's page in memory alone may count as dirty without that.
FIELDS = {"Rss": "resident_kib", "Pss": "proportional_kib", "Private_Clean": "private_kib",
          "Private_Dirty": "private_kib", "Anonymous": "written_kib"}


def mappings(text):
    """Of the text of /proc/PID/smaps: dicts with path, size_kib, flags, and the sums of FIELDS."""
    found = []
    for line in text.splitlines():
        head = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)$", line)
        if head:
            found.append({"path": head.group(1).removesuffix(" (deleted)"), "size_kib": 0, "flags": [],
                          "resident_kib": 0, "proportional_kib": 0, "private_kib": 0, "written_kib": 0})
            continue
        name, _, rest = line.partition(":")
        if not found:
            continue
        if name == "VmFlags":
            found[-1]["flags"] = rest.split()
        elif name == "Size":
            found[-1]["size_kib"] = int(rest.split()[0])
        elif name in FIELDS:
            found[-1][FIELDS[name]] += int(rest.split()[0])
    return found


def beyond_guest(pids, is_guest_memory):
    """Sums in KiB of all mappings of these processes that aren't the guest's RAM."""
    sums = {"resident_kib": 0, "proportional_kib": 0, "private_kib": 0, "written_kib": 0}
    for pid in pids:
        for mapping in mappings(machine.text_of(f"/proc/{pid}/smaps")):
            if not is_guest_memory(mapping):
                for name in sums:
                    sums[name] += mapping[name]
    return sums


def proportional_kib(pids):
    """All of these processes, guest RAM included; a page that several share counts in parts."""
    total = 0
    for pid in pids:
        found = re.search(r"^Pss:\s+(\d+)", machine.text_of(f"/proc/{pid}/smaps_rollup"), re.M)
        total += int(found.group(1)) if found else 0
    return total


def available_kib():
    """The kernel's word for how much memory more could be had, and what it leaves out: pages that were freed and lie
    ready on a CPU's own list, tens of MiB after a VM's end."""
    found = re.search(r"^MemAvailable:\s+(\d+)", machine.text_of("/proc/meminfo"), re.M)
    return int(found.group(1)) + listed_pages(machine.text_of("/proc/zoneinfo")) * PAGE_KIB


def listed_pages(zoneinfo):
    return sum(map(int, re.findall(r"^\s+count: (\d+)$", zoneinfo, re.M)))
