# SPDX-License-Identifier: Apache-2.0
"""Pictures of results, by gnuplot."""
import os
import re
import shutil
import statistics
import subprocess

from . import machine, results, table
from .fault import Fault

FORMATS = {"svg": 'svg noenhanced size {w},{h} dynamic font "sans,12" background "white"',
           "png": 'pngcairo noenhanced size {w},{h} font "sans,11"'}
COLOURS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c", "#ccb974", "#64b5cd",
           "#1f3d7a", "#a0522d", "#2f6b3f", "#7a1f24", "#463a73")
SMALL_TITLE = "set title font ',9'"


def draw(drawn, folder):
    """Draw all that there is to draw of these results; return the files."""
    if not shutil.which("gnuplot"):
        raise Fault("gnuplot is not installed: Debian's package is gnuplot-nox (scripts/setup installs it)")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise Fault(f"{folder}: {error.strerror}") from error
    made = []
    for number, result in enumerate(drawn):
        suffix = f"-{number + 1}" if sum(other["command"] == result["command"] for other in drawn) > 1 else ""
        bars = timeline(result)
        if bars:
            made += picture(folder, f"{result['command']}-timeline{suffix}", *bars)
        for name in result["metrics"]:
            lines = along_x(result, name)
            if lines:
                made += picture(folder, f"{result['command']}-{name}{suffix}", *lines)
    for command in dict.fromkeys(result["command"] for result in drawn):
        same = [result for result in drawn if result["command"] == command]
        if len(same) > 1:
            for name in same[0]["metrics"]:
                lines = along_results(same, name)
                if lines:
                    made += picture(folder, f"{command}-{name}-over-results", *lines)
    if not made:
        raise Fault("nothing in these results can be drawn: all their runs failed")
    return made


def quoted(text):
    return '"' + re.sub(r'([\\"])', r"\\\1", str(text)) + '"'


def picture(folder, name, script, height):
    """Write a script's picture in each format."""
    made = []
    for kind, terminal in FORMATS.items():
        path = os.path.join(folder, f"{name}.{kind}")
        head = f"set terminal {terminal.format(w=1000, h=height)}\nset output {quoted_path(path)}\n"
        done = subprocess.run(["gnuplot"], input=(head + script).encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if done.returncode or not os.path.exists(path) or not os.path.getsize(path):
            raise Fault(f"{path}: gnuplot failed: {done.stdout.decode(errors='replace').strip().splitlines()[-1:]}")
        made.append(path)
    return made


def quoted_path(path):
    return "'" + path.replace("'", "''") + "'"


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
            if name not in names:
                names.append(name)
    bars = {peer: bar for peer, bar in bars.items() if bar}
    if not bars:
        return None
    lines = [f"set title {quoted('boot: ' + machine.words(result['machine']))}",
             SMALL_TITLE, f"set xlabel {quoted('millions of instructions' if icount else 'ms since exec')}",
             "set xrange [0:*]", f"set yrange [{len(bars) - 0.4}:-0.6]", "set key outside right top",
             "set style fill solid 1 noborder", "set grid xtics",
             "set ytics (" + ", ".join(f"{quoted(peer)} {at}" for at, peer in enumerate(bars)) + ")"]
    plots = []
    for number, name in enumerate(names):
        lines.append(f"$phase{number} << EOD")
        for at, bar in enumerate(bars.values()):
            lines += [f"{begin} {at} {begin} {end} {at - 0.35} {at + 0.35}" for which, begin, end in bar if which == name]
        lines.append("EOD")
        plots.append(f"$phase{number} using 1:2:3:4:5:6 with boxxyerror lc rgb '{COLOURS[number % len(COLOURS)]}' "
                     f"title {quoted(name)}")
    return "\n".join(lines) + "\nplot " + ", ".join(plots) + "\n", max(360, 90 + 60 * len(bars))


def line_plot(title, xlabel, ylabel, lines, labels=None):
    """lines: {peer: [(x, y)]}."""
    script = [f"set title {quoted(title)}", SMALL_TITLE, f"set xlabel {quoted(xlabel)}", f"set ylabel {quoted(ylabel)}",
              "set yrange [0:*]", "set grid", "set key outside right top", "set offsets graph 0.05, graph 0.05, 0, 0"]
    if labels:
        script.append("set xtics (" + ", ".join(f"{quoted(label)} {at}" for at, label in enumerate(labels)) + ")")
    plots = []
    for number, (peer, points) in enumerate(lines.items()):
        script += [f"$line{number} << EOD", *(f"{x} {y}" for x, y in points), "EOD"]
        plots.append(f"$line{number} with linespoints lw 2 pt 7 lc rgb '{COLOURS[number % len(COLOURS)]}' "
                     f"title {quoted(peer)}")
    return "\n".join(script) + "\nplot " + ", ".join(plots) + "\n", 500


def scaled(value, unit):
    return value / 1000 if unit == "us" else value


def unit_of(metric):
    return metric["label"] + {"us": ", ms", "": ""}.get(metric["unit"], f", {metric['unit']}")


def along_x(result, name):
    places = [x for x in results.places(result) if x]
    metric, lines = result["metrics"][name], {}
    for peer in result["peers"]:
        points = []
        for x in places:
            values = results.series(result, name, peer, x)
            if values:
                points.append((x[1], scaled(statistics.median(values.values()), metric["unit"])))
        if len(points) > 1:
            lines[peer] = sorted(points)
    if not lines:
        return None
    return line_plot(f"{result['command']}: {machine.words(result['machine'])}", places[0][0], unit_of(metric), lines)


def along_results(same, name):
    """The medians of results of one command, in order of their time."""
    same = sorted(same, key=lambda result: result["time"])
    metric, lines = same[0]["metrics"][name], {}
    for peer in dict.fromkeys(peer for result in same for peer in result["peers"]):
        points = []
        for at, result in enumerate(same):
            values = results.series(result, name, peer)
            if values:
                points.append((at, scaled(statistics.median(values.values()), metric["unit"])))
        if len(points) > 1:
            lines[peer] = points
    if not lines:
        return None
    labels = [(result["machine"].get("commit") or result["time"])[:8] for result in same]
    return line_plot(f"{same[0]['command']}: {machine.words(same[0]['machine'])}", "result", unit_of(metric), lines, labels)
