# SPDX-License-Identifier: Apache-2.0
"""hull-bench memory: /proc/PID/smaps read and summed, held programs that end for good."""
import json
import os
import time

from case import Case, main

from hull_bench import process, smaps

SMAPS = """55d0c8000000-55d0c8100000 r-xp 00000000 08:01 123                        /usr/bin/hull-vmm
Size:               1024 kB
KernelPageSize:        4 kB
Rss:                 900 kB
Pss:                 300 kB
Private_Clean:       100 kB
Private_Dirty:        20 kB
Anonymous:            12 kB
VmFlags: rd ex mr mw me
7f0000000000-7f0008000000 rw-p 00000000 00:00 0
Size:             131072 kB
Rss:               20000 kB
Pss:               20000 kB
Private_Clean:         0 kB
Private_Dirty:     20000 kB
Anonymous:         20000 kB
VmFlags: rd wr mr nr
7f0010000000-7f0010100000 rw-p 00000000 00:05 9                          /tmp/a b/vmlinux (deleted)
Size:               1024 kB
Rss:                 512 kB
VmFlags: rd wr
"""

HOLDS = """#!/bin/sh
case "$*" in --version) echo 1; exit 0 ;; esac
setsid sleep 1000 >/dev/null &
echo $! >>"$TURNS.pids"
echo "init: ready"
exec sleep 1000
"""


class Memory(Case):
    def test_mappings(self):
        found = smaps.mappings(SMAPS)
        self.assertEqual([one["path"] for one in found], ["/usr/bin/hull-vmm", "", "/tmp/a b/vmlinux"])
        self.assertEqual((found[0]["resident_kib"], found[0]["proportional_kib"], found[0]["private_kib"],
                          found[0]["written_kib"]), (900, 300, 120, 12))
        self.assertEqual((found[1]["size_kib"], found[1]["flags"]), (131072, ["rd", "wr", "mr", "nr"]))

    def test_pages_on_lists(self):
        self.assertEqual(smaps.listed_pages("Node 0, zone    DMA32\n  pages free     93\n  pagesets\n    cpu: 0\n"
                                            "              count: 378\n              high:  400\n    cpu: 1\n"
                                            "              count: 22\n"), 400)
        self.assertLess(0, smaps.available_kib())

    def test_own_process(self):
        sums = smaps.beyond_guest([os.getpid()], lambda mapping: False)
        self.assertLess(0, sums["private_kib"])
        self.assertLessEqual(sums["private_kib"], sums["resident_kib"])
        self.assertEqual(smaps.beyond_guest([os.getpid()], lambda mapping: True)["resident_kib"], 0)
        self.assertLess(0, smaps.proportional_kib([os.getpid()]))

    def memory(self, *args, code=0):
        out, _ = self.bench("memory", "--peers", "qemu", "--json", self.path("result"), "--warmup", "0", "--settle", "0", *args, code=code)
        with open(self.path("result"), encoding="utf-8") as file:
            return json.load(file), out

    def test_several(self):
        self.program("qemu-system-x86_64", text=HOLDS)
        os.symlink("/usr/bin/setsid", os.path.join(self.bin, "setsid"))
        result, out = self.memory("--count", "1,3")
        self.assertEqual([(one["failed"], one["x"]) for one in result["runs"]],
                         [(None, None), (None, ["VMs", 1]), (None, ["VMs", 3]), (None, None)])
        self.assertLess(0, result["runs"][0]["values"]["resident_kib"])
        self.assertIn("further_pss_kib", result["runs"][3]["values"])
        self.assertIn("proportional memory with guest RAM, each, VMs 3", out)
        with open(self.turns + ".pids", encoding="utf-8") as file:
            left = list(filter(process.lives, file.read().split()))
        self.assertEqual(left, [])

    def test_one_that_never_boots(self):
        self.program("qemu-system-x86_64", text=HOLDS.replace("init: ready", "init: no"))
        os.symlink("/usr/bin/setsid", os.path.join(self.bin, "setsid"))
        began = time.monotonic()
        result, out = self.memory("--count", "1", "--timeout", "1", code=1)
        self.assertLess(time.monotonic() - began, 60)
        self.assertEqual([one["failed"] for one in result["runs"]],
                         ["did not say 'init: ready' within 1 s", "number 1: did not say 'init: ready' within 1 s"])
        self.assertIn("qemu: 2 of 2 runs failed", out)

    def test_one_that_ends(self):
        with self.assertRaisesRegex(process.Failed, "ended before it said 'x'"):
            with process.Held(["true"], self.dir, mark="x"):
                pass
        with self.assertRaisesRegex(process.Failed, "/nonexistent: No such file"):
            with process.Held(["/nonexistent"], self.dir, mark="x"):
                pass

    def test_bad_counts(self):
        for text in "x", "1,-2", "":
            self.bench("memory", "--count", text, code=2)


main()
