# SPDX-License-Identifier: Apache-2.0
"""Limits: where they apply, when they are kept, and what is said."""
import unittest

from case import main

from hull_bench import limits, results
from hull_bench.limits import Limit


def result(runs, mode="native"):
    """Of figures [(peer, round, {metric: number})]; an empty dict is a run that failed."""
    return {"machine": {"mode": mode}, "peers": {"ours": {}, "theirs": {}}, "metrics": {"size": results.metric("size", "KiB")},
            "runs": [results.run(peer, at, values=values, failed=None if values else "it died") for peer, at, values in runs]}


class Limits(unittest.TestCase):
    def check(self, limit, runs, *expected, mode="native"):
        lines, good = limits.check([limit], result(runs, mode))
        self.assertEqual((lines, good), (list(expected), not any("MISSED" in line for line in expected)))

    def test_of_the_median(self):
        runs = [("ours", at, {"size": size}) for at, size in enumerate((1, 5, 30))]
        self.check(Limit("size", "ours", 5), runs, "ours, size: 5.00 KiB, limit 5.00 KiB: ok")
        self.check(Limit("size", "ours", 4), runs, "ours, size: 5.00 KiB, limit 4.00 KiB: MISSED")
        self.check(Limit("size", "ours", 6, at_least=True), runs, "ours, size: 5.00 KiB, at least 6.00 KiB: MISSED")

    def test_of_a_ratio(self):
        runs = [("ours", 0, {"size": 1}), ("theirs", 0, {"size": 4})]
        self.check(Limit("size", "ours", 0.25, over="theirs"), runs, "ours / theirs, size: 0.25, limit 0.25: ok")
        self.check(Limit("size", "theirs", 2, over="ours"), runs, "theirs / ours, size: 4.00, limit 2.00: MISSED")

    def test_runs_that_failed_keep_none(self):
        self.check(Limit("size", "ours", 5), [("ours", 0, {})], "ours, size: no run went well, limit 5.00 KiB: MISSED")

    def test_what_does_not_apply(self):
        runs = [("ours", 0, {"size": 9})]
        self.check(Limit("size", "absent", 5), runs)
        self.check(Limit("other", "ours", 5), runs)
        self.check(Limit("size", "ours", 5, mode="icount"), runs)
        self.check(Limit("size", "ours", 5, mode="icount"), runs, "ours, size: 9.00 KiB, limit 5.00 KiB: MISSED", mode="icount")

    def test_what_was_not_asked_for(self):
        limit = Limit("size", "ours", 5, if_asked=True)
        self.check(limit, [("ours", 0, {"other": 9})])
        self.check(Limit("size", "ours", 5, if_asked=True, x=["VMs", 2]), [("ours", 0, {"size": 9})])
        self.check(limit, [("ours", 0, {"size": 9})], "ours, size: 9.00 KiB, limit 5.00 KiB: MISSED")


main()
