# SPDX-License-Identifier: Apache-2.0
"""The machine around the devices: CPUs, interrupt lines, parts of a PC, kinds of memory."""
import os
import re

from guest import debian_kernel, expect_end, said, start_vmm, vmm
from harness import LONG_DEADLINE, VMM, WorkDir, check, equal, finish, match, needs_root, read_until, run

MIB = 1 << 20
NR_HUGEPAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"


def test_eight_cpus():
    with WorkDir() as work:
        said(expect_end(vmm(work, "info", "--cpus", "8"), 0), "cpus 8")


def test_64_cpus():
    with WorkDir() as work:
        result = vmm(work, "online", "--cpus", "64", memory="512M", timeout=2 * LONG_DEADLINE)
        said(expect_end(result, 0), "online 64")


def test_eight_cpus_without_acpi():
    with WorkDir() as work:
        said(vmm(work, "load", "--cpus", "8", "--acpi", "off"), "0 disks, 0 good")


def test_features_and_topology():
    with WorkDir() as work:
        result = expect_end(vmm(work, "machine", "--cpus", "6"), 0)
        said(result, "hypervisor yes")
        said(result, "x2apic yes")
        said(result, "svm no")
        said(result, "vmx no")
        lines = result.out.decode().splitlines()
        values = [re.sub(r"\s+", " ", line) for line in lines if re.match("probe: (physical|core|sib|cpu c)", line)]
        equal(values, [f"probe: {name}" for cpu in range(6) for name in ("physical id : 0", f"core id : {cpu}")] +
              ["probe: siblings : 6", "probe: cpu cores : 6"] * 6, "topology")
        said(result, "vmgenid yes")


def test_nested_virtualization_is_shown():
    with WorkDir() as work:
        result = expect_end(vmm(work, "machine", "--nested", "on"), 0)
        match("^probe: (svm|vmx) yes$", result.out, "console")


def parts(*options):
    """What there is of a PC. Debian's kernel lets a process use ports."""
    kernel = debian_kernel()
    with WorkDir() as work:
        result = vmm(work, "ports", *options, kernel=kernel, memory="256M", timeout=LONG_DEADLINE)
        found = re.findall(r"^probe: (.*) yes$", expect_end(result, 0).out.decode(), re.M)
        return found


def test_no_legacy_parts():
    equal(parts(), ["keyboard controller"], "parts")


def test_legacy_parts():
    equal(parts("--legacy", "pit,rtc"), ["pic", "pit", "rtc", "keyboard controller"], "parts")


def test_memory_map():
    with WorkDir() as work:
        result = expect_end(vmm(work, "machine", memory="256M"), 0)
        ram = re.findall(r"^probe: ([0-9a-f]+)-([0-9a-f]+) : System RAM$", result.out.decode(), re.M)
        equal([tuple(int(word, 16) for word in pair) for pair in ram], [(0x1000, 0x9fbff), (MIB, 256 * MIB - 1)],
              "RAM")
        said(result, "0+9fc00-0+fffff : Reserved")


def all_slots(work, *options, **kwargs):
    """A guest with 22 disks, the most there can be, and two other devices; all disks busy at the same time."""
    args = ["--vsock", f"cid=5,uds={work}/vsock", "--rng"]
    for number in range(22):
        path = os.path.join(work, f"disk{number}")
        with open(path, "wb") as file:
            file.truncate(4 * MIB)
        args += ["--disk", path]
    return vmm(work, "load", "--cpus", "2", *args, *options, memory="256M", timeout=LONG_DEADLINE, **kwargs)


def test_every_slot_has_a_device():
    with WorkDir() as work:
        result = expect_end(all_slots(work), 0)
        said(result, "22 disks, 22 good")
        said(result, "24 virtio devices")
        said(result, "512 random bits")


def test_every_slot_with_shared_lines():
    with WorkDir() as work:
        result = expect_end(all_slots(work, "--legacy", "pic"), 0)
        said(result, "22 disks, 22 good")
        said(result, "512 random bits")


def test_one_device_too_many():
    with WorkDir() as work:
        expect_end(all_slots(work, "--balloon", "size=0"), 152, "no room for 'balloon': more than 24 devices")


def test_every_slot_without_acpi():
    with WorkDir() as work:
        result = all_slots(work, "--acpi", "off")
        said(result, "22 disks, 22 good")
        said(result, "24 virtio devices")


def memory_of(work, words, memory):
    """Of a guest that has come to rest, the lines of /proc/PID/smaps on guest memory: mappings with one of the
    words among their flags, of 1 MiB or more."""
    process = start_vmm(work, "hang", memory=memory)
    try:
        read_until(process.stdout, "probe: hanging")
        with open(f"/proc/{process.pid}/smaps", encoding="utf-8") as file:
            text = file.read()
    finally:
        process.kill()
        finish(process)
    found = re.findall(r"^[0-9a-f]+-[0-9a-f]+ .*\n(?:[A-Z].*\n)+", text, re.M)
    return [part for part in found if kib("Size", part) >= 1024 and
            set(words) <= set(match(r"^VmFlags:(.*)$", part, "flags").group(1).split())]


def kib(name, text):
    return int(match(rf"^{name}: +(\d+) kB", text, "smaps").group(1))


def test_memory_is_not_in_core_dumps():
    needs_root()
    with WorkDir() as work:
        total = sum(kib("Size", part) for part in memory_of(work, ["dd"], "256M"))
        # The parts of the kernel that are mapped from its file are no secret.
        check(225 << 10 <= total <= 256 << 10, "KiB:", total)


def test_transparent_huge_pages():
    needs_root()
    with WorkDir() as work:
        parts_ = memory_of(work, ["dd", "hg"], "256M,thp")
        huge, resident = (sum(kib(name, part) for part in parts_) for name in ("AnonHugePages", "Rss"))
        # Nearly all that the guest touched came in large pieces.
        check(huge >= resident * 3 // 4 > 0, "KiB huge:", huge, "of", resident)
        said(expect_end(vmm(work, "memory", memory="128M,thp"), 0), r"wrote \d+ MiB.*")


def set_huge_pages(count):
    with open(NR_HUGEPAGES, "w", encoding="utf-8") as file:
        file.write(str(count))
    with open(NR_HUGEPAGES, encoding="utf-8") as file:
        return int(file.read())


def test_hugetlb():
    needs_root()
    with WorkDir() as work:
        equal(set_huge_pages(64), 64, "huge pages of the host")
        try:
            parts_ = memory_of(work, ["dd", "ht"], "128M,hugetlb")
            equal(sum(kib("Size", part) for part in parts_), 128 << 10, "KiB")
            equal({kib("KernelPageSize", part) for part in parts_}, {2048}, "page size")
            said(expect_end(vmm(work, "memory", memory="128M,hugetlb"), 0), r"wrote \d+ MiB.*")
            expect_end(run(VMM, "--kernel", "/dev/null", "--memory", "130M,hugetlb"), 152,
                       "65 huge pages of 2 MiB are needed and 64 are free")
        finally:
            set_huge_pages(0)
