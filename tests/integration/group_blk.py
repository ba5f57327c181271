# SPDX-License-Identifier: Apache-2.0
"""virtio-blk in a guest: data through every kind of disk, discard, rate limits, queues."""
import hashlib
import os
import re
import struct
import subprocess
import time

from api import Api
from guest import expect_end, vmm
from harness import LONG_DEADLINE, Skip, WorkDir, check, equal, finish, read_until, run, wait_for
from shell import MIB, ended, make_file, shell, start_shell

# Every way to read and write with every cache and number of queues; each gets a disk of its own in one guest. The guest
# uses a queue a CPU, and may turn the cache of a writable disk that isn't unsafe into one that writes through.
IO, CACHES, QUEUES = ("uring", "sync"), ("writeback", "unsafe", "through"), (1, 4)
EVERY = [(io, cache, queues) for io in IO for cache in CACHES for queues in QUEUES]
FIO = "fio --direct=1 --thread --ioengine=io_uring --iodepth=8 --bsrange=512-64k --blockalign=512 --size=2M " \
      "--verify=crc32c --verify_fatal=1 --minimal"


def letters(count):
    return "cdefghijklmnopqrstuv"[:count]


def jobs(disks):
    return " ".join(f"--name={letter} --filename=/dev/vd{letter}" for letter in disks)


def verify(work, folder, more=""):
    """fio writes and verifies on all disks at the same time, with several requests in flight; then another machine, to
    which they are read-only, reads them."""
    disks, args, again = letters(len(EVERY)), ["--cpus", "4"], ["--cpus", "4"]
    script = ""
    for letter, (io, cache, queues) in zip(disks, EVERY):
        path = make_file(os.path.join(folder, "disk-" + letter), 4 * MIB)
        host = "writeback" if cache == "through" else cache
        args += ["--disk", f"{path},io={io},cache={host},queues={queues},id={io}-{cache}-{queues}{more}"]
        again += ["--disk", f"{path},ro,io={io},queues={queues}{more}"]
        script += f"echo queues {letter} $(ls /sys/block/vd{letter}/mq | wc -l)\n"
        if cache == "through":
            script += f"echo write through >/sys/block/vd{letter}/cache_type || echo no {letter}\n"
        script += f"echo {letter} $(cat /sys/block/vd{letter}/serial) $(cat /sys/block/vd{letter}/cache_type)\n"
    lines = shell(work, f"{script}{FIO} --rw=randwrite --fsync=32 {jobs(disks)} >/tmp/out && "
                  "echo verified $(grep -c '^3;' /tmp/out)", *args, memory="256M")
    check(f"verified {len(EVERY)}" in lines, "fio does not verify:", lines)
    for letter, (io, cache, queues) in zip(disks, EVERY):
        check(f"{letter} {io}-{cache}-{queues} write {'back' if cache == 'writeback' else 'through'}" in lines,
              "name or cache of disk", letter, lines)
        check(f"queues {letter} {queues}" in lines, "queues of disk", letter, lines)
    lines = shell(work, f"cd /dev; for d in {' '.join(disks)}; do dd if=/dev/zero of=vd$d bs=4k count=1 2>/dev/null && "
                  f"echo written; done; sha256sum {' '.join('vd' + letter for letter in disks)}", *again,
                  memory="256M")
    check("written" not in lines, "a read-only disk is written to:", lines)
    for letter in disks:
        with open(os.path.join(folder, "disk-" + letter), "rb") as file:
            check(f"{hashlib.sha256(file.read()).hexdigest()}  vd{letter}" in lines, "disk", letter, "reads as", lines)


def test_every_kind_of_disk():
    with WorkDir() as work:
        verify(work, work)


def test_rate_limited_disk():
    with WorkDir() as work:
        path = make_file(os.path.join(work, "disk"), 4 * MIB)
        lines = shell(work, f"{FIO} --rw=randwrite {jobs('c')} >/tmp/out && echo verified", "--disk",
                      path + ",rate=bw:16M/1000;ops:2000/1000")
        check("verified" in lines, "fio does not verify:", lines)


class Ext4:
    """A file system that has direct I/O, as a context: not every one has, this machine's tmpfs for one."""

    def __init__(self, work):
        self.device, self.folder = make_file(os.path.join(work, "device"), 96 * MIB), os.path.join(work, "ext4")

    def __enter__(self):
        os.mkdir(self.folder)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", self.device], check=True)
        if subprocess.run(["mount", "-o", "loop", self.device, self.folder], check=False).returncode:
            raise Skip("ext4 on a loop device can't be mounted")
        return self.folder

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.folder], check=True)


