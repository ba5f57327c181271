# SPDX-License-Identifier: Apache-2.0
"""hull-bench density with a hull that is a script."""
import concurrent.futures
import os
import time

from case import Case, main

from hull_bench import cmd_density, guest, process

HULL = """#!/bin/sh
case "$*" in --version) echo "hull 1.2.3"; exit 0 ;; esac
case "$*" in
*"exec sleep"*) echo $$ >>"$TURNS.pids"; echo "container: ready"; exec sleep 1000 ;;
esac
echo "$2" >>"$TURNS"
sleep 0.3
echo '{"phases": []}' >"${9}"
echo "container: ready"
"""


class Density(Case):
    def setUp(self):
        super().setUp()
        self.program("bin/hull", text=HULL)
        os.makedirs(self.path("image"))
        self.write(self.path("image/index.json"), "{}")

    def env(self, **changes):
        return super().env(**{"HULL_BENCH_IMAGE": self.path("image"), **changes})

    def density(self, *args, **kw):
        return self.measure("density", "--peers", "hull", "--runs", "2", "--warmup", "1", "--settle", "0", *args, **kw)

    def test_rate(self):
        result, out, _ = self.density("--at-once", "4,1", "--max", "0", "--pin", "0")
        self.assertEqual([(one["x"], one["round"], one["failed"]) for one in result["runs"]],
                         [(["at once", count], at, None) for count in (1, 4) for at in (0, 1)])
        for run in result["runs"]:
            values = run["values"]
            # Each takes 0.3 s and what a shell takes: those at once don't wait for each other.
            self.assertTrue(0.2 < values["rate"] < run["x"][1] / 0.3, values)
            self.assertEqual(values["rate"], values["rate_cpu"])
            self.assertAlmostEqual(values["rate_cpu_time"], 1e6 / values["cpu_us"])
        self.assertEqual(len(self.order()), 3 * 5)
        self.assertIn("started a second, at once 4", out)

    def test_idle(self):
        result, _, _ = self.density("--at-once", "1", "--max", "3", "--budget", "100000")
        idle = [one["x"][1] for one in result["runs"] if one["x"] and one["x"][0] == "idle"]
        self.assertEqual(idle, [1, 2, 3])
        self.assertEqual(result["runs"][-1]["values"]["started"], 3)
        self.assertIn("further_kib", result["runs"][-1]["values"])
        with open(self.turns + ".pids", encoding="utf-8") as file:
            pids = file.read().split()
        self.assertEqual((len(pids), list(filter(process.lives, pids))), (3, []))

    def test_host_without_memory(self):
        result, _, err = self.density("--at-once", "1", "--memory", "100000000")
        self.assertIn("hull: no more than 0: the host's memory would run short", err)
        self.assertEqual(result["runs"][-1]["values"], {"started": 0})

    def test_fitting(self):
        self.assertEqual(cmd_density.fitting({1: 30, 2: 50, 8: 170}, 100, 4), {"started": 4, "further_kib": 20, "fit": 4})
        self.assertEqual(cmd_density.fitting({1: 30, 2: 50}, 10, 0)["fit"], 0)
        self.assertEqual(cmd_density.fitting({1: 30}, 100, 1), {"started": 1})
        # Where noise is all there is, nothing can be said.
        self.assertNotIn("fit", cmd_density.fitting({1: 30, 4: 20}, 100, 4))

    def test_what_all_need_is_made_once(self):
        setup, made = guest.Guest(self.path("")), []

        def make(path):
            made.append(path)
            time.sleep(0.05)
            os.mkdir(path)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            paths = list(pool.map(lambda _: setup.made("store", make), range(4)))
        self.assertEqual((set(paths), len(made)), ({self.path("store")}, 1))

    def test_one_that_never_starts(self):
        self.program("bin/hull", text=HULL.replace("sleep 0.3", "sleep 1000").replace("exec sleep 1000", "exit 3"))
        began = time.monotonic()
        result, out, _ = self.density("--at-once", "2", "--max", "2", "--timeout", "1", code=1)
        self.assertLess(time.monotonic() - began, 60)
        self.assertEqual([one["failed"] for one in result["runs"]][:2], ["2 at once: did not end within 1 s"] * 2)
        self.assertEqual(result["runs"][0]["values"], {})
        self.assertIn("hull: 2 of", out)

    def test_idle_one_that_ends(self):
        self.program("bin/hull", text=HULL.replace('echo $$ >>"$TURNS.pids"; echo "container: ready"; exec sleep 1000',
                                                   "exit 3"))
        result, _, _ = self.density("--at-once", "1", "--max", "2", code=1)
        self.assertEqual([(one["failed"], one["values"]) for one in result["runs"]][2:],
                         [("number 1: ended before it said 'container: ready'", {}), (None, {"started": 0})])

    def test_bad_arguments(self):
        for args in (["--at-once", "0"], ["--at-once", "x"], ["--at-once", ""], ["--max", "-1"], ["--budget", "0"]):
            self.bench("density", *args, code=2)
        self.fails("density", "--peers", "nobody", words="nobody: not among")
        self.fails("density", "--json", self.path("no/such"), words="no/such: cannot be written")


main()
