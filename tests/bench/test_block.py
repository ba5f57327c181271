# SPDX-License-Identifier: Apache-2.0
"""hull-bench block with monitors that run the guest's script themselves, and a program that stands in for fio."""
import os
import time

from case import JOBS, Case, main

QEMU = "qemu-system-x86_64"
# Its line of figures with IOPS of reads in field 8, of writes in field 49.
FIO = r"""#!/bin/sh
[ "$1" != --version ] || { echo fio-3.33; exit 0; }
echo "$@" >>"$TURNS.fio"
%s
case "$*" in *rw=*write*) read=0 write=500 ;; *) read=1000.5 write=0 ;; esac
awk -v r=$read -v w=$write 'BEGIN { for (n = 1; n < 60; n++) printf "%%s;", n == 8 ? r : n == 49 ? w : n; print "" }'
"""


class Block(Case):
    def setUp(self):
        super().setUp()
        self.program(QEMU, text=JOBS)
        self.program("bin/hull-vmm", text=JOBS)
        self.program("fio", text=FIO % "")
        for name in "bench-shell-init", "bench-vsock-guest":
            self.write(os.path.join(self.stage, "lib", "hull", "bench", name), name)
        self.tools = self.write(self.path("tools"), "tools")
        os.mkdir(self.path("disks"))

    def block(self, *args, **kw):
        return self.measure("block", "--folder", self.path("disks"), "--peers", "hull-vmm,qemu", *args,
                            env={"HULL_BENCH_TOOLS": self.tools}, **kw)

    def test_jobs(self):
        result, out, _ = self.block("--runs", "2", "--jobs", "write-128k,randread-1", "--ms", "7")
        self.assertEqual([(one["peer"], one["round"], one["failed"], one["values"]) for one in result["runs"]],
                         [(peer, at, None, {"randread-1": 1000.5, "write-128k": 500.0})
                          for at in (0, 1) for peer in ("hull-vmm", "qemu")])
        with open(self.turns + ".fio", encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(len(lines), 8)
        self.assertRegex(lines[0], "--filename=/dev/vdc --direct=1 .* --runtime=7ms .*--rw=randread --bs=4k --ioengine=psync$")
        self.assertRegex(lines[1], "--rw=write --bs=128k --ioengine=io_uring --iodepth=4$")
        self.assertIn("hull-vmm / qemu, 4 KiB random read, depth 1: 1.00, at least 1.00: ok\n", out)
        # Of a job that wasn't asked for there is no limit.
        self.assertNotIn("depth 32", out)
        self.assertEqual(os.listdir(self.path("disks")), [])

    def test_slower(self):
        self.program("bin/hull-vmm", text=JOBS.replace("| sh", "| sed 's|psync|psync --slow|' | sh"))
        self.program("fio", text=(FIO % "").replace("awk", 'case "$*" in *--slow*) read=400 ;; esac\nawk'))
        _, out, _ = self.block("--jobs", "randread-1,randread-32", code=1)
        self.assertIn("hull-vmm / qemu, 4 KiB random read, depth 1: 0.40, at least 1.00: MISSED\n", out)
        self.assertIn("hull-vmm / qemu, 4 KiB random read, depth 32: 1.00, at least 1.00: ok\n", out)

    def test_command_lines(self):
        result, _, _ = self.block("--runs", "1", "--jobs", "randread-1", "--direct", "--properties", "io=sync")
        disk = os.path.join(self.path("disks"), "hull-bench-disk-")
        self.assertRegex(" ".join(result["peers"]["hull-vmm"]["command"]),
                         f"--memory 256M .* --disk {self.tools},ro --disk /.*/script,ro --disk {disk}[0-9]+,direct,io=sync$")
        self.assertRegex(" ".join(result["peers"]["qemu"]["command"]),
                         f"node-name=disk2,filename={disk}[0-9]+,cache.direct=on,aio=io_uring,discard=unmap "
                         "-device virtio-blk-device,drive=disk2,iothread=thread2$")

    def test_fio_that_fails(self):
        self.program("fio", text=FIO % "echo 'fio: no io_uring' >&2; exit 1")
        result, out, _ = self.block("--runs", "1", "--jobs", "randread-32", code=1)
        self.assertEqual({one["failed"] for one in result["runs"]}, {"no figure of randread-32: fio: no io_uring"})
        self.assertIn("qemu: 1 of 1 runs failed", out)

    def test_nothing_done(self):
        self.program("fio", text=(FIO % "").replace("1000.5", "0"))
        result, _, _ = self.block("--runs", "1", "--jobs", "randread-1", code=1)
        self.assertEqual({one["failed"] for one in result["runs"]}, {"randread-1: nothing was done in its time"})

    def test_no_fio(self):
        os.unlink(os.path.join(self.bin, "fio"))
        self.fails("block", "--folder", self.path("disks"), "--peers", "qemu", words="the image has no fio that runs$",
                   env={"HULL_BENCH_TOOLS": self.tools})
        self.assertEqual(os.listdir(self.path("disks")), [])

    def test_guest_that_hangs(self):
        self.program("fio", text=FIO % "sleep 1000")
        began = time.monotonic()
        result, _, _ = self.block("--runs", "2", "--jobs", "randread-1", "--timeout", "1", code=1)
        self.assertLess(time.monotonic() - began, 60)
        self.assertEqual([one["failed"] for one in result["runs"]], ["did not end within 1 s"] * 4)

    def test_bad_arguments(self):
        self.fails("block", "--folder", self.path("none"), words="/none/hull-bench-disk-[0-9]+: No such file",
                   env={"HULL_BENCH_TOOLS": self.tools})
        self.fails("block", "--folder", self.path("disks"), words="HULL_BENCH_TOOLS=/none: no such file$",
                   env={"HULL_BENCH_TOOLS": "/none"})
        self.fails("block", "--json", self.path("no/such"), words="no/such: cannot be written")
        self.fails("block", "--peers", "crun", words="this command measures no containers")
        for args in ["--jobs", "randread-2"], ["--jobs", ""], ["--ms", "0"]:
            self.bench("block", *args, code=2)

    def test_no_loop_device(self):
        # The namespace, which root may have, comes first.
        self.program("mke2fs", text="#!/bin/sh\necho 'mke2fs: no luck' >&2; exit 1\n")
        self.fails("block", words=r"(mke2fs -q: mke2fs: no luck|namespace of its own: .*) \(--folder DIR measures a file",
                   env={"HULL_BENCH_TOOLS": self.tools})


main()
