# SPDX-License-Identifier: Apache-2.0
"""hull-bench within scripts/kvm-host, where there is a machine that counts instructions, or KVM at all."""
import json
import os
import subprocess
import tempfile

from . import machine, place, process, results
from .fault import Fault

HOST_FAILED, ATTEMPTS = 125, 3


def rerun(arguments, *, icount, modules="", seconds=900, more_env=None):
    """Run hull-bench with the arguments in there and return its result, or raise Fault.

    What is written in there is gone afterwards, but in the folder that both see."""
    top = place.need_source("--icount or --emulated")
    bench = os.path.join(top, "build", "bench")
    os.makedirs(bench, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=bench) as shared:
        out = os.path.join(shared, "result.json")
        # Told to end by the kernel where this is killed.
        command = ["setpriv", "--pdeathsig", "TERM", os.path.join(top, "scripts", "kvm-host"), "--icount" if icount else "--emulate", "--share", shared,
                   "--timeout", str(seconds)]
        if modules:
            command += ["--modules", modules]
        command += [place.program(), *arguments, "--json", out]
        env = dict(os.environ, **{machine.MODE_VARIABLE: machine.ICOUNT if icount else machine.EMULATED,
                                  machine.OUTSIDE_VARIABLE: json.dumps(machine.outside()),
                                  "HULL_BENCH_STAGE": place.prefix(), **(more_env or {})})
        # Where the emulated machine itself fails, which says nothing of what was measured, it begins anew.
        for _ in range(ATTEMPTS):
            code = process.exit_code(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=top, env=env)
            if code != HOST_FAILED:
                break
        if not os.path.exists(out) or not os.path.getsize(out):
            raise Fault(f"hull-bench in the emulated host gave no result: exit code {code}")
        return results.read(out)
