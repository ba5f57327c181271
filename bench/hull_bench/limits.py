# SPDX-License-Identifier: Apache-2.0
"""Limits that a command's figures have to keep, where they were made for."""
import statistics

from . import results, stats
from .table import shown


class Limit:
    """Of a metric's median, or with over: of the ratio to another peer, pair by pair. mode: only there. if_asked: of what is
    measured only if the command line says so."""

    def __init__(self, metric, peer, value, *, over=None, mode=None, at_least=False, x=None, if_asked=False):
        self.if_asked = if_asked
        self.metric, self.peer, self.value, self.over = metric, peer, value, over
        self.mode, self.at_least, self.x = mode, at_least, x

    def figure(self, result):
        ours = results.series(result, self.metric, self.peer, self.x)
        if self.over:
            return stats.ratio(ours, results.series(result, self.metric, self.over, self.x))
        return statistics.median(ours.values()) if ours else None

    def applies(self, result):
        return self.mode in (None, result["machine"]["mode"]) and self.metric in result["metrics"] and \
            self.peer in result["peers"] and (not self.over or self.over in result["peers"]) and \
            (not self.if_asked or any(self.metric in one["values"] and one["x"] == self.x for one in result["runs"]))

    def words(self, result, figure):
        label = result["metrics"][self.metric]["label"]
        unit = "" if self.over else result["metrics"][self.metric]["unit"]
        what = f"{self.peer} / {self.over}, {label}" if self.over else f"{self.peer}, {label}"
        bound = "at least" if self.at_least else "limit"
        if figure is None:
            return f"{what}: no run went well, {bound} {shown(self.value, unit)}: MISSED"
        return f"{what}: {shown(figure, unit)}, {bound} {shown(self.value, unit)}: {'ok' if self.kept(figure) else 'MISSED'}"

    def kept(self, figure):
        return figure is not None and (figure >= self.value if self.at_least else figure <= self.value)


def check(limits, result):
    """Return (lines to print, whether all are kept)."""
    lines, good = [], True
    for limit in limits:
        if limit.applies(result):
            figure = limit.figure(result)
            lines.append(limit.words(result, figure))
            good &= limit.kept(figure)
    return lines, good
