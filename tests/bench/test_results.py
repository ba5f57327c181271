# SPDX-License-Identifier: Apache-2.0
"""Results of another schema, of other machines, or broken ones are refused in one line; so are machines' fingerprints."""
import copy
import json

from case import Case, main
from sample import described, result

from hull_bench import machine, plot, results, table
from hull_bench.fault import Fault


def members(value, path=()):
    """The path to each, to those inside of others, too."""
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from members(value[key], path + (key,))


def inside(value, path):
    for key in path:
        value = value[key]
    return value


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
        self.fails("report", self.keep("a", made), words="runs.0.peer is not among its peers")
        self.fails("report", self.write(self.path("a"), "[" * 100000), words="/a: not JSON")

    def test_any_member_of_another_kind(self):
        """Refused, or told of: nothing stumbles over it."""
        whole = result()
        whole["exits"]["qemu"] = [["exit", "hlt", 3]]
        whole["runs"].append(results.run("qemu", 0, values={"cpu_us": 1}, x=["VMs", 2]))
        refused = 0
        for path in members(whole):
            for other in (None, True, -1, float("nan"), 10 ** 400, "x", [], {}, [1], {"a": 1}, ["VMs", None]):
                made = copy.deepcopy(whole)
                inside(made, path[:-1])[path[-1]] = other
                with self.subTest(path=path, other=other):
                    try:
                        results.check("a", made)
                    except Fault:
                        refused += 1
                        continue
                    table.text(made)
                    list(plot.of_one(made))
        self.assertLess(300, refused)
        for path, other in ((("machine", "mode"), "other"), (("machine", "commit"), 1), (("command",), "../x"),
                            (("runs", 0, "values", "cpu_us"), "1"), (("runs", 1, "x", 1), None),
                            (("runs", 0, "phases", 0, "at_us"), float("nan"))):
            made = copy.deepcopy(whole)
            inside(made, path[:-1])[path[-1]] = other
            self.assertRaises(Fault, results.check, "a", made)

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
