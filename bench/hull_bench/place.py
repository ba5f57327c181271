# SPDX-License-Identifier: Apache-2.0
"""Where things are: the installed tree, and the source tree where hull-bench runs from one."""
import os

from .fault import Fault

MODULES = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))


def source():
    """The source tree's top, or None for an installed hull-bench that isn't in one's build/stage."""
    for folder in (os.path.dirname(MODULES), os.path.join(MODULES, "..", "..", "..", "..", "..")):
        if os.path.exists(os.path.join(folder, "scripts", "kvm-host")):
            return os.path.realpath(folder)
    return None


def need_source(why):
    top = source()
    if not top:
        raise Fault(f"{why} needs hull's source tree: run its bench/hull-bench")
    return top


def prefix():
    """The tree that holds bin/hull: HULL_BENCH_STAGE, build/stage of the source tree, or what this is installed in."""
    told = os.environ.get("HULL_BENCH_STAGE")
    if told:
        return told
    if os.path.exists(os.path.join(MODULES, "run.c")):
        return os.path.join(os.path.dirname(MODULES), "build", "stage")
    return os.path.realpath(os.path.join(MODULES, "..", "..", ".."))


def installed(*parts):
    """A file of the installed tree, which must be there."""
    path = os.path.join(prefix(), *parts)
    if not os.path.exists(path):
        raise Fault(f"{path} is missing: run scripts/build")
    return path


def helper(name):
    """A small program of hull-bench's own: 'hull-bench-run', 'bench-init', ..."""
    return installed("lib", "hull", "bench", name)


def program():
    """The file to start hull-bench by."""
    beside = os.path.join(MODULES, "hull-bench")
    return beside if os.path.exists(beside) else os.path.join(prefix(), "bin", "hull-bench")
