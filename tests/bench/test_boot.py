# SPDX-License-Identifier: Apache-2.0
"""hull-bench boot with monitors that are scripts: turns, warm-up, failed runs, missing peers."""
import json
import os
import time

from case import Case, main

QEMU = "qemu-system-x86_64"
# hull-vmm tells phases on its descriptor.
VMM = r"""
while [ $# -gt 0 ]; do [ "$1" != --events-fd ] || fd=$2; shift; done
python3 -c 'import os, sys, time
for n, name in enumerate(("start", "kvm", "memory", "devices", "kernel", "run")):
    os.write(int(sys.argv[1]), f"phase {name} {time.monotonic_ns()} {1000000 + n}\n".encode())' "$fd"
"""


class Boot(Case):
    def setUp(self):
        super().setUp()
        self.program(QEMU)
        self.program("bin/hull-vmm", VMM)

    def test_peers_take_turns_and_the_warm_up_is_dropped(self):
        result, out, _ = self.boot("--peers", "qemu,hull-vmm", "--runs", "3", "--warmup", "2")
        self.assertEqual(self.order(), ["hull-vmm", QEMU] * 5)
        self.assertEqual([(run["peer"], run["round"]) for run in result["runs"]],
                         [(peer, at) for at in range(3) for peer in ("hull-vmm", "qemu")])
        self.assertEqual([run["failed"] for run in result["runs"]], [None] * 6)
        for run in result["runs"]:
            self.assertLess(0, run["values"]["mark_us"])
            self.assertLessEqual(run["values"]["mark_us"], run["values"]["wall_us"])
        self.assertRegex(out, r"qemu .* 3  hull-vmm/qemu \d+\.\d+\n")

    def test_phases(self):
        result, out, _ = self.boot("--peers", "hull-vmm", "--runs", "1")
        phases = result["runs"][0]["phases"]
        self.assertEqual([phase["phase"] for phase in phases],
                         ["monitor started", "KVM open", "memory mapped", "devices ready", "kernel loaded",
                          "first KVM_RUN", "ready", "all ended"])
        self.assertEqual(phases[1]["cpu_us"], 1000.001)
        times = [phase["at_us"] for phase in phases]
        self.assertEqual(times, sorted(times))
        self.assertIn("first KVM_RUN", out)

    def test_result_says_what_was_run(self):
        result, _, _ = self.boot("--peers", "qemu", "--runs", "1")
        self.assertEqual(result["peers"]["qemu"]["version"], QEMU + " 1.2.3")
        self.assertEqual(result["peers"]["qemu"]["command"][1:3], ["-M", "microvm,pit=off,pic=off,rtc=off,isa-serial=on"])
        self.assertEqual(result["arguments"][0], "boot")
        self.assertLessEqual({"cpu", "cpus", "memory_mib", "kernel", "mode", "fingerprint", "commit"},
                             set(result["machine"]))

    def test_kernel_that_cannot_be_read(self):
        for option in "--kernel", "--bzimage":
            peer = "qemu" if option == "--kernel" else "kvmtool"
            self.program("lkvm")
            self.fails("boot", "--peers", peer, option, self.path("none"), "--json", self.path("new.json"),
                       words="none: cannot be copied to .*: No such file")
            self.fails("boot", "--peers", peer, option, self.dir, words="cannot be copied to .*: Is a directory")
        # It was only looked at whether it can be written.
        self.assertFalse(os.path.exists(self.path("new.json")))

    def test_numbers_out_of_range(self):
        for words in (["boot", "--timeout", "99999999999999999999"], ["boot", "--pin", "0-99999999999"],
                      ["boot", "--pin", "99999999999"], ["memory", "--count", "-1"], ["memory", "--settle", "-1"],
                      ["density", "--settle", "-1"], ["api", "--requests", "0"]):
            _, err = self.bench(*words, code=2)
            self.assertIn(f"argument {words[1]}: ", err)

    def test_vm_that_never_boots(self):
        self.program(QEMU, "sleep 1000")
        began = time.monotonic()
        result, out, err = self.boot("--peers", "hull-vmm,qemu", "--runs", "2", "--warmup", "0", "--timeout", "1", code=1)
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual([run["failed"] for run in result["runs"] if run["peer"] == "qemu"],
                         ["did not end within 1 s"] * 2)
        self.assertEqual([run["values"] for run in result["runs"] if run["peer"] == "qemu"], [{}, {}])
        self.assertIn("qemu: 2 of 2 runs failed, the first with: did not end within 1 s", out)
        self.assertIn("qemu, run 1: did not end", err)

    def test_vm_that_talks_for_ever(self):
        self.program(QEMU, "while :; do echo no; done")
        result, _, _ = self.boot("--peers", "qemu", "--runs", "1", "--warmup", "0", "--timeout", "1", code=1)
        self.assertEqual(result["runs"][0]["failed"], "did not end within 1 s")

    def test_some_runs_fail(self):
        self.program(QEMU, 'case $(wc -l <"$TURNS") in 4) echo "no memory" >&2; exit 3 ;; esac'.replace(
            "wc -l", "python3 -c 'import sys; print(len(list(sys.stdin)))'"))
        result, out, _ = self.boot("--peers", "hull-vmm,qemu", "--runs", "3", "--warmup", "0", code=1)
        self.assertEqual([run["failed"] for run in result["runs"] if run["peer"] == "qemu"],
                         [None, "exit code 3: no memory", None])
        self.assertIn("qemu: 1 of 3 runs failed", out)
        # Two are left to be compared, pair by pair.
        self.assertRegex(out, r"qemu .* 2  hull-vmm/qemu")

    def test_guest_without_a_mark(self):
        self.program(QEMU, "exit 0")
        result, _, _ = self.boot("--peers", "qemu", "--runs", "1", "--warmup", "0", code=1)
        self.assertEqual(result["runs"][0]["failed"], "never said 'init: ready'")

    def test_missing_peers(self):
        result, out, err = self.boot("--peers", "qemu,firecracker,kvmtool,crun", "--runs", "1")
        self.assertEqual(result["skipped"], {"firecracker": "not installed: no firecracker in PATH",
                                             "kvmtool": "not installed: no lkvm or lkvm-static or vm in PATH",
                                             "crun": "not installed: no crun in PATH"})
        for text in out, err:
            self.assertIn("not installed: no firecracker in PATH", text)
        self.assertEqual(list(result["peers"]), ["qemu"])
        self.fails_late("boot", "--peers", "firecracker", words="no peer is left: firecracker: not installed")

    def fails_late(self, *args, words):
        """Without a measurement, after notes."""
        _, err = self.bench(*args, code=2)
        self.assertRegex(err.splitlines()[-1], words)

    def test_bad_arguments(self):
        self.fails("boot", "--peers", "qemu,bochs", words="bochs: not among hull, hull-vmm, qemu")
        for args in (["--runs", "0"], ["--runs", "x"], ["--warmup", "-1"], ["--icount", "--emulated"], ["--js", "x"]):
            self.bench("boot", *args, code=2)

    def test_unwritable_output(self):
        self.fails("boot", "--peers", "qemu", "--json", self.path("no/such"), words="no/such: cannot be written: No such")
        self.assertRaises(FileNotFoundError, self.order)

    def test_missing_build(self):
        self.write(self.path("stage/lib/hull/vmlinux"), "")
        result, _, _ = self.boot("--peers", "qemu", "--runs", "1", "--kernel", self.path("stage/lib/hull/initramfs"))
        self.assertEqual(len(result["runs"]), 1)
        os.unlink(self.path("stage/lib/hull/vmlinux"))
        self.fails("boot", "--peers", "qemu", words="vmlinux is missing: run scripts/build")

    def test_pinned(self):
        self.program(QEMU, "python3 -c 'import os; print(sorted(os.sched_getaffinity(0)))' >\"$TURNS.cpus\"")
        self.boot("--peers", "qemu", "--runs", "1", "--pin", "0")
        with open(self.turns + ".cpus", encoding="utf-8") as file:
            self.assertEqual(json.load(file), [0])


main()
