# SPDX-License-Identifier: Apache-2.0
"""The figures that the gate compares with, bench/figures.json.

  schema, version   "hull-bench-figures", 1
  fingerprint       of the machine that they are of, see machine.py
  machine           the same in words
  figures           {"boot hull-vmm": {phase: instructions in millions, "total": ...}}

A figure is the CPU time of a phase of the counting machine, whose microseconds are thousands of instructions.
"""

from . import document, machine, schema, table
from .fault import Fault

SCHEMA, VERSION = "hull-bench-figures", 1
TOTAL = "total"
FILE = {"fingerprint": str, "machine": str, "figures": schema.Each(schema.Each(schema.number))}
# More than 5 % worse fails; of a phase only what matters for the whole: small ones vary by more.
LIMIT, SHARE = 0.05, 0.01


def phases_of(result, peer):
    """{phase: millions of instructions} of the medians, without those whose CPU time nobody told."""
    found, before = {}, 0
    for name, _, cpu_us in table.phase_medians(result, peer):
        if cpu_us is not None:
            found[name] = round((cpu_us - before) / 1000, 3)
            before = cpu_us
    return {TOTAL: round(before / 1000, 3), **found} if found else {}


def new(described, figures):
    return {"schema": SCHEMA, "version": VERSION, "fingerprint": described["fingerprint"],
            "machine": machine.words(described), "figures": figures}


def read(path):
    made = document.read(path, " (hull-bench gate --update makes it)")
    if not isinstance(made, dict) or made.get("schema") != SCHEMA or made.get("version") != VERSION or \
            schema.wrong(made, FILE) is not None:
        raise Fault(f"{path}: not figures of version {VERSION} of hull-bench")
    for name, phases in made["figures"].items():
        if phases.get(TOTAL, 0) <= 0:
            raise Fault(f"{path}: {name} has no {TOTAL}")
    return made


def grown(kept, measured):
    """Compare two sets of phases. Return [(phase, before, now)] of what grew beyond the limit, the total first, then
    phases by how much they grew; a phase that is new counts as grown."""
    whole, found = kept[TOTAL], []
    for name, now in measured.items():
        before = kept.get(name, 0)
        beyond = now > before * (1 + LIMIT)
        if beyond and (name == TOTAL or now - before > whole * SHARE):
            found.append((name, before, now))
    return sorted(found, key=lambda one: (one[0] != TOTAL, one[1] - one[2]))


def largest(kept, measured):
    """The phase that grew most, to name one where only the total is beyond its limit."""
    return max((name for name in measured if name != TOTAL), key=lambda name: measured[name] - kept.get(name, 0),
               default=None)


def compare(kept, measured):
    """Return (lines, whether all is well) of all figures, {name: {phase: millions}} both."""
    lines, good = [], True
    for name, phases in kept.items():
        if not measured.get(name):
            lines.append(f"{name}: not measured: FAILED")
            good = False
            continue
        now = measured[name]
        change = f"{phases[TOTAL]:.2f} -> {now[TOTAL]:.2f} M instructions ({percent(phases[TOTAL], now[TOTAL])})"
        worse = grown(phases, now)
        lines.append(f"{name}: {change}: {'FAILED' if worse else 'ok'}")
        if worse == [(TOTAL, phases[TOTAL], now[TOTAL])]:
            at = largest(phases, now)
            worse = [(at, phases.get(at, 0), now[at])] if at else []
        for phase, before, after in worse:
            if phase != TOTAL:
                lines.append(f"{name}: {phase} grew: {before:.2f} -> {after:.2f} M ({percent(before, after)})")
        good &= not grown(phases, now)
    for name in measured:
        if name not in kept:
            lines.append(f"{name}: has no figure (hull-bench gate --update makes it)")
    return lines, good


def percent(before, now):
    return f"{(now / before - 1) * 100:+.1f} %" if before else "new"
