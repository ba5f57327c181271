# SPDX-License-Identifier: Apache-2.0
"""hull-bench boot: from exec to the guest's mark and to the end of all processes."""
from . import exits, figures, process, results, share
from .fault import Fault
from .machine import EMULATED, ICOUNT
from .limits import Limit
from .peers.base import GUEST

NAME = "boot"
SUMMARY = "Time and CPU time of a boot, phase by phase, beside peers"
HELP = """Boots one guest after the other, the peers in turn, and takes down when its init said that it runs and
when all processes had ended, by the host's monotonic clock, and the CPU time of all of them. hull tells the phases
between, too. hull-vmm, qemu, kvmtool, firecracker and cloud-hypervisor boot the same kernel, with an initramfs that says
so on the serial port and powers off; hull, crun and runc run 'echo' in the image busybox."""
METRICS = {
    "mark_us": results.metric("exec to the mark", "us"),
    "timer_us": results.metric("the monitor's boot timer", "us"),
    "mark_cpu_us": results.metric("CPU time to the mark", "us"),
    "wall_us": results.metric("exec to the end of all processes", "us"),
    "cpu_us": results.metric("CPU time of all processes", "us"),
    "own_us": results.metric("CPU time outside KVM_RUN, to the mark", "us"),
    "user_us": results.metric("of it user", "us"),
    "system_us": results.metric("of it system", "us"),
    "instructions": results.metric("instructions", ""),
    "resident_kib": results.metric("largest resident", "KiB"),
}
LIMITS = [
    Limit("cpu_us", "hull-vmm", 0.6, over="qemu", mode=ICOUNT),
    Limit("own_us", "hull-vmm", 0.25, over="qemu", mode=ICOUNT, if_asked=True),
    Limit("cpu_us", "hull", 100000, mode=ICOUNT),
    Limit("mark_us", "hull-vmm", 1500000, mode=EMULATED),
]
# What the clock says means nothing where it leaps.
WALL = ("mark_us", "timer_us", "wall_us")
SHARE_RUNS = 3


def add_arguments(parser):
    parser.add_argument("--exits", action="store_true",
                        help="boot each once more, with KVM's exits counted by reason and address (root)")
    parser.add_argument("--boot-timer", action="store_true",
                        help="the guest's init writes Firecracker's boot-timer byte, too, if --kernel has /dev/mem")
    parser.add_argument("--share", action="store_true",
                        help="boot guests some more times, to tell the CPU time outside KVM_RUN (root)")


def measure(session):
    icount = session.result["machine"]["mode"] == ICOUNT
    session.interleave(lambda peer, at: boot(session, peer, icount))
    if session.args.exits or session.args.share:
        folder = exits.events_folder()
        if not folder:
            raise Fault("the kernel's events/kvm in tracefs can't be reached (--exits and --share need root and kvm)")
        if session.args.exits:
            count_exits(session, folder)
        if session.args.share:
            tell_share(session, folder)


def count_exits(session, folder):
    """In runs of their own: counting costs."""
    for name, peer in session.peers.items():
        try:
            with exits.Exits(folder) as counted:
                boot(session, peer, False)
        except process.Failed as failure:
            session.add(name, 0, failed=f"with --exits: {failure}")
            continue
        session.result["exits"][name] = counted.found


def tell_share(session, folder):
    for at in range(min(session.args.runs, SHARE_RUNS)):
        for name, peer in session.peers.items():
            if peer.workload == GUEST:
                try:
                    session.add(name, at, values={"own_us": own_share(session, peer, folder)})
                except process.Failed as failure:
                    session.add(name, at, failed=f"with --share: {failure}")


def own_share(session, peer, folder):
    with share.Share(folder) as traced, \
            process.Held(peer.command("hold"), peer.work, mark=peer.mark, timeout=session.args.timeout, env=peer.env(),
                         cpus=session.args.pin) as held:
        return traced.read(held.pids())


def boot(session, peer, icount):
    peer.prepare()
    words = ("timer", "mark") if session.args.boot_timer and peer.workload == GUEST else ("mark",)
    try:
        found = process.run(peer.command(*words), peer.work, mark=peer.mark, timeout=session.args.timeout,
                            pass_fds=peer.pass_fds(), env=peer.env(), cpus=session.args.pin)
        phases = peer.phases(found)
    finally:
        peer.clean()
    found["timer_us"] = peer.timer_us() if "timer" in words else None
    found["cpu_us"] = found["user_us"] + found["system_us"]
    phases.sort(key=lambda phase: phase["at_us"])
    phases.append(results.phase("all ended", found["wall_us"], found["cpu_us"]))
    values = {name: found[name] for name in METRICS
              if found.get(name) is not None and not (icount and name in WALL)}
    if icount:
        # The counting machine's ns of CPU time are instructions.
        values["instructions"] = found["cpu_us"] * 1000
    return {"values": values, "phases": phases}


# The peers and the figures of hull-bench gate.
GATE_PEERS = "hull,hull-vmm"


def gate(result):
    return {f"boot {name}": figures.phases_of(result, name) for name in result["peers"]}
