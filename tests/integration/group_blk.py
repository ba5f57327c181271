# SPDX-License-Identifier: Apache-2.0
"""virtio-blk in a guest: data through every kind of disk, discard, rate limits, queues."""
import os
import re
import subprocess

from guest import expect_end, vmm
from harness import Skip, WorkDir, check, equal
from shell import MIB, make_file, shell

# Properties of --disk; each gets a disk of its own in one guest.
WAYS = ["io=uring", "io=sync", "io=uring,queues=2", "io=sync,queues=2", "io=uring,cache=unsafe",
        "io=sync,cache=unsafe", "queues=2,cache=unsafe,id=with-a-name", "rate=bw:64M/1000;ops:5000/1000"]
DIRECT = ["io=uring,direct", "io=sync,direct", "io=uring,direct,queues=2,cache=unsafe"]


def letters(count):
    return "cdefghijklmnopqrstuvw"[:count]


def verify(work, folder, ways, *options):
    """fio writes and verifies on all disks at the same time, with several requests in flight."""
    args, jobs = list(options), ""
    for letter, way in zip(letters(len(ways)), ways):
        args += ["--disk", make_file(os.path.join(folder, "disk-" + letter), 8 * MIB) + "," + way]
        jobs += f" --name={letter} --filename=/dev/vd{letter}"
    lines = shell(work, "fio --direct=1 --thread --ioengine=io_uring --iodepth=8 --rw=randwrite --bsrange=512-64k "
                  "--blockalign=512 --size=2M --verify=crc32c --verify_fatal=1 --fsync=32 --minimal "
                  f"{jobs} >/tmp/out && echo verified $(grep -c '^3;' /tmp/out)\n"
                  "for disk in /sys/block/vd*; do echo serial $(cat $disk/serial); done\n"
                  "echo queues $(ls /sys/block/vde/mq | wc -l)", *args)
    check(f"verified {len(ways)}" in lines, "fio does not verify:", lines)
    return lines


def test_every_kind_of_disk():
    with WorkDir() as work:
        lines = verify(work, work, WAYS, "--cpus", "2")
        check("serial with-a-name" in lines, "no serial number:", lines)
        check("queues 2" in lines, "not two queues of the third disk:", lines)


def test_direct_io():
    # Not every file system can, this machine's tmpfs for one; so here is another.
    with WorkDir() as work:
        path = make_file(os.path.join(work, "disk"), MIB)
        result = vmm(work, "info", "--disk", path + ",direct")
        if result.code != 0:
            expect_end(result, 152, "has no direct I/O")
        device, folder = make_file(os.path.join(work, "device"), 64 * MIB), os.path.join(work, "ext4")
        os.mkdir(folder)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", device], check=True)
        if subprocess.run(["mount", "-o", "loop", device, folder], check=False).returncode:
            raise Skip("ext4 on a loop device can't be mounted")
        try:
            verify(work, folder, DIRECT)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def blocks(path):
    return os.stat(path).st_blocks


def test_discard_makes_the_file_smaller():
    with WorkDir() as work:
        path = os.path.join(work, "disk")
        with open(path, "wb") as file:
            file.write(os.urandom(16 * MIB))
        before = blocks(path)
        lines = shell(work, "blkdiscard -o 1M -l 8M /dev/vdc && echo discarded\n"
                      "blkdiscard -z -o 12M -l 1M /dev/vdc && echo zeroed\n"
                      "cmp -n 1M -i 12M:0 /dev/vdc /dev/zero && echo zero", "--disk", path)
        for word in ("discarded", "zeroed", "zero"):
            check(word in lines, "no", word, lines)
        check(before - blocks(path) >= 8 * MIB // 512, "blocks before", before, "and after", blocks(path))
        with open(path, "rb") as file:
            data = file.read()
        equal(len(data), 16 * MIB, "size")
        check(not any(data[MIB:9 * MIB]) and not any(data[12 * MIB:13 * MIB]), "not all of it is zero")
        check(any(data[:MIB]) and any(data[9 * MIB:9 * MIB + 512]), "too much of it is zero")


def test_rate_limits():
    # After two seconds the full buckets of the beginning are used up.
    fio = "fio --name=x --filename=/dev/vd%s --direct=1 --thread --rw=%s --time_based --ramp_time=2 --runtime=6 " \
          "--ioengine=io_uring --iodepth=4 --bs=%s --minimal | cut -d';' -f%d"
    with WorkDir() as work:
        args = []
        for letter, rate in (("c", "ops:50/500"), ("d", "bw:1M/1000")):
            args += ["--disk", make_file(os.path.join(work, letter), 8 * MIB) + ",rate=" + rate]
        lines = shell(work, f"echo ops $({fio % ('c', 'randread', '4k', 8)})\n"
                      f"echo bytes $({fio % ('d', 'write', '64k', 48)})", *args)
        for name, expected in (("ops", 100), ("bytes", 1024)):
            value = float(re.search(rf"^{name} (\d+)", "\n".join(lines), re.M).group(1))
            check(0.9 * expected <= value <= 1.1 * expected, name, value, "a second, expected", expected)


def test_two_machines_and_one_file():
    with WorkDir() as work:
        path = make_file(os.path.join(work, "disk"), MIB)
        result = vmm(work, "info", "--disk", path, "--disk", path)
        expect_end(result, 152, f"disk {path}: is in use by another program")
        result = vmm(work, "info", "--disk", path, "--disk", path + ",ro")
        expect_end(result, 152, "in use by another program that writes to it")
        expect_end(vmm(work, "info", "--disk", path + ",ro", "--disk", path + ",ro"), 0)
