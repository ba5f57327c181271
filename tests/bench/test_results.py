# SPDX-License-Identifier: Apache-2.0
"""Results of another schema, of other machines, or broken ones are refused in one line; so are machines' fingerprints."""
import json

from case import Case, main
from sample import described, result

from hull_bench import machine, results


class Results(Case):
    def keep(self, name, made):
        return self.write(self.path(name), json.dumps(made))

    def test_good(self):
        out, _ = self.bench("report", self.keep("a", result(values=(10000, 30000, 20000))))
        self.assertRegex(out, r"qemu +20.00 ms +29.00 ms +29.80 ms +3\n")

    def test_another_version(self):
        self.fails("report", self.keep("a", dict(result(), version=2)),
                   words="/a: its schema has version 2, this hull-bench reads version 1$")

    def test_other_files(self):
        self.fails("report", self.keep("a", [1]), words="not a result of hull-bench")
        self.fails("report", self.keep("a", dict(result(), schema="x")), words="not a result of hull-bench")
        self.fails("report", self.write(self.path("a"), "{"), words="/a: not JSON")
        self.fails("report", self.path("none"), words="/none: No such file")
        for name in results.MEMBERS:
            made = result()
            del made[name]
            self.fails("report", self.keep("a", made), words=f"/a: {name} is missing")
        made = result()
        made["runs"][0]["peer"] = "other"
        self.fails("report", self.keep("a", made), words="run 0 is not as the schema says")

    def test_different_machines(self):
        one = self.keep("a", result())
        self.bench("report", one, self.keep("b", result()))
        self.fails("report", one, self.keep("b", result(cpu="Xeon")), words="a and .*b are not of the same machine: .*Xeon")

    def test_fingerprints(self):
        here = described()["fingerprint"]
        for same in ({"outside": {"cpu": "B"}}, {"kernel": "6.1.0-41-amd64"}, {"commit": "d"}, {"memory_mib": 3940},
                     {"emulator": "QEMU emulator version 7.2.9"}):
            self.assertEqual(described(**same)["fingerprint"], here, same)
        for other in ({"mode": "emulated"}, {"kernel": "6.12.1"}, {"cpus": 2}, {"memory_mib": 7000}, {"cpu": "B"},
                      {"emulator": "QEMU emulator version 8.0.0"}):
            self.assertNotEqual(described(**other)["fingerprint"], here, other)
        # Where wall time counts, so does what emulates.
        self.assertNotEqual(described(mode="emulated")["fingerprint"],
                            described(mode="emulated", outside={"cpu": "B"})["fingerprint"])

    def test_this_machine(self):
        here = machine.describe()
        self.assertEqual(here["fingerprint"], machine.describe()["fingerprint"])
        self.assertLess(0, here["memory_mib"])


main()
