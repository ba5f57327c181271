# SPDX-License-Identifier: Apache-2.0
"""hull-bench memory: what a monitor takes beyond its guest's RAM, and what each further VM costs the host."""
import contextlib
import os
import time

from . import arguments, process, results, smaps
from .limits import Limit
from .session import note

NAME = "memory"
SUMMARY = "Memory of a monitor beyond guest RAM, and of each further VM"
HELP = """Starts guests that wait once they have booted, and containers that sleep, and looks at their processes. One
alone: memory beyond the guest's RAM. Several alike at once: by how much the host's available memory fell, the
proportional memory of all their processes, guest RAM included, and what is private to them beyond it, each divided by
their number; and what each further one costs, from the first to the last."""
RUNS, WARMUP = 1, 1
METRICS = {
    "resident_kib": results.metric("resident beyond guest RAM", "KiB"),
    "private_kib": results.metric("of it private", "KiB"),
    "written_kib": results.metric("of that written to, the rest being files that VMs share", "KiB"),
    "proportional_kib": results.metric("proportional beyond guest RAM", "KiB"),
    "available_kib": results.metric("available memory of the host that went, each", "KiB"),
    "pss_kib": results.metric("proportional memory with guest RAM, each", "KiB"),
    "private_each_kib": results.metric("private beyond guest RAM, each", "KiB"),
    "further_available_kib": results.metric("available memory that went, each further", "KiB"),
    "further_pss_kib": results.metric("proportional memory, each further", "KiB"),
}
LIMITS = [Limit("resident_kib", "hull-vmm", 2048), Limit("private_kib", "hull-vmm", 1536),
          Limit("private_each_kib", "hull-vmm", 1024, x=["VMs", 2], if_asked=True),
          Limit("further_available_kib", "hull", 14336, if_asked=True)]
PEERS = ["hull", "hull-vmm", "qemu", "crun"]
# Until the guest has done what it still does after its mark, and the host has given back what the start took.
SETTLE_S, SETTLED_KIB = 1.0, 128


def add_arguments(parser):
    parser.add_argument("--count", default="1,2,4,8", metavar="N,N...", type=counts,
                        help="how many alike at once, or 0 for none (default: 1,2,4,8)")
    parser.add_argument("--settle", type=arguments.natural, default=20, metavar="SECONDS",
                        help="wait at most so long, before, for the host's memory to stay what it is (default: 20)")


def counts(text):
    return sorted({arguments.natural(word) for word in text.split(",")} - {0})


def measure(session):
    session.interleave(lambda peer, at: {"values": alone(session, peer)})
    for at in range(session.args.runs):
        for name in list(session.peers):
            several(session, name, at)


def settled_kib(seconds):
    """Available memory, once it stays what it is: what has ended before gives back its memory late."""
    end, last = time.monotonic() + seconds, None
    while True:
        now = smaps.available_kib()
        if last is not None and abs(now - last) <= SETTLED_KIB or time.monotonic() > end:
            return now
        last = now
        time.sleep(SETTLE_S)


def held(session, peer, number):
    """Number alike need a folder each."""
    folder = os.path.join(peer.work, str(number))
    os.makedirs(folder, exist_ok=True)
    one = type(peer)(session.guest, folder)
    return one, process.Held(one.command("hold"), folder, mark=one.mark, timeout=session.args.timeout, env=one.env(),
                             cpus=session.args.pin)


def alone(session, peer):
    one, running = held(session, peer, 0)
    try:
        with running:
            time.sleep(SETTLE_S)
            return smaps.beyond_guest(running.pids(), one.is_guest_memory)
    finally:
        one.clean()


def several(session, name, at):
    """One after the other is started, and at each count looked at."""
    peer, seen = session.peers[name], {}
    with contextlib.ExitStack() as stack:
        before, runs = settled_kib(session.args.settle), []
        for number in range(1, max(session.args.count, default=0) + 1):
            one, running = held(session, peer, number)
            stack.callback(one.clean)
            try:
                runs.append((stack.enter_context(running), one))
            except process.Failed as failure:
                session.add(name, at, failed=f"number {number}: {failure}", x=["VMs", number])
                return
            if number in session.args.count:
                time.sleep(SETTLE_S)
                pss = smaps.proportional_kib(pid for run, _ in runs for pid in run.pids())
                private = sum(smaps.beyond_guest(run.pids(), each.is_guest_memory)["private_kib"] for run, each in runs)
                seen[number] = (before - smaps.available_kib(), pss)
                note(f"{name}: {number} at once: {seen[number][0] // number} KiB of available memory each")
                session.add(name, at, x=["VMs", number],
                            values={"available_kib": seen[number][0] / number, "pss_kib": pss / number,
                                    "private_each_kib": private / number})
    if len(seen) > 1:
        first, last = min(seen), max(seen)
        further = [(seen[last][which] - seen[first][which]) / (last - first) for which in (0, 1)]
        session.add(name, at, values={"further_available_kib": further[0], "further_pss_kib": further[1]})
