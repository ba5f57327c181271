# SPDX-License-Identifier: Apache-2.0
"""hull-bench api: what a monitor's API costs, from its start to a guest's."""
import os
import statistics
import time

from . import api, arguments, place, process, results
from .limits import Limit
from .machine import ICOUNT, NATIVE, text_of
from .process import Failed

NAME = "api"
SUMMARY = "Latency of the API: its start, requests, connections, and the start of a guest"
HELP = """Starts monitors that serve Firecracker's API, the peers in turn. One is ended once it has answered its first GET
/: what it took more than a static program that does nothing is told, too. The next one answers GET / on one connection,
and on a connection each; by how much its memory and descriptors grew is told. The last one is given a kernel and an
initramfs (PUT /boot-source), memory and CPUs (PUT /machine-config), and starts the guest (InstanceStart), which needs
KVM; of the CPU time of these, that of its first thread is told, without the guest's."""
METRICS = {
    "start_us": results.metric("exec to the first answered GET /", "us"),
    "start_cpu_us": results.metric("CPU time of a monitor that ends then", "us"),
    "more_us": results.metric("exec to the first answered GET /, more than nothing takes", "us"),
    "more_cpu_us": results.metric("CPU time, more than nothing takes", "us"),
    "request_us": results.metric("GET / on a kept connection", "us"),
    "request_p99_us": results.metric("GET / on a kept connection, 99 of 100", "us"),
    "request_cpu_us": results.metric("CPU time of GET / on a kept connection", "us"),
    "connection_us": results.metric("GET / on a connection of its own", "us"),
    "connection_cpu_us": results.metric("CPU time of GET / on a connection of its own", "us"),
    "grown_kib": results.metric("memory grown by requests and connections", "KiB"),
    "grown_fds": results.metric("descriptors grown by them", ""),
    "configure_us": results.metric("PUT /boot-source and /machine-config", "us"),
    "configure_cpu_us": results.metric("CPU time of these two", "us"),
    "instance_start_us": results.metric("InstanceStart", "us"),
    "instance_start_cpu_us": results.metric("CPU time of InstanceStart", "us"),
    "sequence_us": results.metric("exec to InstanceStart's answer", "us"),
}
LIMITS = [
    Limit("more_cpu_us", "hull-vmm", 2000, mode=NATIVE),
    Limit("more_us", "hull-vmm", 4000, mode=NATIVE),
    Limit("grown_kib", "hull-vmm", 64),
    Limit("grown_fds", "hull-vmm", 0),
]
WORKLOADS = ("guest",)
PEERS = ["hull-vmm", "firecracker"]
# What is measured by the clock, which means nothing where it leaps.
WALL = ("start_us", "more_us", "request_us", "request_p99_us", "connection_us", "configure_us", "instance_start_us",
        "sequence_us")
# Before memory is looked at: what is ever touched is then touched.
TOUCH = 10
SETTLE_S = 0.05


def add_arguments(parser):
    parser.add_argument("--requests", type=arguments.positive, default=1000, metavar="N",
                        help="on one connection, and connections, in each run (default: %(default)s)")
    parser.add_argument("--no-vm", action="store_true", help="without the start of a guest, which needs KVM")


def measure(session):
    icount = session.result["machine"]["mode"] == ICOUNT
    for name, peer in list(session.peers.items()):
        if peer.api_command("") is None:
            session.drop(name, "it has no API of this kind")
        else:
            session.result["peers"][name]["command"] = peer.api_command(sock(peer))
    for what in (start, requests) if session.args.no_vm else (start, requests, sequence):
        def once(peer, _, what=what):
            found = what(session, peer)
            if icount:
                found["values"] = {name: value for name, value in found["values"].items() if name not in WALL}
            return found
        session.interleave(once)


def sock(peer):
    return peer.path("api.sock")


def server(session, peer):
    return api.Server(peer.api_command(sock(peer)), sock(peer), peer.work, timeout=session.args.timeout,
                      cpus=session.args.pin)


def nothing(session):
    """(wall us, CPU us) of a program that does nothing."""
    program = place.helper("hull-bench-nothing")
    with process.on(session.args.pin):
        began = time.monotonic_ns()
        usage = os.wait4(os.posix_spawn(program, [program], {}), 0)[2]
    return (time.monotonic_ns() - began) / 1000, (usage.ru_utime + usage.ru_stime) * 1e6


