# SPDX-License-Identifier: Apache-2.0
"""Statistics of a few dozen runs."""
import math
import statistics


def percentile(values, percent):
    """The value below which that part of the values lies, interpolated between neighbours."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def summary(values):
    """Median, p95, p99, least, greatest and count; None of nothing."""
    if not values:
        return None
    return {"median": statistics.median(values), "p95": percentile(values, 95), "p99": percentile(values, 99),
            "min": min(values), "max": max(values), "count": len(values)}


def spread(values):
    """How far the values lie apart, as a part of their median."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def pairs(ours, theirs):
    """Ratios of the values of the same round, {round: value} each; a round that either lacks gives none."""
    return [ours[at] / theirs[at] for at in sorted(ours) if theirs.get(at)]


def ratio(ours, theirs):
    """The median of the ratios pair by pair, or None."""
    ratios = pairs(ours, theirs)
    return statistics.median(ratios) if ratios else None


def interleaved(names, warmup, rounds):
    """Yield (round, name): A B A B ...; rounds of the warm-up, whose figures are dropped, are negative."""
    for at in range(-warmup, rounds):
        for name in names:
            yield at, name
