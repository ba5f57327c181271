# SPDX-License-Identifier: Apache-2.0
"""hull-bench density: how many idle containers fit in a given memory, and how fast they are started."""
import concurrent.futures
import contextlib
import os
import re
import time

from . import arguments, machine, process, results, smaps
from .cmd_memory import SETTLE_S, held, settled_kib
from .session import note

NAME = "density"
SUMMARY = "How many idle containers fit in a given memory, and how many are started in a second"
HELP = """Starts containers that print a line and end, some at once, the peers in turn: how many a second, from the first's
exec to the last one's line; how many a second and a CPU; and the CPU time of each to its end. Then idle ones are started,
one after the other, until as many run as --max says or until they have taken the memory that --budget says: how many ran
in it, and how many would fit, by what each further one took of the host's available memory."""
RUNS, WARMUP = 3, 1
METRICS = {
    "rate": results.metric("started a second", "", "more"),
    "rate_cpu": results.metric("started a second and a CPU", "", "more"),
    "cpu_us": results.metric("CPU time of each", "us"),
    "rate_cpu_time": results.metric("started in a second of CPU time", "", "more"),
    "used_kib": results.metric("available memory of the host that went", "KiB"),
    "further_kib": results.metric("of it for each further", "KiB"),
    "started": results.metric("ran in the memory given", "", "more"),
    "fit": results.metric("would fit in it", "", "more"),
}
PEERS = ["hull", "crun"]
# What is measured by the clock, which means nothing where it leaps.
WALL = ("rate", "rate_cpu")
# Of the host's memory: it isn't run down further, whatever is asked for.
RESERVE = 0.1
AT_ONCE_LIMIT, MAX_LIMIT = 1024, 10000


def number(text, least, most):
    value = int(text)
    if not least <= value <= most:
        raise ValueError(text)
    return value


def counts(text):
    return sorted({number(word, 1, AT_ONCE_LIMIT) for word in text.split(",")})


def maximum(text):
    return number(text, 0, MAX_LIMIT)


def budget(text):
    return number(text, 1, 1 << 30)


def add_arguments(parser):
    parser.add_argument("--at-once", default="1,2,4", metavar="N,N...", type=counts,
                        help="how many are started at once (default: 1,2,4)")
    parser.add_argument("--max", default=8, metavar="N", type=maximum,
                        help="idle ones at most, or 0 for none (default: %(default)s)")
    parser.add_argument("--budget", default=1024, metavar="MIB", type=budget,
                        help="the memory that they may take of the host (default: %(default)s)")
    parser.add_argument("--settle", type=arguments.natural, default=20, metavar="SECONDS",
                        help="wait at most so long, before, for the host's memory to stay what it is (default: 20)")


def measure(session):
    for count in session.args.at_once:
        for at in range(-session.args.warmup, session.args.runs):
            for name, peer in session.peers.items():
                session.add(name, at, x=["at once", count], **batch(session, peer, count))
    if session.args.max:
        for name in list(session.peers):
            fill(session, name)


def cpus(session):
    return len(process.cpu_list(session.args.pin)) if session.args.pin else len(os.sched_getaffinity(0))


def one_of_several(session, peer, number_):
    """Run it to its end; they need a folder each."""
    folder = os.path.join(peer.work, f"start-{number_}")
    os.makedirs(folder, exist_ok=True)
    one = type(peer)(session.guest, folder)
    one.prepare()
    try:
        return process.run(one.command("mark"), folder, mark=one.mark, timeout=session.args.timeout, env=one.env(),
                           pass_fds=one.pass_fds(), cpus=session.args.pin)
    finally:
        one.clean()


def batch(session, peer, count):
    """What add() takes of so many at once. One that fails fails them all: there is no rate without it."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        try:
            futures = [pool.submit(one_of_several, session, peer, at) for at in range(count)]
            concurrent.futures.wait(futures)
        except BaseException:
            process.interrupt_all()
            raise
    found = []
    for future in futures:
        try:
            found.append(future.result())
        except process.Failed as failure:
            return {"failed": f"{count} at once: {failure}"}
    first = min(one["start_ns"] for one in found)
    last = max(one["start_ns"] + one["mark_us"] * 1000 for one in found)
    used = sum(one["user_us"] + one["system_us"] for one in found) / count
    rate = count / ((last - first) / 1e9)
    values = {"rate": rate, "rate_cpu": rate / cpus(session), "cpu_us": used}
    if used:
        values["rate_cpu_time"] = 1e6 / used
    if session.result["machine"]["mode"] == machine.ICOUNT:
        values = {name: value for name, value in values.items() if name not in WALL}
    return {"values": values}


def total_kib():
    return int(re.search(r"^MemTotal:\s+(\d+)", machine.text_of("/proc/meminfo"), re.M).group(1))


def looked_at(count, most):
    """Whether memory is looked at then: it takes a while to settle."""
    return count == most or count & (count - 1) == 0


def fill(session, name):
    """Once: more runs would tell little more."""
    peer, most, given = session.peers[name], session.args.max, session.args.budget * 1024
    seen, started = {}, 0
    with contextlib.ExitStack() as stack:
        before, reserve = settled_kib(session.args.settle), total_kib() * RESERVE
        for count in range(1, most + 1):
            if smaps.available_kib() - session.args.memory * 1024 < reserve:
                note(f"{name}: no more than {count - 1}: the host's memory would run short")
                break
            one, running = held(session, peer, count)
            stack.callback(one.clean)
            try:
                stack.enter_context(running)
            except process.Failed as failure:
                session.add(name, 0, failed=f"number {count}: {failure}", x=["idle", count])
                break
            if looked_at(count, most):
                time.sleep(SETTLE_S)
                seen[count] = before - smaps.available_kib()
                session.add(name, 0, values={"used_kib": seen[count]}, x=["idle", count])
            if before - smaps.available_kib() > given:
                break
            started = count
    session.add(name, 0, values=fitting(seen, given, started))


def fitting(seen, given, started):
    """seen: {how many: KiB that went}."""
    values = {"started": started}
    if len(seen) < 2:
        return values
    first, last = min(seen), max(seen)
    further = (seen[last] - seen[first]) / (last - first)
    values["further_kib"] = further
    if seen[first] > given:
        values["fit"] = 0
    elif further > 0:
        values["fit"] = first + int((given - seen[first]) / further)
    return values
