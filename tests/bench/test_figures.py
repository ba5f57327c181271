# SPDX-License-Identifier: Apache-2.0
"""hull-bench gate with results that are given: what grew fails and is named."""
import json

from case import Case, main
from sample import described

from hull_bench import document, figures, results

PHASES = {"monitor started": 2000, "KVM open": 3000, "ready": 60000, "all ended": 70000}


def boot(phases=None, **changes):
    made = results.new("boot", ["boot"], described(**changes), {"cpu_us": results.metric("CPU time", "us")})
    made["peers"]["hull-vmm"] = {"version": "", "workload": "guest", "command": ["hull-vmm"]}
    marks = [results.phase(name, at, at) for name, at in (phases or PHASES).items()]
    made["runs"] = [results.run("hull-vmm", at, values={"cpu_us": marks[-1]["cpu_us"]}, phases=marks) for at in range(3)]
    return made


class Gate(Case):
    def setUp(self):
        super().setUp()
        self.gate(boot(), "--update")

    def gate(self, made, *options, code=0):
        document.write(self.path("result"), made)
        return self.bench("gate", "--figures", self.path("figures"), "--result", self.path("result"), *options, code=code)

    def test_update_writes_what_was_measured(self):
        with open(self.path("figures"), encoding="utf-8") as file:
            kept = json.load(file)
        self.assertEqual(kept["figures"], {"boot hull-vmm": {"total": 70.0, "monitor started": 2.0, "KVM open": 1.0,
                                                             "ready": 57.0, "all ended": 10.0}})
        self.gate(boot(dict(PHASES, **{"all ended": 90000})), code=1)
        self.gate(boot(dict(PHASES, **{"all ended": 90000})), "--update")
        self.gate(boot(dict(PHASES, **{"all ended": 90000})))

    def test_equal_or_better_passes(self):
        out, _ = self.gate(boot())
        self.assertEqual(out, "boot hull-vmm: 70.00 -> 70.00 M instructions (+0.0 %): ok\n")
        self.gate(boot({name: at * 0.5 for name, at in PHASES.items()}))
        self.gate(boot({name: at * 1.049 for name, at in PHASES.items()}))

    def test_phase_that_grew_is_named(self):
        out, _ = self.gate(boot({"monitor started": 2000, "KVM open": 7000, "ready": 64000, "all ended": 74000}), code=1)
        self.assertEqual(out, "boot hull-vmm: 70.00 -> 74.00 M instructions (+5.7 %): FAILED\n"
                              "boot hull-vmm: KVM open grew: 1.00 -> 5.00 M (+400.0 %)\n")

    def test_phase_alone_fails(self):
        # Hidden in the whole by another that shrank.
        out, _ = self.gate(boot({"monitor started": 4000, "KVM open": 5000, "ready": 60000, "all ended": 70000}), code=1)
        self.assertIn("monitor started grew: 2.00 -> 4.00 M", out)

    def test_total_alone_names_what_grew_most(self):
        out, _ = self.gate(boot({"monitor started": 2600, "KVM open": 4200, "ready": 63950, "all ended": 74450}), code=1)
        self.assertIn("ready grew: 57.00 -> 59.75 M", out)

    def test_noise_of_a_small_phase_passes(self):
        self.gate(boot({"monitor started": 2600, "KVM open": 3600, "ready": 60600, "all ended": 70600}))

    def test_new_phase_counts(self):
        out, _ = self.gate(boot(dict(PHASES, more=75000)), code=1)
        self.assertIn("more grew: 0.00 -> 5.00 M (new)", out)

    def test_not_measured_fails(self):
        with open(self.path("figures"), encoding="utf-8") as file:
            kept = json.load(file)
        kept["figures"]["boot other"] = {"total": 1}
        self.write(self.path("figures"), json.dumps(kept))
        self.assertIn("boot other: not measured: FAILED", self.gate(boot(), code=1)[0])

    def test_exec_and_api(self):
        made = {"exec": dict(boot({"command made": 100, "command started": 1500, "command ended": 1600}), command="exec"),
                "api": dict(boot(), command="api")}
        made["api"]["runs"] = [results.run("hull-vmm", at, values={"start_cpu_us": 800, "instance_start_cpu_us": 2000})
                               for at in range(3)]
        gate = ["gate", "--figures", self.path("figures")]
        for name in made:
            document.write(self.path(name), made[name])
            gate += ["--result", self.path(name)]
        self.bench(*gate, "--update")
        self.bench(*gate)
        for run in made["api"]["runs"]:
            run["values"]["instance_start_cpu_us"] = 2200
        document.write(self.path("api"), made["api"])
        out, _ = self.bench(*gate, code=1)
        self.assertIn("exec hull-vmm: 1.60 -> 1.60 M instructions (+0.0 %): ok\n", out)
        self.assertIn("api hull-vmm: InstanceStart grew: 2.00 -> 2.20 M (+10.0 %)\n", out)

    def refused(self, made, words):
        out, err = self.gate(made, code=2)
        self.assertEqual((out, err.count("\n")), ("", 1))
        self.assertRegex(err, words)

    def test_refused(self):
        self.refused(boot(emulator="QEMU emulator version 9.0.0"), "figures is not of this machine")
        self.refused(boot(mode="native"), "doesn't count instructions")
        made = boot()
        made["runs"][1] = results.run("hull-vmm", 1, failed="did not end within 60 s")
        self.refused(made, "boot: 1 runs failed, the first: did not end")
        self.refused(dict(boot(), command="memory"), "the gate has no figures of memory")
        self.write(self.path("figures"), json.dumps({"schema": figures.SCHEMA, "version": 9, "figures": {}}))
        self.refused(boot(), "not figures of version 1")
        for wrong in [], {"boot hull-vmm": 1}, {"boot hull-vmm": {"total": "1"}}, {"boot hull-vmm": {"ready": 1}}:
            self.write(self.path("figures"), json.dumps(dict(figures.new(described(), {}), figures=wrong)))
            self.refused(boot(), "not figures of version 1|boot hull-vmm has no total")

    def test_wrong_number_of_runs(self):
        for wrong in "0", "-1", "x", "9999999999":
            _, err = self.bench("gate", "--figures", self.path("figures"), "--runs", wrong, code=2)
            self.assertIn("argument --runs", err)

    def test_figures_missing_or_unwritable(self):
        document.write(self.path("result"), boot())
        self.fails("gate", "--figures", self.path("no/figures"), "--result", self.path("result"), words="--update makes it")
        self.fails("gate", "--figures", self.path("no/figures"), "--result", self.path("result"), "--update",
                   words="no/figures: cannot be written")


main()
