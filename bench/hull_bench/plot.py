# SPDX-License-Identifier: Apache-2.0
"""Pictures of results: which there are to be drawn, and those of lines."""
import os
import re
import statistics

from . import bars, picture, results
from .fault import Fault
from .picture import colour_of, head, quoted, scale_of


def draw(drawn, folder):
    """Draw all that there is to draw of these results; return the files."""
    picture.need_gnuplot()
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise Fault(f"{folder}: {error.strerror}") from error
    made = []
    for number, result in enumerate(drawn):
        suffix = f"-{number + 1}" if sum(other["command"] == result["command"] for other in drawn) > 1 else ""
        for name, found in of_one(result):
            made += picture.write(folder, f"{result['command']}-{name}{suffix}", *found)
    for command in dict.fromkeys(result["command"] for result in drawn):
        same = [result for result in drawn if result["command"] == command]
        if len(same) > 1:
            for name in same[0]["metrics"]:
                lines = along_results(same, name)
                if lines:
                    made += picture.write(folder, f"{command}-{name}-over-results", *lines)
    if not made:
        raise Fault("nothing in these results can be drawn: all their runs failed")
    return made


def of_one(result):
    """Yield (name, (script, height)) of one result."""
    phases = bars.timeline(result)
    if phases:
        yield "timeline", phases
    else:
        for unit, better in bars.kinds(result):
            found = bars.medians(result, unit, better)
            if found:
                yield re.sub(r"\W+", "-", unit) or "numbers", found
    for name in result["metrics"]:
        found = along_x(result, name)
        if found:
            yield name, found


def line_plot(result, metric, xlabel, lines, labels):
    """lines: {peer: [(x, y)]}; labels: {x: text}."""
    scale, unit = scale_of(metric["unit"], [y for points in lines.values() for _, y in points])
    script = head(f"{result['command']}: {metric['label']}", result, xlabel, unit or "number")
    script += ["set lmargin 12", "set yrange [0:*]", "set offsets graph 0.05, graph 0.05, graph 0.1, 0",
               "set xtics (" + ", ".join(f"{quoted(label)} {at}" for at, label in labels.items()) + ")"]
    plots = []
    for number, (peer, points) in enumerate(lines.items()):
        script += [f"$line{number} << EOD", *(f"{x} {y / scale}" for x, y in points), "EOD"]
        plots.append(f"$line{number} with linespoints lw 2.5 pt 7 ps 1.1 lc rgb '{colour_of(peer)}' title {quoted(peer)}")
    return bars.script(script, plots), 500


def along_x(result, name):
    """The medians of a series, a line for each peer."""
    places = [x for x in results.places(result) if x]
    metric, lines = result["metrics"][name], {}
    for peer in result["peers"]:
        points = []
        for x in places:
            values = results.series(result, name, peer, x)
            if values:
                points.append((x[1], statistics.median(values.values())))
        if len(points) > 1:
            lines[peer] = sorted(points)
    if not lines:
        return None
    labels = {x: f"{x:g}" for points in lines.values() for x, _ in points}
    return line_plot(result, metric, places[0][0], lines, labels)


def along_results(same, name):
    """The medians of results of one command, in order of their time."""
    same = sorted(same, key=lambda result: result["time"])
    metric, lines = same[0]["metrics"][name], {}
    for peer in dict.fromkeys(peer for result in same for peer in result["peers"]):
        points = []
        for at, result in enumerate(same):
            values = results.series(result, name, peer)
            if values:
                points.append((at, statistics.median(values.values())))
        if len(points) > 1:
            lines[peer] = points
    if not lines:
        return None
    labels = {at: (result["machine"].get("commit") or result["time"])[:8] for at, result in enumerate(same)}
    return line_plot(same[0], metric, "result", lines, labels)
