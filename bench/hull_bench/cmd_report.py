# SPDX-License-Identifier: Apache-2.0
"""hull-bench report: tables and pictures of results."""
from . import limits, machine, plot, results, table

NAME = "report"
SUMMARY = "Tables and pictures of results that --json wrote"
HELP = """Prints the table of each result. With --plots it draws, as SVG and PNG through gnuplot: a bar of phases for each
monitor of a boot, the medians of what has no phases side by side, a line for each peer over what a series of runs differs in, and,
given several results of one command, a line for each peer over the results. Results of different machines are refused."""


def add_arguments(parser):
    parser.add_argument("files", nargs="+", metavar="FILE", help="a result")
    parser.add_argument("--plots", metavar="DIR", help="draw pictures there")


def run(args):
    from .main import COMMANDS
    named = [(path, results.read(path)) for path in args.files]
    machine.same([(path, result["machine"]) for path, result in named])
    for at, (path, result) in enumerate(named):
        print(f"{chr(10) * bool(at)}{path}:")
        print(table.text(result))
        for line in limits.check(getattr(COMMANDS.get(result["command"]), "LIMITS", ()), result)[0]:
            print(line)
    if args.plots:
        for path in plot.draw([result for _, result in named], args.plots):
            print(path)
    return 0
