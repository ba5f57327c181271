# SPDX-License-Identifier: Apache-2.0
"""Pictures of bars: phases on top of each other, one bar a peer, or medians side by side."""
import statistics

from . import machine, results, table
from .picture import INK, colour_of, head, quoted, scale_of

# Neighbours are told apart.
PHASE_COLOURS = ("#1f77b4", "#aec7e8", "#ff7f0e", "#ffbb78", "#2ca02c", "#98df8a", "#d62728", "#ff9896", "#9467bd",
                 "#c5b0d5", "#8c564b", "#c49c94", "#e377c2", "#f7b6d2", "#7f7f7f", "#c7c7c7", "#bcbd22", "#dbdb8d",
                 "#17becf", "#9edae5")
# Pixels: of a line of the key, of a bar and a thick one with what is around it, of what is above and below bars.
KEY_LINE, BAR, THICK, AROUND = 21, 24, 50, 130


def timeline(result):
    """One bar of phases for each peer: (script, height), or None. Where the clock leaps, by CPU time."""
    icount = result["machine"]["mode"] == machine.ICOUNT
    bars, names = {}, []
    for peer in result["peers"]:
        begin, bars[peer] = 0, []
        for name, at_us, cpu_us in table.phase_medians(result, peer):
            end = cpu_us if icount else at_us
            if end is None:
                continue
            bars[peer].append((name, begin / 1000, max(begin, end) / 1000))
            begin = max(begin, end)
        merge(names, [name for name, _, _ in bars[peer]])
    bars = {peer: bar for peer, bar in bars.items() if bar}
    if not bars:
        return None
    height = AROUND + max(THICK * len(bars), KEY_LINE * (len(names) + 2))
    lines = head(f"{result['command']}: phases, medians", result,
                 "millions of instructions since exec" if icount else "ms since exec")
    lines += ["set xrange [0:*]", f"set yrange [{max(len(bars), (height - AROUND) / THICK / 1.2) - 0.4}:-0.6]",
              "set key maxcols 1 title 'up to' left", "set style fill solid 1 border rgb 'white'",
              "unset grid", "set grid xtics lc rgb '#dcdcdc' lt 1 lw 1", "set offsets 0, graph 0.08, 0, 0",
              "set ytics scale 0 (" + ", ".join(f"{quoted(peer)} {at}" for at, peer in enumerate(bars)) + ")"]
    plots = []
    for number, name in enumerate(names):
        lines.append(f"$phase{number} << EOD")
        for at, bar in enumerate(bars.values()):
            lines += [f"{begin} {at} {begin} {end} {at - 0.35} {at + 0.35}" for which, begin, end in bar if which == name]
        lines.append("EOD")
        plots.append(f"$phase{number} using 1:2:3:4:5:6 with boxxyerror lc rgb "
                     f"'{PHASE_COLOURS[number % len(PHASE_COLOURS)]}' title {quoted(name)}")
    ends = [bar[-1][2] for bar in bars.values()]
    lines += ["$ends << EOD", *(f"{end} {at} {number_words(end)}" for at, end in enumerate(ends)), "EOD"]
    plots.append(values_plot("$ends"))
    return script(lines, plots), height


def merge(names, more):
    """Take what is new before the next that is known, so that the order is that of time."""
    for at, name in enumerate(more):
        if name not in names:
            later = [names.index(other) for other in more[at:] if other in names]
            names.insert(later[0] if later else len(names), name)


def script(lines, plots):
    return "\n".join(lines) + "\nplot " + ", \\\n\t".join(plots) + "\n"


def values_plot(data):
    """Numbers at the ends of bars."""
    return f"{data} using 1:2:3 with labels left offset character 0.6, 0 tc rgb '{INK}' font ',9' notitle"


def number_words(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def kinds(result):
    """[(unit, better)] of the metrics."""
    return list(dict.fromkeys((metric["unit"], metric["better"]) for metric in result["metrics"].values()))


def medians(result, unit, better):
    """The metrics of a unit that are in no series, side by side, with what they range over: (script, height), or None."""
    groups = {}
    for name, metric in result["metrics"].items():
        if (metric["unit"], metric["better"]) != (unit, better):
            continue
        found = {peer: list(results.series(result, name, peer).values()) for peer in result["peers"]}
        found = {peer: values for peer, values in found.items() if values}
        if found:
            groups[metric["label"]] = found
    if not groups:
        return None
    scale, shown = scale_of(unit, [value for found in groups.values() for values in found.values() for value in values])
    lines = head(f"{result['command']}: medians" + (f", {shown}" if shown else ""), result,
                 f"{shown} ({better} is better)".strip())
    lines += ["set lmargin 2", "unset ytics", "unset ylabel", "set border 1", "set style fill solid 1 noborder", "unset grid",
              "set grid xtics lc rgb '#dcdcdc' lt 1 lw 1", "set xrange [0:*]", "set offsets 0, graph 0.10, 0, 0"]
    data = {peer: [] for peer in result["peers"]}
    # From above: a line for what is measured, below it a bar for each peer.
    y, ends, spans = 0.0, [], []
    for number, (label, found) in enumerate(groups.items(), 2):
        lines.append(f"set label {number} {quoted(label)} at 0, {y} left offset character 0.2, 0 tc rgb '{INK}' "
                     "font ',10' front")
        for peer, values in found.items():
            y += 1
            middle = statistics.median(values) / scale
            data[peer].append(f"0 {y} 0 {middle} {y - 0.42} {y + 0.42}")
            ends.append(f"{max(values) / scale} {y} {number_words(middle)}")
            if len(values) > 1:
                spans.append(f"{middle} {y} {min(values) / scale} {max(values) / scale}")
        y += 1.6
    lines += [f"set yrange [{y - 0.8}:-0.8]"]
    plots = []
    for number, (peer, rows) in enumerate(data.items()):
        if rows:
            lines += [f"$peer{number} << EOD", *rows, "EOD"]
            plots.append(f"$peer{number} using 1:2:3:4:5:6 with boxxyerror lc rgb '{colour_of(peer)}' title {quoted(peer)}")
    if spans:
        lines += ["$spans << EOD", *spans, "EOD"]
        plots.append(f"$spans using 1:2:3:4 with xerrorbars pt -1 lw 1.2 lc rgb '{INK}' notitle")
    lines += ["$ends << EOD", *ends, "EOD"]
    return script(lines, plots + [values_plot("$ends")]), int(AROUND + BAR * (y + 0.8))
