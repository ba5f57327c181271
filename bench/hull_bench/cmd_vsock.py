# SPDX-License-Identifier: Apache-2.0
"""hull-bench vsock: how fast streams and round trips are between a guest and the host."""
from . import arguments, calls, machine, place, process, results
from .devices import Vsock
from .limits import Limit
from .session import note

NAME = "vsock"
SUMMARY = "Streams and round trips over vsock between a guest and the host, beside peers"
HELP = """Boots guests whose init serves vsock, the peers in turn, and has each receive and send a stream, and answer
64 bytes over and over. hull-vmm, firecracker and cloud-hypervisor have their host end in their own process, QEMU and
kvmtool in the kernel's vhost-vsock. With --icount a second is one of the counting machine, a thousand million
instructions of both ends, of KVM and of the monitor."""
RUNS, WARMUP, TIMEOUT = 5, 1, 120
WORKLOADS = ("guest",)
MODULES = "vhost_vsock"
ECHO_BYTES, CHUNK_MAX = 64, 256 << 10
METRICS = {
    "to_guest": results.metric("stream to the guest", "MiB/s", "more"),
    "to_host": results.metric("stream to the host", "MiB/s", "more"),
    "round_trip_us": results.metric("round trip", "us"),
    "to_guest_calls": results.metric("system calls of hull-vmm's loop a MiB to the guest", ""),
    "to_host_calls": results.metric("system calls of hull-vmm's loop a MiB to the host", ""),
    "round_trip_calls": results.metric("system calls of hull-vmm's loop a round trip", ""),
}
LIMITS = [
    Limit("to_guest", "hull-vmm", 0.7, over="qemu", at_least=True),
    Limit("to_host", "hull-vmm", 0.7, over="qemu", at_least=True),
    Limit("round_trip_us", "hull-vmm", 1.5, over="qemu"),
]


def add_arguments(parser):
    parser.add_argument("--mib", type=arguments.positive, default=64, metavar="N",
                        help="size of a stream (default: %(default)s)")
    parser.add_argument("--chunk", type=chunk, default=65536, metavar="N",
                        help="bytes of each write, 262144 at most (default: %(default)s)")
    parser.add_argument("--trips", type=arguments.positive, default=1000, metavar="N",
                        help="round trips (default: %(default)s)")
    parser.add_argument("--calls", action="store_true",
                        help="boot hull-vmm once more, with its system calls counted by name (root)")


def chunk(text):
    value = arguments.positive(text)
    if value > CHUNK_MAX:
        raise ValueError(text)
    return value


def prepare(session):
    session.guest.init = "bench-vsock-guest"
    session.guest.devices.append(Vsock())


def jobs(args):
    """{name: (kind, bytes of each write, bytes, its figure of so many us, how often it has what is counted)}"""
    return {
        "to_guest": ("to-guest", args.chunk, args.mib << 20, lambda us: args.mib * 1e6 / us, args.mib),
        "to_host": ("to-host", args.chunk, args.mib << 20, lambda us: args.mib * 1e6 / us, args.mib),
        "round_trip": ("echo", ECHO_BYTES, args.trips * ECHO_BYTES, lambda us: us / args.trips, args.trips),
    }


def job(session, peer, kind, size, total):
    """us that it took; raise Failed."""
    out = peer.path("said")
    try:
        process.run([place.helper("bench-vsock-host"), peer.vsock_address(), kind, str(size), str(total)], session.work,
                    timeout=session.args.timeout, cpus=session.args.pin, output=out)
    except process.Failed as failure:
        raise process.Failed(f"{kind}: {failure}") from failure
    return max(1, int(machine.text_of(out)))


def held(session, peer):
    """A guest that serves, and has warmed up."""
    return process.Held(peer.command(), peer.work, mark=peer.mark, timeout=session.args.timeout, env=peer.env(),
                        cpus=session.args.pin)


def warm_up(session, peer):
    for kind, size in ("to-guest", session.args.chunk), ("to-host", session.args.chunk), ("echo", ECHO_BYTES):
        job(session, peer, kind, size, size * 16)


def one(session, peer):
    values = {}
    try:
        with held(session, peer):
            warm_up(session, peer)
            for name, (kind, size, total, figure, _) in jobs(session.args).items():
                values[name if name in METRICS else name + "_us"] = figure(job(session, peer, kind, size, total))
    finally:
        peer.clean()
    return {"values": values}


def measure(session):
    session.interleave(lambda peer, at: one(session, peer))
    if session.args.calls and "hull-vmm" in session.peers:
        peer = session.peers["hull-vmm"]
        try:
            session.add(peer.name, 0, values=count_calls(session, peer))
        except process.Failed as failure:
            session.add(peer.name, 0, failed=f"with --calls: {failure}")


def count_calls(session, peer):
    folder, values = calls.folder(), {}
    try:
        with held(session, peer) as running:
            warm_up(session, peer)
            for name, (kind, size, total, _, per) in jobs(session.args).items():
                with calls.Calls(folder, running.process.pid) as counted:
                    job(session, peer, kind, size, total)
                values[name + "_calls"] = counted.sum() / per
                note(f"{peer.name}, {kind}: system calls {counted.words(per)}")
    finally:
        peer.clean()
    return values
