# SPDX-License-Identifier: Apache-2.0
"""Results as tables for people."""
import statistics

from . import machine, results, stats


def rows(lines):
    """Columns aligned: the first to the left."""
    widths = [max(len(line[at]) for line in lines if at < len(line)) for at in range(max(map(len, lines)))]
    return ["  ".join(word.ljust(width) if not at else word.rjust(width)
                      for at, (word, width) in enumerate(zip(line, widths))).rstrip() for line in lines]


def shown(value, unit):
    """A number as it is read best, and its unit."""
    if unit == "us":
        return f"{value / 1000:.2f} ms" if value >= 1000 else f"{value:.1f} us"
    if not unit and value >= 1e6:
        return f"{value / 1e6:.1f} M"
    return (f"{value:.0f}" if value >= 100 else f"{value:.2f}") + (f" {unit}" if unit else "")


def first_of(result, peer):
    """Whom a peer is compared to: the first of its workload."""
    workload = result["peers"][peer]["workload"]
    return next(name for name, other in result["peers"].items() if other["workload"] == workload)


def heading(result):
    commit = result["machine"].get("commit")
    yield f"{result['command']}, {result['time']}" + (f", commit {commit[:12]}{'+' * commit.endswith('+')}" if commit else "")
    yield machine.words(result["machine"])
    for name, why in result["skipped"].items():
        yield f"skipped: {name}: {why}"


def metric_lines(result, x):
    for name, metric in result["metrics"].items():
        lines = [[metric["label"] + (f", {x[0]} {x[1]}" if x else ""), "median", "p95", "p99", "runs", "ratio"]]
        for peer in result["peers"]:
            values = results.series(result, name, peer, x)
            if not values:
                continue
            found, base = stats.summary(list(values.values())), first_of(result, peer)
            ratio = stats.ratio(results.series(result, name, base, x), values) if base != peer else None
            lines.append(["  " + peer, *(shown(found[key], metric["unit"]) for key in ("median", "p95", "p99")),
                          str(found["count"]), f"{base}/{peer} {ratio:.3f}" if ratio is not None else ""])
        if len(lines) > 1:
            yield from rows(lines)


def phase_medians(result, peer):
    """[(phase, at us, cpu us or None)] in order of their median time, of the runs that went well."""
    found = {}
    for one in result["runs"]:
        if one["peer"] == peer and not one["failed"]:
            for phase in one["phases"]:
                found.setdefault(phase["phase"], []).append(phase)
    middle = []
    for name, phases in found.items():
        cpu = [phase["cpu_us"] for phase in phases if phase["cpu_us"] is not None]
        middle.append((name, statistics.median(phase["at_us"] for phase in phases),
                       statistics.median(cpu) if cpu else None))
    return sorted(middle, key=lambda phase: phase[1])


def phase_lines(result):
    icount = result["machine"]["mode"] == machine.ICOUNT
    for peer in result["peers"]:
        phases = phase_medians(result, peer)
        if len(phases) < 2:
            continue
        lines = [[f"{peer}, medians", "CPU ms", "took"] if icount else [f"{peer}, medians", "at ms", "took", "CPU ms"]]
        before = cpu_before = 0
        for name, at, cpu in phases:
            took_cpu = "" if cpu is None else f"{(cpu - cpu_before) / 1000:.2f}"
            if icount:
                lines.append(["  " + name, "" if cpu is None else f"{cpu / 1000:.2f}", took_cpu])
            else:
                lines.append(["  " + name, f"{at / 1000:.2f}", f"{(at - before) / 1000:.2f}",
                              "" if cpu is None else f"{cpu / 1000:.2f}"])
            before, cpu_before = at, cpu_before if cpu is None else cpu
        yield from rows(lines)


def exit_lines(result):
    for peer, found in result["exits"].items():
        total = sum(count for what, _, count in found if what == "exit")
        if total:
            yield f"{peer}: {total} exits: " + ", ".join(f"{which} {count}" for what, which, count in found if what == "exit")
        for title in "port", "address":
            most = [f"{which} {count}" for what, which, count in found if what == title]
            if most:
                yield f"  by {title}: " + ", ".join(most[:12]) + (" ..." if len(most) > 12 else "")


def failure_lines(result):
    for peer in result["peers"]:
        failed = results.failures(result, peer)
        if failed:
            count = sum(one["peer"] == peer for one in result["runs"])
            yield f"{peer}: {len(failed)} of {count} runs failed, the first with: {failed[0]['failed']}"


def text(result):
    lines = list(heading(result)) + [""]
    for x in results.places(result):
        lines += metric_lines(result, x)
    lines += phase_lines(result)
    lines += exit_lines(result)
    lines += failure_lines(result)
    return "\n".join(lines)
