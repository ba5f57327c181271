# SPDX-License-Identifier: Apache-2.0
"""A guest that does jobs: a shell script in the image of tools, which says on its console what came of each."""
import contextlib
import os
import re

from . import calls, guest, process
from .devices import Disk
from .fault import Fault
from .session import note

END = "jobs: done"
# Of metrics that are a job's system calls.
CALLS = "-calls"
# Each job prints a figure, or a fault that ends hull-bench. To read a program once is no part of a job.
JOB = """job() { name=$1; shift
echo "job $name begins"
echo "job $name $("$@")"
}
need() { "$1" --version >/dev/null 2>&1 || { echo "fault: the image has no $1 that runs"; exit; }; }
"""


def prepare(session, names, script):
    """Before the peers are asked for their command lines. names: of the jobs, which are metrics; the guest's other disks
    begin at /dev/vdc."""
    metrics = session.result["metrics"]
    session.result["metrics"] = {name: metrics[name] for name in metrics if name.removesuffix(CALLS) in names}
    path = os.path.join(session.work, "script")
    text = ("exec >/dev/console 2>&1\n" + JOB + script + f"\necho '{END}'\nexit\n").encode()
    with open(path, "wb") as file:
        file.write(text + b"\n" * (-len(text) % 512))
    session.guest.init = "bench-shell-init"
    session.guest.devices += [Disk(guest.tools(), readonly=True), Disk(path, readonly=True)]


def figures(text, names):
    """{job: figure} of what a guest printed; raise Failed where one is missing, Fault where the guest says so."""
    text = text.replace("\r", "")
    fault = re.search(r"^fault: (.*)$", text, re.M)
    if fault:
        raise Fault(fault.group(1))
    found = {name: float(value) for name, value in re.findall(r"^job (\S+) (\d+(?:\.\d+)?)$", text, re.M)}
    for name in names:
        if name not in found:
            lines = map(str.strip, text.partition(END)[0].splitlines())
            said = [line for line in lines if line and not line.startswith("job ")]
            raise process.Failed(f"no figure of {name}" + (f": {said[-1][:200]}" if said else ""))
        if not found[name]:
            raise process.Failed(f"{name}: nothing was done in its time")
    return {name: found[name] for name in names}


def run(session, peer, names):
    """A boot, to its end: {job: figure}."""
    out = peer.path("console")
    peer.prepare()
    try:
        process.run(peer.command(), peer.work, timeout=session.args.timeout, pass_fds=peer.pass_fds(), env=peer.env(),
                    cpus=session.args.pin, output=out)
    finally:
        peer.clean()
    with open(out, encoding="utf-8", errors="replace") as file:
        return figures(file.read(), names)


def count_calls(session, peer, names, units):
    """In a boot of its own, as counting costs: {job: system calls for each unit}. units(job, figure) of them."""
    place, found = calls.folder(), {}
    try:
        with process.Held(peer.command(), peer.work, mark=f"job {names[0]} begins", timeout=session.args.timeout,
                          env=peer.env(), cpus=session.args.pin) as held:
            for name in names:
                if name != names[0]:
                    held.await_text(f"job {name} begins")
                with calls.Calls(place, held.process.pid) as counted:
                    said = held.await_match(rf"job {re.escape(name)} (\d[\d.]*)\r?\n")
                per = units(name, float(said.group(1)))
                found[name] = counted.sum() / per if per else None
                note(f"{peer.name}, {name}: system calls {counted.words(per) if per else 'of nothing'}")
    finally:
        peer.clean()
    return found


def measure_calls(session, names, units, around=contextlib.nullcontext):
    """With --calls, of hull-vmm."""
    peer = session.peers.get("hull-vmm")
    if not session.args.calls or not peer:
        return
    try:
        with around():
            found = count_calls(session, peer, names, units)
    except process.Failed as failure:
        session.add(peer.name, 0, failed=f"with --calls: {failure}")
        return
    session.add(peer.name, 0, values={name + CALLS: count for name, count in found.items()})