def test_direct_io():
    with WorkDir() as work:
        path = make_file(os.path.join(work, "disk"), MIB)
        result = vmm(work, "info", "--disk", path + ",direct")
        if result.code != 0:
            expect_end(result, 152, "has no direct I/O")
        with Ext4(work) as folder:
            verify(work, folder, ",direct")


def test_another_file_with_direct_io():
    with WorkDir() as work, Ext4(work) as folder:
        first, second = (make_file(os.path.join(folder, name), size * MIB) for name, size in (("a", 4), ("b", 8)))
        # The jailed monitor is another user.
        os.chmod(second, 0o666)
        sock = os.path.join(work, "api")
        process = start_shell(
            work, "size() { cat /sys/block/vdc/size; }\necho size $(size)\nuntil [ $(size) = 16384 ]; do sleep 0.1; done\n"
            "echo written by the guest | dd of=/dev/vdc bs=4k conv=sync,fsync oflag=direct 2>/dev/null",
            "--disk", first + ",direct,id=data", "--api-sock", sock, "--grant", folder + ",rw")
        read_until(process.stdout, "size 8192")
        Api(sock).ok("PATCH", "/drives/data", {"drive_id": "data", "path_on_host": second})
        ended(finish(process, LONG_DEADLINE))
        with open(second, "rb") as file:
            equal(file.readline(), b"written by the guest\n", "the other file's first line")


def test_block_device():
    with WorkDir() as work:
        file = make_file(os.path.join(work, "file"), 8 * MIB)
        made = run("losetup", "--find", "--show", file)
        if made.code:
            raise Skip(f"no loop device: {made.err.decode(errors='replace')}")
        device = made.out.decode().strip()
        try:
            lines = shell(work, f"echo size $(cat /sys/block/vdc/size)\n{FIO} --rw=randwrite {jobs('c')} >/tmp/out && "
                          "echo verified; blkdiscard -o 4M -l 2M /dev/vdc && echo discarded; sha256sum /dev/vdc",
                          "--disk", device)
            for word in ("size 16384", "verified", "discarded"):
                check(word in lines, "no", word, lines)
            with open(file, "rb") as raw:
                data = raw.read()
            check(f"{hashlib.sha256(data).hexdigest()}  /dev/vdc" in lines, "the file holds something else:", lines)
            expect_end(vmm(work, "info", "--disk", device, "--disk", device + ",ro"), 152, "in use by another program")
        finally:
            run("losetup", "-d", device).expect(0)


def test_formats_are_not_detected():
    """A guest can write what looks like another format's header, which would name files of the host."""
    with WorkDir() as work:
        qcow2 = struct.pack(">4sIQIIQ", b"QFI\xfb", 3, 112, 11, 16, 1 << 30) + bytes(80) + b"/etc/passwd"
        paths = [os.path.join(work, name) for name in ("qcow2", "vmdk", "written")]
        for path, head in zip(paths, (qcow2, b"# Disk DescriptorFile\nRW 2048 FLAT \"/etc/passwd\" 0\n", b"")):
            with open(path, "wb") as file:
                file.write(head.ljust(MIB, b"\0"))
        args = [arg for path in paths for arg in ("--disk", path)]
        # What one machine has written another one finds.
        for _ in range(2):
            lines = shell(work, "sha256sum /dev/vdc /dev/vdd /dev/vde; cat /sys/block/vd[cde]/size\n"
                          "dd if=/dev/vdc of=/dev/vde bs=64k oflag=direct 2>/dev/null", *args)
            equal(lines.count("2048"), 3, "disks of 1 MiB")
            for letter, path in zip("cd", paths):
                with open(path, "rb") as file:
                    check(f"{hashlib.sha256(file.read()).hexdigest()}  /dev/vd{letter}" in lines, path, lines)
        sums = dict(reversed(line.split("  ")) for line in lines if "  /dev/vd" in line)
        equal(sums["/dev/vde"], sums["/dev/vdc"], "the copied header")


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
    # After two seconds the full buckets of the beginning are used up. Should the machine stand still for a moment, they
    # are full once more; what they hold is a twentieth of what is measured. Where it stands still often, less than the
    # limit is done: then it is measured again, as a limit that is wrong is so each time.
    fio = "fio --name=x --filename=/dev/vd%s --direct=1 --thread --rw=%s --time_based --ramp_time=2 --runtime=10 " \
          "--ioengine=io_uring --iodepth=4 --bs=%s --minimal | cut -d';' -f%d"
    with WorkDir() as work:
        args = []
        for letter, rate in (("c", "ops:50/500"), ("d", "bw:512K/500")):
            args += ["--disk", make_file(os.path.join(work, letter), 8 * MIB) + ",rate=" + rate]
        script = f"echo ops $({fio % ('c', 'randread', '4k', 8)})\necho bytes $({fio % ('d', 'write', '64k', 48)})"
        for attempt in 1, 2, 3:
            lines = "\n".join(shell(work, script, *args))
            rates = {name: (float(re.search(rf"^{name} (\d+)", lines, re.M).group(1)), expected)
                     for name, expected in (("ops", 100), ("bytes", 1024))}
            check(all(value <= 1.1 * expected for value, expected in rates.values()), "above the limits:", rates)
            if all(value >= 0.9 * expected for value, expected in rates.values()):
                break
            check(attempt < 3, "three times below the limits:", rates)