def start(session, peer):
    wall, cpu = nothing(session)
    with server(session, peer) as running:
        with running.first() as client:
            client.request("GET", "/")
            took = (time.monotonic_ns() - running.began_ns) / 1000
        used = running.end()
    return {"values": {"start_us": took, "start_cpu_us": used, "more_us": took - wall, "more_cpu_us": used - cpu}}


def resident_kib(pid):
    return next((int(line.split()[1]) for line in text_of(f"/proc/{pid}/status").splitlines()
                 if line.startswith("VmRSS:")), 0)


def grows(running):
    """What is looked at before and after: (KiB, descriptors)."""
    time.sleep(SETTLE_S)
    return resident_kib(running.pid), len(os.listdir(f"/proc/{running.pid}/fd"))


def on_one_connection(running, count):
    """The us of each."""
    times = []
    with running.client() as client:
        for _ in range(count):
            began = time.monotonic_ns()
            client.request("GET", "/")
            times.append((time.monotonic_ns() - began) / 1000)
    return times


def on_many_connections(running, count):
    times = []
    for _ in range(count):
        began = time.monotonic_ns()
        with running.client() as client:
            client.request("GET", "/")
        times.append((time.monotonic_ns() - began) / 1000)
    return times


def requests(session, peer):
    count, values = session.args.requests, {}
    with server(session, peer) as running:
        running.first().__exit__()
        for work in on_one_connection, on_many_connections:
            work(running, TOUCH)
        before = grows(running)
        for name, work in ("request", on_one_connection), ("connection", on_many_connections):
            used = running.cpu_us()
            times = work(running, count)
            values[f"{name}_us"] = statistics.median(times)
            values[f"{name}_cpu_us"] = (running.cpu_us() - used) / count
            if name == "request":
                values["request_p99_us"] = sorted(times)[len(times) * 99 // 100]
        after = grows(running)
    return {"values": dict(values, grown_kib=after[0] - before[0], grown_fds=after[1] - before[1])}


def sequence(session, peer):
    setup, phases = session.guest, []
    steps = (("/boot-source", {"kernel_image_path": setup.kernel, "initrd_path": setup.initrd,
                               "boot_args": setup.cmdline("hold")}),
             ("/machine-config", {"vcpu_count": setup.cpus, "mem_size_mib": setup.memory_mib}),
             ("/actions", {"action_type": "InstanceStart"}))
    with server(session, peer) as running, running.first() as client:
        def reached(name):
            phases.append(results.phase(name, (time.monotonic_ns() - running.began_ns) / 1000,
                                        process.thread_cpu_us(running.pid)))

        client.request("GET", "/")
        reached("first answer")
        for target, body in steps:
            client.request("PUT", target, body)
            reached("InstanceStart" if target == "/actions" else "PUT " + target)
        if client.request("GET", "/")["state"] != "Running":
            raise Failed("InstanceStart was answered, but the guest does not run")
    first, _, configured, started = phases
    return {"values": {"configure_us": configured["at_us"] - first["at_us"],
                       "configure_cpu_us": configured["cpu_us"] - first["cpu_us"],
                       "instance_start_us": started["at_us"] - configured["at_us"],
                       "instance_start_cpu_us": started["cpu_us"] - configured["cpu_us"],
                       "sequence_us": started["at_us"]}, "phases": phases}


# The peers, options and figures of hull-bench gate.
GATE_PEERS, GATE_RUNS, GATE_WARMUP, GATE_OPTIONS = "hull-vmm", 6, 1, ["--requests", "50"]
# {phase: (metric, how many)}
GATE_PHASES = {"start to first answer": ("start_cpu_us", 1), "100 requests": ("request_cpu_us", 100),
               "100 connections": ("connection_cpu_us", 100), "configuration": ("configure_cpu_us", 1),
               "InstanceStart": ("instance_start_cpu_us", 1)}


def gate(result):
    """Of the least: InstanceStart has been seen to take 2.3 million instructions, and in every fourth run 2.6."""
    found = {}
    for name in result["peers"]:
        phases = {}
        for phase, (metric, count) in GATE_PHASES.items():
            values = results.series(result, metric, name)
            if values:
                phases[phase] = round(min(values.values()) * count / 1000, 3)
        if phases:
            found[f"api {name}"] = {"total": round(sum(phases.values()), 3), **phases}
    return found
