# SPDX-License-Identifier: Apache-2.0
"""hull-bench net: how fast TCP is between a guest and the host, over a tap device."""
import contextlib
import shutil
import subprocess

from . import arguments, guest, results, shell, tap
from .devices import Nic
from .fault import Fault
from .limits import Limit

NAME = "net"
SUMMARY = "TCP between a guest and the host over a tap device, by iperf3, beside peers"
HELP = """Boots guests with a network interface, the peers in turn, all on the same tap device, in a network namespace of
hull-bench's own, which takes root. iperf3 in the guest sends to the one in the namespace, and receives from it, one and
four streams. QEMU's is without vhost. With --icount a second is one of the counting machine, a thousand million
instructions of both ends of TCP, of KVM and of the monitor."""
RUNS, WARMUP, MEMORY, TIMEOUT = 2, 0, 256, 300
WORKLOADS = ("guest",)
# {name: (label, iperf3's options)}
JOBS = {
    "to-host-1": ("1 stream to the host", ""),
    "to-guest-1": ("1 stream to the guest", "-R"),
    "to-host-4": ("4 streams to the host", "-P 4"),
    "to-guest-4": ("4 streams to the guest", "-P 4 -R"),
}
METRICS = {
    **{name: results.metric(label, "Mbit/s", "more") for name, (label, _) in JOBS.items()},
    **{name + shell.CALLS: results.metric("system calls of hull-vmm's loop a MiB, " + label, "")
       for name, (label, _) in JOBS.items()},
}
LIMITS = [Limit(name, "hull-vmm", 1.0, over="qemu", at_least=True) for name in JOBS]


def add_arguments(parser):
    parser.add_argument("--jobs", type=arguments.some_of(JOBS), default=list(JOBS), metavar="A,B...",
                        help=f"only these of {', '.join(JOBS)}")
    parser.add_argument("--mib", type=arguments.positive, default=512, metavar="N",
                        help="size of a transfer, whatever its number of streams (default: %(default)s: ramping up counts "
                             "for little)")
    parser.add_argument("--properties", default="", metavar="P",
                        help="further properties of hull-vmm's --net, such as queues=2")
    parser.add_argument("--calls", action="store_true",
                        help="boot hull-vmm once more, with its system calls counted by name (root)")


def outside(args):
    del args
    need_iperf3()
    return {guest.TOOLS_VARIABLE: guest.tools()}


def need_iperf3():
    if not shutil.which("iperf3"):
        raise Fault("iperf3 is not installed (scripts/setup --test does it)")


def script(names, mib):
    """The first transfer warms up, once the host's end is there. iperf3's last line of a receiver is the sum of its streams."""
    lines = ["need iperf3", f"ip addr add {tap.GUEST}/{tap.PREFIX} dev eth0; ip link set lo up; ip link set eth0 up",
             f"rate() {{ iperf3 -f m -c {tap.HOST} \"$@\" | "
             "awk '/receiver/ { rate = $(NF - 2) } END { print rate }'; }",
             f"until iperf3 -c {tap.HOST} -n 4M >/dev/null 2>&1; do sleep 0.1; done"]
    # What is still on its way when a receiver has enough is no part of the next job.
    return "\n".join(lines + [f"job {name} rate -n {mib}M {JOBS[name][1]}" for name in names] + ["sleep 0.3"])


def prepare(session):
    args = session.args
    need_iperf3()
    tap.make(queues="queues=" in args.properties)
    shell.prepare(session, args.jobs, script(args.jobs, args.mib))
    session.guest.devices.append(Nic(tap.NAME, tap.HOST, tap.NETMASK, args.properties))


@contextlib.contextmanager
def server():
    """For one boot: a guest that ends in the middle of a job would leave it busy."""
    # It ends with hull-bench.
    with subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "iperf3", "-s", "-B", tap.HOST],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
        try:
            yield
        finally:
            running.kill()


def measure(session):
    args = session.args

    def one(peer, _):
        with server():
            return {"values": shell.run(session, peer, args.jobs)}

    session.interleave(one)
    shell.measure_calls(session, args.jobs, lambda name, rate: args.mib, server)
