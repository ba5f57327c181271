# SPDX-License-Identifier: Apache-2.0
"""The machine that figures are from. Those of two machines are not compared."""
import hashlib
import json
import os
import platform
import re
import subprocess

from . import place
from .fault import Fault

NATIVE, EMULATED, ICOUNT = "native", "emulated", "icount"
# Set for the hull-bench that runs within scripts/kvm-host: its mode, and what the machine outside says of itself.
MODE_VARIABLE, OUTSIDE_VARIABLE = "HULL_BENCH_MODE", "HULL_BENCH_OUTSIDE"


def text_of(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def output_of(*command):
    """The first line that a program prints, or ''."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.decode(errors="replace").splitlines()
    return lines[0].strip() if lines and done.returncode == 0 else ""


def mode():
    return os.environ.get(MODE_VARIABLE) or (EMULATED if os.environ.get("HULL_EMULATED") else NATIVE)


def commit():
    """The source tree's, with '+' where it has changes that are not committed."""
    top = place.source()
    if not top:
        return None
    head = output_of("git", "-C", top, "rev-parse", "HEAD")
    return head + ("+" if output_of("git", "-C", top, "status", "--porcelain", "-uno") else "") if head else None


def hardware():
    """What this machine is made of."""
    cpuinfo = text_of("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.*)$", cpuinfo, re.M)
    memory = re.search(r"^MemTotal:\s+(\d+)", text_of("/proc/meminfo"), re.M)
    return {"cpu": model.group(1) if model else platform.machine(), "cpus": os.cpu_count(),
            "memory_mib": int(memory.group(1)) // 1024 if memory else 0, "kernel": platform.release(),
            "virtualization": bool(re.search(r"^flags.*\b(svm|vmx)\b", cpuinfo, re.M))}


def outside():
    """What an emulated machine is told of the one that emulates it."""
    return {"hardware": hardware(), "qemu": output_of("qemu-system-x86_64", "--version"), "commit": commit()}


def describe():
    told = json.loads(os.environ.get(OUTSIDE_VARIABLE) or "null")
    found = {"mode": mode(), **hardware(), "commit": told["commit"] if told else commit()}
    if told:
        found["outside"] = told["hardware"]
        found["emulator"] = told["qemu"]
    found["fingerprint"] = fingerprint(found)
    return found


def fingerprint(machine):
    """Equal where figures may be compared. Instructions don't depend on what emulates them, but for QEMU's version, and
    little on the patch level of the kernels."""
    parts = [machine["mode"], machine["cpu"], machine["cpus"], round(machine["memory_mib"] / 1024)]
    if machine["mode"] == ICOUNT:
        qemu = re.search(r"version (\d+\.\d+)", machine.get("emulator") or "")
        parts += [machine["kernel"].split("-")[0], qemu.group(1) if qemu else ""]
    else:
        parts += [machine["kernel"], machine.get("emulator"), machine.get("outside")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def words(machine):
    """One line for people."""
    where = {NATIVE: "", EMULATED: "emulated: ", ICOUNT: "emulated, counting instructions: "}[machine["mode"]]
    return (f"{where}{machine['cpu']}, {machine['cpus']} CPUs, {machine['memory_mib']} MiB, "
            f"Linux {machine['kernel']} ({machine['fingerprint']})")


def same(named):
    """Check that results, [(file, machine)], are of one machine."""
    for name, machine in named[1:]:
        first, other = named[0]
        if machine["fingerprint"] != other["fingerprint"]:
            raise Fault(f"{first} and {name} are not of the same machine: {words(other)}; {words(machine)}")
