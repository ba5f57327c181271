# SPDX-License-Identifier: Apache-2.0
"""Programs that prepare a measurement: what one says when it fails ends hull-bench."""
import subprocess

from . import machine
from .fault import Fault


def must(*command, seconds=120, hint="", env=None):
    """Run it to its end and return what it printed, or raise Fault.

    Where the clock leaps, the time of scripts/kvm-host is its bound."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=None if machine.mode() == machine.ICOUNT else seconds, check=False, env=env)
    except OSError as error:
        raise Fault(f"{command[0]}: {error.strerror}{hint}") from error
    except subprocess.TimeoutExpired as error:
        raise Fault(f"{command[0]} did not end within {seconds} s{hint}") from error
    if done.returncode:
        words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise Fault(f"{' '.join(command[:2])}: {words[-1] if words else f'exit code {done.returncode}'}{hint}")
    return done.stdout.decode(errors="replace")
