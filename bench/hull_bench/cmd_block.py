# SPDX-License-Identifier: Apache-2.0
"""hull-bench block: what a guest's disk does, by fio in the guest."""
import os

from . import arguments, guest, loop, results, shell
from .devices import Disk
from .fault import Fault
from .limits import Limit

NAME = "block"
SUMMARY = "Requests of a guest's disk a second, by fio in the guest, beside peers"
HELP = """Boots guests with a disk, the peers in turn, in which fio does one job after the other with direct=1. The disk's
file lies on ext4 on a loop device in memory, which takes root, or in --folder; it is the same for all. QEMU's has an I/O
thread and aio=io_uring. With --icount a second is one of the counting machine, a thousand million instructions of the
guest, of KVM and of the monitor."""
RUNS, WARMUP, MEMORY, TIMEOUT = 2, 0, 256, 300
WORKLOADS = ("guest",)
MODULES = "loop,ext4"
# {name: (label, fio's options)}
JOBS = {
    "randread-1": ("4 KiB random read, depth 1", "--rw=randread --bs=4k --ioengine=psync"),
    "randwrite-1": ("4 KiB random write, depth 1", "--rw=randwrite --bs=4k --ioengine=psync"),
    "randread-32": ("4 KiB random read, depth 32", "--rw=randread --bs=4k --ioengine=io_uring --iodepth=32"),
    "randwrite-32": ("4 KiB random write, depth 32", "--rw=randwrite --bs=4k --ioengine=io_uring --iodepth=32"),
    "read-128k": ("128 KiB read, depth 4", "--rw=read --bs=128k --ioengine=io_uring --iodepth=4"),
    "write-128k": ("128 KiB write, depth 4", "--rw=write --bs=128k --ioengine=io_uring --iodepth=4"),
}
METRICS = {
    **{name: results.metric(label, "IOPS", "more") for name, (label, _) in JOBS.items()},
    **{name + shell.CALLS: results.metric("system calls of hull-vmm's loop a request, " + label, "")
       for name, (label, _) in JOBS.items()},
}
LIMITS = [Limit(name, "hull-vmm", 1.0, over="qemu", at_least=True) for name in JOBS]
SIZE_MIB, FREE_MIB = 48, 16


def add_arguments(parser):
    parser.add_argument("--jobs", type=arguments.some_of(JOBS), default=list(JOBS), metavar="A,B...",
                        help=f"only these of {', '.join(JOBS)}")
    parser.add_argument("--ms", type=arguments.positive, default=100, metavar="N",
                        help="milliseconds of each job (default: %(default)s)")
    parser.add_argument("--folder", metavar="DIR", help="where the disk's file is made, instead of on a loop device")
    parser.add_argument("--direct", action="store_true", help="without the host's page cache")
    parser.add_argument("--properties", default="", metavar="P", help="further properties of hull-vmm's --disk")
    parser.add_argument("--calls", action="store_true",
                        help="boot hull-vmm once more, with its system calls counted by name (root)")


def outside(args):
    del args
    return {guest.TOOLS_VARIABLE: guest.tools()}


def script(names, ms):
    """fio's line of figures has its read's IOPS in field 8, its write's in 49: one of them is 0."""
    lines = ["need fio", "iops() { fio --name=x --filename=/dev/vdc --direct=1 --thread --time_based "
             f"--runtime={ms}ms --randrepeat=1 --norandommap --minimal \"$@\" | "
             "awk -F';' '/^[0-9]/ { print ($8 > $49) ? $8 : $49 }'; }"]
    return "\n".join(lines + [f"job {name} iops {JOBS[name][1]}" for name in names])


def prepare(session):
    args = session.args
    shell.prepare(session, args.jobs, script(args.jobs, args.ms))
    if args.folder:
        session.stack.callback(remove, disk_path(args.folder))
        folder = args.folder
    else:
        folder = session.stack.enter_context(loop.Loop(os.path.join(session.work, "loop"), SIZE_MIB + FREE_MIB))
    session.guest.devices.append(Disk(fill(disk_path(folder)), direct=args.direct, properties=args.properties))


def disk_path(folder):
    return os.path.join(os.path.realpath(folder), f"hull-bench-disk-{os.getpid()}")


def fill(path):
    """Written, so that no read finds a hole."""
    try:
        with open(guest.tools(), "rb") as source, open(path, "wb") as file:
            for _ in range(SIZE_MIB):
                file.write(source.read(1 << 20).ljust(1 << 20, b"x"))
    except OSError as error:
        raise Fault(f"{path}: {error.strerror}") from error
    return path


def remove(path):
    if os.path.lexists(path):
        os.unlink(path)


def measure(session):
    args = session.args
    session.interleave(lambda peer, at: {"values": shell.run(session, peer, args.jobs)})
    shell.measure_calls(session, args.jobs, lambda name, iops: iops * args.ms / 1000)
