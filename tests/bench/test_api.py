# SPDX-License-Identifier: Apache-2.0
"""hull-bench api with a monitor that is a script."""
import json
import os
import shutil
import time

from case import Case, RUN, main

from hull_bench import cmd_api, results

NOTHING = os.path.join(os.path.dirname(RUN or ""), "hull-bench-nothing")


class Api(Case):
    def setUp(self):
        super().setUp()
        shutil.copy(NOTHING, os.path.join(self.stage, "lib", "hull", "bench", "hull-bench-nothing"))
        self.fake_monitor("bin/hull-vmm")

    def api(self, *args, **kw):
        # A script's start takes longer than a monitor's may: limits are missed.
        return self.measure("api", "--requests", "20", "--runs", "2", "--warmup", "1", *args, **{"code": 1, **kw})

    def test_all(self):
        self.fake_monitor("firecracker")
        result, out, _ = self.api("--memory", "96", "--cpus", "2")
        self.assertEqual(list(result["peers"]), ["hull-vmm", "firecracker"])
        self.assertEqual([one["failed"] for one in result["runs"]], [None] * 12)
        for peer in result["peers"]:
            self.assertEqual(result["peers"][peer]["command"][1], "--api-sock")
            found = {}
            for run in result["runs"]:
                if run["peer"] == peer:
                    found.update(run["values"])
            self.assertEqual(set(found), set(cmd_api.METRICS))
            self.assertLess(0, found["request_us"])
            self.assertLessEqual(found["request_us"], found["request_p99_us"])
            self.assertLessEqual(found["configure_us"] + found["instance_start_us"], found["sequence_us"])
        self.assertEqual([phase["phase"] for phase in result["runs"][-1]["phases"]],
                         ["first answer", "PUT /boot-source", "PUT /machine-config", "InstanceStart"])
        self.assertEqual(self.order(), ["hull-vmm", "firecracker"] * 9)
        self.assertIn('PUT /machine-config {"vcpu_count": 2, "mem_size_mib": 96}', self.requests())
        self.assertRegex(out, r"firecracker .* hull-vmm/firecracker \d")
        self.assertIn("hull-vmm, descriptors grown by them: 0.00, limit 0.00: ok", out)

    def test_missing_peers(self):
        result, _, err = self.api("--no-vm")
        self.assertEqual(result["skipped"], {"firecracker": "not installed: no firecracker in PATH"})
        self.assertIn("firecracker is skipped: not installed", err)
        self.program("qemu-system-x86_64")
        self.assertIn("qemu", self.api("--no-vm", "--peers", "hull-vmm,qemu")[0]["skipped"])
        _, err = self.bench("api", "--peers", "qemu", code=2)
        self.assertIn("no peer is left: qemu: it has no API of this kind", err)

    def test_without_kvm(self):
        result, out, _ = self.api(env={"FAKE": "refuses"})
        failed = [one["failed"] for one in result["runs"] if one["failed"]]
        self.assertEqual(len(failed), 2)
        self.assertRegex(failed[0], "^PUT /actions: 400: .*no KVM")
        self.assertIn("hull-vmm: 2 of 6 runs failed", out)
        result, _, _ = self.api("--no-vm", env={"FAKE": "refuses"})
        self.assertEqual([one["failed"] for one in result["runs"]], [None] * 4)

    def test_guest_that_does_not_run(self):
        result, _, _ = self.api(env={"FAKE": "lies"})
        self.assertEqual(result["runs"][-1]["failed"], "InstanceStart was answered, but the guest does not run")

    def test_monitor_that_never_answers(self):
        # A script needs a while to serve what it then doesn't answer.
        for fake, timeout, why in (("mute", "5", "the API gave no answer in time"),
                                   ("absent", "1", "did not serve its API within 1 s"),
                                   ("ends", "5", "ended before it served its API: out of order")):
            began = time.monotonic()
            result, _, _ = self.api("--timeout", timeout, "--runs", "1", "--warmup", "0", env={"FAKE": fake})
            self.assertLess(time.monotonic() - began, 60)
            self.assertEqual([one["failed"] for one in result["runs"]], [why] * 3)

    def test_leak(self):
        result, out, _ = self.api("--no-vm", env={"FAKE": "leaks"})
        # One connection for all requests, and one for each.
        self.assertEqual([one["values"]["grown_fds"] for one in result["runs"] if "grown_fds" in one["values"]], [21, 21])
        self.assertIn("hull-vmm, descriptors grown by them: 21.00, limit 0.00: MISSED", out)

    def test_pinned(self):
        last = max(os.sched_getaffinity(0))
        self.api("--no-vm", "--pin", str(last))
        with open(self.turns + ".cpus", encoding="utf-8") as file:
            self.assertEqual(json.load(file), [last])
        _, err = self.bench("api", "--pin", "5000", code=2)
        self.assertIn("--pin 5000: Invalid argument", err)

    def test_bad_arguments(self):
        self.bench("api", "--requests", "0", code=2)
        self.fails("api", "--json", self.path("no/such"), words="no/such: cannot be written")

    def test_gate_takes_the_least(self):
        made = {"peers": {"hull-vmm": {}}, "runs": []}
        for at, cpu in enumerate((900, 800, 1000)):
            made["runs"].append(results.run("hull-vmm", at, values={"start_cpu_us": cpu}))
            made["runs"].append(results.run("hull-vmm", at, values={"request_cpu_us": 20 + at}))
        self.assertEqual(cmd_api.gate(made),
                         {"api hull-vmm": {"total": 2.8, "start to first answer": 0.8, "100 requests": 2.0}})


main()
