# SPDX-License-Identifier: Apache-2.0
"""hull-bench gate: compares instruction counts with those kept in the source tree."""
import os

from . import arguments, cmd_api, cmd_boot, cmd_exec, document, emulated, figures, machine, place, results, table
from .fault import EXIT_MISSED, Fault

NAME = "gate"
SUMMARY = "Compare instruction counts with those kept in bench/figures.json"
HELP = """Measures in scripts/kvm-host --icount what hull's own programs do, phase by phase, and compares them with
the figures kept. What is more than 5 % worse fails, and the phase that grew is named: a phase of its own fails where it
grew by more than 1 % of the whole, too."""
# Modules with gate() and GATE_PEERS, see bench/README.md.
MODULES = (cmd_boot, cmd_exec, cmd_api)
# Of a module that doesn't say.
RUNS, WARMUP = 3, 2


def add_arguments(parser):
    parser.add_argument("--update", action="store_true", help="write the figures instead of comparing with them")
    parser.add_argument("--figures", metavar="FILE", help="instead of bench/figures.json")
    parser.add_argument("--runs", type=arguments.positive, metavar="N",
                        help=f"of each command (default: as many as each needs, {RUNS} boots)")
    parser.add_argument("--result", metavar="FILE", action="append",
                        help="a result made with --icount, instead of a measurement (repeatable)")


def run(args):
    path = args.figures or os.path.join(place.need_source("the gate without --figures"), "bench", "figures.json")
    kept = None if args.update else figures.read(path)
    found, described = {}, None
    for module, result in measured(args):
        failed = results.failures(result)
        if failed:
            raise Fault(f"{module.NAME}: {len(failed)} runs failed, the first: {failed[0]['failed']}")
        if result["machine"]["mode"] != machine.ICOUNT:
            raise Fault(f"{module.NAME}: this result doesn't count instructions (--icount)")
        described = result["machine"]
        found.update(module.gate(result))
    if args.update:
        document.write(path, figures.new(described, found))
        print(f"{path} is written")
        return 0
    if kept["fingerprint"] != described["fingerprint"]:
        raise Fault(f"{path} is not of this machine: {kept['machine']}; {machine.words(described)}")
    lines, good = figures.compare(kept["figures"], found)
    print("\n".join(lines))
    return 0 if good else EXIT_MISSED


def measured(args):
    """Yield (module, its result)."""
    if args.result:
        known = {module.NAME: module for module in MODULES}
        named = [(path, results.read(path)) for path in args.result]
        machine.same([(path, result["machine"]) for path, result in named])
        for path, result in named:
            if result["command"] not in known:
                raise Fault(f"{path}: the gate has no figures of {result['command']}")
            yield known[result["command"]], result
        return
    for module in MODULES:
        runs = args.runs or getattr(module, "GATE_RUNS", RUNS)
        result = emulated.rerun([module.NAME, "--peers", module.GATE_PEERS, "--runs", str(runs), "--warmup",
                                 str(getattr(module, "GATE_WARMUP", WARMUP)), *getattr(module, "GATE_OPTIONS", ())],
                                icount=True, modules=getattr(module, "MODULES", ""), seconds=600)
        for line in table.phase_lines(result):
            print(line)
        yield module, result
