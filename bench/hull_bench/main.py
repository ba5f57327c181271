# SPDX-License-Identifier: Apache-2.0
"""The command line. A command is a module cmd_NAME, see bench/README.md."""
import argparse
import sys

from . import arguments, cmd_api, cmd_block, cmd_boot, cmd_density, cmd_exec, cmd_gate, cmd_memory, cmd_net, cmd_peers, \
    cmd_report, cmd_vsock, document, emulated, limits, results, signals, table
from .fault import EXIT_FAULT, EXIT_MISSED, Fault
from .session import Session

COMMANDS = {module.NAME: module for module in (cmd_boot, cmd_memory, cmd_density, cmd_exec, cmd_api, cmd_block, cmd_net, cmd_vsock,
                                           cmd_report, cmd_gate, cmd_peers)}


def common_options(parser, module):
    """Of all commands that measure."""
    parser.add_argument("--runs", type=arguments.positive, default=getattr(module, "RUNS", 20), metavar="N",
                        help="runs of each peer (default: %(default)s)")
    parser.add_argument("--warmup", type=arguments.natural, default=getattr(module, "WARMUP", 2), metavar="N",
                        help="runs before them, whose figures are dropped (default: %(default)s)")
    parser.add_argument("--peers", metavar="A,B...", help="only these; see hull-bench peers")
    parser.add_argument("--pin", metavar="CPUS", type=arguments.cpus, help="run them on these CPUs only, as taskset -c takes them")
    parser.add_argument("--timeout", type=arguments.positive, default=getattr(module, "TIMEOUT", 60), metavar="SECONDS",
                        help="end a run then, and count it as failed (default: %(default)s)")
    parser.add_argument("--memory", type=arguments.positive, default=getattr(module, "MEMORY", 128), metavar="MIB",
                        help="of each guest (default: %(default)s)")
    parser.add_argument("--cpus", type=arguments.positive, default=1, metavar="N", help="of each guest (default: 1)")
    parser.add_argument("--kernel", metavar="FILE", help="that all guests boot, an ELF (default: hull's)")
    parser.add_argument("--bzimage", metavar="FILE", help="the same kernel for monitors that boot no ELF")
    parser.add_argument("--json", metavar="FILE", help="write the result there, too")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--emulated", action="store_true", help="run in scripts/kvm-host's emulated machine")
    where.add_argument("--icount", action="store_true",
                       help="the same, counting instructions: CPU times are steady, wall times mean nothing")


def parser():
    top = argparse.ArgumentParser(prog="hull-bench", allow_abbrev=False, description="Measures hull beside its peers.",
                                  epilog="hull-bench COMMAND --help tells more. Exit code: 0; 1 where a limit or a "
                                         "figure is missed or a run failed; 2 where it can't measure.")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        one = commands.add_parser(name, help=module.SUMMARY, description=module.HELP, allow_abbrev=False)
        if hasattr(module, "measure"):
            common_options(one, module)
        if hasattr(module, "add_arguments"):
            module.add_arguments(one)
    return top


def measure(module, args, words):
    """Return the result: measured here, or in the emulated host."""
    if args.json:
        results.writable(args.json)
    if args.emulated or args.icount:
        inner = [word for word in words if word not in ("--emulated", "--icount")]
        inner = without_option(inner, "--json")
        result = emulated.rerun(inner, icount=args.icount, modules=getattr(module, "MODULES", ""),
                                more_env=module.outside(args) if hasattr(module, "outside") else None)
        result["arguments"] = words
        return result
    with Session(module.NAME, args, module.METRICS, words,
                 workloads=getattr(module, "WORKLOADS", ("guest", "container")),
                 default=getattr(module, "PEERS", None), prepare=getattr(module, "prepare", None)) as session:
        module.measure(session)
        return session.result


def without_option(words, name):
    """The words without an option and its value, in either form."""
    kept, skip = [], False
    for word in words:
        if not skip and word != name and not word.startswith(name + "="):
            kept.append(word)
        skip = word == name
    return kept


def run(words):
    args = parser().parse_args(words)
    module = COMMANDS[args.command]
    if not hasattr(module, "measure"):
        return module.run(args)
    result = measure(module, args, words)
    if args.json:
        document.write(args.json, result)
    print(table.text(result))
    lines, good = limits.check(getattr(module, "LIMITS", ()), result)
    for line in lines:
        print(line)
    return 0 if good and not results.failures(result) else EXIT_MISSED


def main(words=None):
    signals.watch()
    try:
        return run(sys.argv[1:] if words is None else words)
    except Fault as fault:
        print(f"hull-bench: {fault}", file=sys.stderr)
        return EXIT_FAULT
    except signals.Ended as ended:
        return 128 + ended.number
    except BrokenPipeError:
        return EXIT_FAULT