def test_live_resize():
    with WorkDir() as work:
        path, sock = make_file(os.path.join(work, "disk"), 4 * MIB), os.path.join(work, "api")
        process = start_shell(
            work, "size() { cat /sys/block/vdc/size; }\nwait_for() { until [ $(size) = $1 ]; do sleep 0.1; done; }\n"
            "echo size $(size)\nwait_for 12288\n"
            "dd if=/dev/zero of=/dev/vdc bs=4k seek=1535 count=1 oflag=direct && echo written behind the old end\n"
            "wait_for 4096\ndd if=/dev/vdc of=/dev/null bs=4k skip=512 count=1 iflag=direct || echo nothing there\n"
            "dd if=/dev/vdc of=/dev/null bs=4k skip=511 count=1 iflag=direct && echo read to the end",
            "--disk", path + ",id=data", "--api-sock", sock)
        read_until(process.stdout, "size 8192")
        api = Api(sock)
        for mib, said in ((6, "written behind the old end"), (2, None)):
            os.truncate(path, mib * MIB)
            api.ok("PATCH", "/drives/data", {"drive_id": "data", "path_on_host": path})
            if said:
                read_until(process.stdout, said)
        lines = ended(finish(process, LONG_DEADLINE))
        check("read to the end" in lines, "the guest's words:", lines)
        check("nothing there" in lines or "0+0 records out" in lines, "something behind the end:", lines)


def test_pause_and_resume():
    """What waits for a limit when the machine is paused is served when it goes on; meanwhile nothing is."""
    with WorkDir() as work:
        path, sock = make_file(os.path.join(work, "disk"), 4 * MIB), os.path.join(work, "api")
        process = start_shell(
            work, "echo begin; dd if=/dev/vdc of=/dev/null bs=4k count=60 iflag=direct && echo disk done &\n"
            "dd if=/dev/hwrng of=/tmp/random bs=32 count=24 && echo rng done &\nwait\n"
            "echo waiting; while [ ! -e /tmp/never ]; do ls /proc >/dev/null; sleep 0.2; done",
            "--disk", path + ",rate=ops:10/1000", "--rng=rate=bw:32/250", "--balloon", "size=0,stats=1", "--api-sock",
            sock)
        read_until(process.stdout, "begin")
        api = Api(sock)
        for _ in range(4):
            api.pause()
            before = api.ok("GET", "/balloon/statistics")
            time.sleep(1.5)
            equal(api.ok("GET", "/balloon/statistics"), before, "statistics in a pause")
            api.resume()
            time.sleep(0.3)
        out = read_until(process.stdout, "waiting").decode()
        check("disk done" in out and "rng done" in out, "not all is done:", out)
        before = api.ok("GET", "/balloon/statistics")
        wait_for(lambda: api.ok("GET", "/balloon/statistics") != before, "statistics after the pauses")
        process.kill()
        finish(process)


def test_two_machines_and_one_file():
    with WorkDir() as work:
        path = make_file(os.path.join(work, "disk"), MIB)
        result = vmm(work, "info", "--disk", path, "--disk", path)
        expect_end(result, 152, f"disk {path}: is in use by another program")
        result = vmm(work, "info", "--disk", path, "--disk", path + ",ro")
        expect_end(result, 152, "in use by another program that writes to it")
        expect_end(vmm(work, "info", "--disk", path + ",ro", "--disk", path + ",ro"), 0)
