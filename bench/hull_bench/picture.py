# SPDX-License-Identifier: Apache-2.0
"""One picture, by gnuplot: what is said of it, its axes, and its files."""
import os
import re
import shutil
import subprocess

from . import machine, peers
from .fault import Fault

FORMATS = {"svg": 'svg noenhanced size {w},{h} dynamic font "sans,12" background "white"',
           "png": 'pngcairo noenhanced size {w},{h} font "sans,10" background "white"'}
WIDTH, LARGE_KIB = 1000, 8192
# Told apart by the colour-blind, too.
PEER_COLOURS = ("#0072b2", "#56b4e9", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#7f7f7f", "#3f3f3f")
INK, PALE = "#404040", "#dcdcdc"
AXES = [f"set border 3 lc rgb '{INK}'", "set tics nomirror scale 0.5", f"set grid lc rgb '{PALE}' lt 1 lw 1",
        "set key outside right top Left reverse samplen 1.5 spacing 1.2"]


def need_gnuplot():
    if not shutil.which("gnuplot"):
        raise Fault("gnuplot is not installed: Debian's package is gnuplot-nox (scripts/setup installs it)")


def quoted(text):
    """For gnuplot, which would run what is between backquotes, and ends a command with the line."""
    return '"' + re.sub(r'([\\"`])', r"\\\1", re.sub(r"[\x00-\x1f\x7f]+", " ", str(text))) + '"'


def colour_of(peer):
    """The same in all pictures."""
    known = list(peers.ALL)
    return PEER_COLOURS[known.index(peer) % len(PEER_COLOURS)] if peer in known else INK


def head(title, result, xlabel="", ylabel=""):
    """The title, and at the bottom where the figures are from."""
    commit = result["machine"].get("commit")
    words = machine.words(result["machine"]) + f"; {result['time'][:10]}" + (f", commit {commit[:12]}" if commit else "")
    return [f"set title {quoted(title)} font ',14' tc rgb '{INK}'", "set bmargin 6", "set lmargin 18",
            f"set label 1 {quoted(words)} at screen 0.015, character 1 left font ',8' tc rgb '#808080'", *AXES,
            f"set xlabel {quoted(xlabel)} tc rgb '{INK}'", f"set ylabel {quoted(ylabel)} tc rgb '{INK}'"]


def write(folder, name, script, height):
    """Draw a script's picture in each format; return the files."""
    made = []
    for kind, terminal in FORMATS.items():
        path = os.path.join(folder, f"{name}.{kind}")
        begin = f"set terminal {terminal.format(w=WIDTH, h=height)}\nset output {quoted_path(path)}\n"
        done = subprocess.run(["gnuplot"], input=(begin + script).encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if done.returncode or not os.path.exists(path) or not os.path.getsize(path):
            raise Fault(f"{path}: gnuplot failed: {done.stdout.decode(errors='replace').strip().splitlines()[-1:]}")
        made.append(path)
    return made


def scale_of(unit, values):
    """(by what to divide, what it is then) of numbers that are to be read at a glance."""
    if unit == "us":
        return 1000, "ms"
    if unit == "KiB" and max(values) >= LARGE_KIB:
        return 1024, "MiB"
    return 1, unit


def quoted_path(path):
    return "'" + path.replace("'", "''") + "'"
