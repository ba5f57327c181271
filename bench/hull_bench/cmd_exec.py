# SPDX-License-Identifier: Apache-2.0
"""hull-bench exec: a further command in a running container, and how fast its output is."""
import contextlib

from . import arguments, figures, guest, results
from .fault import Fault
from .limits import Limit
from .machine import ICOUNT
from .process import Failed
from .session import note

NAME = "exec"
SUMMARY = "Latency of a further command in a running container, and throughput of its output"
HELP = """Runs 'true' in containers that wait, the peers in turn. For hull from POST /container/exec to the answer of the
command's wait, over the API of a hull-vmm that has the container: CPU time is hull-vmm's, its guest's included. For crun
and runc from exec of 'crun exec' to the end of all its processes, and their CPU time. Then, but with --icount, a
command's standard output: to an attached client, and from hull over a vsock connection that a command makes itself, too,
which needs the image tools."""
METRICS = {
    "exec_us": results.metric("a command, made to ended", "us"),
    "exec_cpu_us": results.metric("CPU time of a command", "us"),
    "stream_mib_s": results.metric("output to an attached client", "MiB/s", "more"),
    "vsock_mib_s": results.metric("output over a vsock connection", "MiB/s", "more"),
    "stream_ratio": results.metric("attached client / vsock connection, the same image", "", "more"),
}
LIMITS = [
    Limit("exec_cpu_us", "hull", 25000, mode=ICOUNT),
    Limit("stream_ratio", "hull", 0.8, at_least=True),
]
WORKLOADS = ("container",)
STREAM_RUNS = 3
BLOCK = 1 << 16


def add_arguments(parser):
    parser.add_argument("--mib", type=arguments.natural, default=128, metavar="N",
                        help="of output, or 0 to measure none (default: %(default)s)")


def prepare(session):
    """Output isn't measured where the clock leaps."""
    metrics = session.result["metrics"]
    if not session.args.mib or session.result["machine"]["mode"] == ICOUNT:
        session.args.mib = 0
        del metrics["stream_mib_s"]
    if not session.args.mib or "hull" not in session.wanted or not tools():
        del metrics["vsock_mib_s"], metrics["stream_ratio"]


def tools():
    """Whether there is an image with socat."""
    try:
        return bool(guest.tools())
    except Fault as fault:
        note(f"output over a vsock connection is skipped: {fault}")
        return False


def measure(session):
    icount = session.result["machine"]["mode"] == ICOUNT
    running, broken = {}, {}
    with contextlib.ExitStack() as stack:
        for name, peer in session.peers.items():
            try:
                one = peer.container(timeout=session.args.timeout, cpus=session.args.pin)
                running[name] = stack.enter_context(one)
            except Failed as failure:
                broken[name] = f"its container did not start: {failure}"
                continue
            session.result["peers"][name]["command"] = one.command

        def once(peer, _):
            if peer.name in broken:
                raise Failed(broken[peer.name])
            found = running[peer.name].exec(["true"])
            if icount:
                del found["values"]["exec_us"]
            return found

        session.interleave(once)
        if session.args.mib:
            streams(session, running)
    if "vsock_mib_s" in session.result["metrics"] and "hull" in session.peers:
        vsock(session)


def rate(stream, size):
    """MiB/s of a stream that is to bring so many bytes."""
    got, seconds = stream(["dd", "if=/dev/zero", f"bs={BLOCK}", f"count={size // BLOCK}"])
    if got != size:
        raise Failed(f"{got} bytes of output came, not {size}")
    return size / (1 << 20) / seconds if seconds else float("inf")


def streams(session, running):
    size = session.args.mib << 20

    def once(peer, at):
        return {"values": {"stream_mib_s": rate(running[peer.name].stream, size if at >= 0 else 1 << 20)}}

    session.interleave(once, runs=min(session.args.runs, STREAM_RUNS), warmup=1, names=list(running))


def vsock(session):
    """hull's two ways of output in one container, in turn."""
    peer, size = session.peers["hull"], session.args.mib << 20
    try:
        with peer.container(timeout=session.args.timeout, cpus=session.args.pin, rootfs=guest.tools(), name="tools") as one:
            def once(_, at):
                bytes_ = size if at >= 0 else 1 << 20
                attached, direct = rate(one.stream, bytes_), rate(one.vsock_stream, bytes_)
                return {"values": {"vsock_mib_s": direct, "stream_ratio": attached / direct}}

            session.interleave(once, runs=min(session.args.runs, STREAM_RUNS), warmup=1, names=["hull"])
    except Failed as failure:
        session.add("hull", 0, failed=f"the container of image tools did not start: {failure}")


# The peers, options and figures of hull-bench gate.
GATE_PEERS, GATE_RUNS, GATE_WARMUP = "hull", 40, 5


def gate(result):
    return {f"exec {name}": figures.phases_of(result, name) for name in result["peers"]}
