# SPDX-License-Identifier: Apache-2.0
"""Statistics against values worked out by hand."""
import unittest

from case import main

from hull_bench import stats


class Stats(unittest.TestCase):
    def test_percentiles(self):
        values = [15, 20, 35, 40, 50]
        self.assertEqual([stats.percentile(values, percent) for percent in (0, 25, 40, 50, 100)], [15, 20, 29, 35, 50])
        self.assertAlmostEqual(stats.percentile(values, 95), 48)
        self.assertAlmostEqual(stats.percentile(list(range(100, -1, -1)), 99), 99)
        self.assertEqual(stats.percentile([7], 99), 7)

    def test_summary(self):
        self.assertEqual(stats.summary([4, 1, 3, 2]),
                         {"median": 2.5, "p95": 3.85, "p99": 3.97, "min": 1, "max": 4,
                          "count": 4})
        self.assertIsNone(stats.summary([]))

    def test_ratios_are_of_the_same_round(self):
        ours, theirs = {0: 10, 1: 30, 2: 50, 4: 1}, {0: 20, 1: 40, 2: 400, 3: 7}
        self.assertEqual(stats.pairs(ours, theirs), [0.5, 0.75, 0.125])
        self.assertEqual(stats.ratio(ours, theirs), 0.5)
        # That of the medians would be another: 20 / 40.
        self.assertEqual(stats.ratio({0: 1, 1: 100, 2: 20}, {0: 2, 1: 10, 2: 40}), 0.5)
        self.assertIsNone(stats.ratio({0: 1}, {1: 1}))

    def test_spread(self):
        self.assertAlmostEqual(stats.spread([98, 100, 101]), 0.03)

    def test_interleaved(self):
        self.assertEqual(list(stats.interleaved("AB", 1, 2)),
                         [(-1, "A"), (-1, "B"), (0, "A"), (0, "B"), (1, "A"), (1, "B")])


main()
