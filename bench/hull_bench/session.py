# SPDX-License-Identifier: Apache-2.0
"""One measurement: the peers that take part, their guest, and the result that grows."""
import contextlib
import os
import shutil
import sys
import tempfile

from . import machine, peers, results, stats
from .fault import Fault
from .guest import Guest
from .process import Failed


def note(*words):
    print("hull-bench:", *words, file=sys.stderr, flush=True)


class Session:
    """As a context: its work folder is gone afterwards, and before it what was entered in stack.

    args     of the command line: runs, warmup, peers, pin, timeout, kernel, bzimage, and the command's own
    peers    {name: adapter} of those that can take part
    result   see results.py; add() adds to it
    stack    of contexts that live as long as the session
    """

    def __init__(self, command, args, metrics, arguments, *, workloads=("guest", "container"), default=None, prepare=None):
        """prepare: called with this before the peers join."""
        self.args, self.work, self.peers = args, None, {}
        self.prepare, self.stack = prepare, contextlib.ExitStack()
        self.wanted = names(args.peers, workloads, default)
        self.result = results.new(command, arguments, machine.describe(), metrics)
        self.guest = None

    def __enter__(self):
        self.work = os.path.realpath(tempfile.mkdtemp(prefix="hull-bench-"))
        # A jailed monitor is another user.
        os.chmod(self.work, 0o755)
        self.guest = Guest(self.work, kernel=self.args.kernel, bzimage=self.args.bzimage,
                           memory_mib=self.args.memory, cpus=self.args.cpus)
        try:
            if self.prepare:
                self.prepare(self)
            for name in self.wanted:
                folder = os.path.join(self.work, "peer-" + name)
                os.mkdir(folder)
                self.join(peers.ALL[name](self.guest, folder))
            self.need_peers()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()
        shutil.rmtree(self.work, ignore_errors=True)

    @property
    def skipped(self):
        return self.result["skipped"]

    def join(self, peer):
        why = peer.missing()
        if why:
            self.skipped[peer.name] = why
            note(f"{peer.name} is skipped: {why}")
            return
        self.peers[peer.name] = peer
        self.result["peers"][peer.name] = {"version": peer.version(), "workload": peer.workload,
                                           "command": peer.command("mark")}

    def drop(self, name, why):
        """One that can't do what this command measures."""
        del self.peers[name], self.result["peers"][name]
        self.skipped[name] = why
        note(f"{name} is skipped: {why}")
        self.need_peers()

    def need_peers(self):
        if not self.peers:
            raise Fault("no peer is left: " + "; ".join(f"{name}: {why}" for name, why in self.skipped.items()))

    def add(self, peer, at, **what):
        """A run, unless it is of the warm-up. One that failed there is told: it will fail again."""
        if what.get("failed"):
            note(f"{peer}, {'warm-up' if at < 0 else f'run {at + 1}'}: {what['failed']}")
        if at >= 0:
            self.result["runs"].append(results.run(peer, at, **what))

    def interleave(self, measure, *, runs=None, warmup=None, names=None):
        """measure(peer, round) of each peer in turn, or of those named; it returns what add() takes, or raises Failed."""
        runs = self.args.runs if runs is None else runs
        warmup = self.args.warmup if warmup is None else warmup
        for at, name in stats.interleaved(names or list(self.peers), warmup, runs):
            try:
                what = measure(self.peers[name], at)
            except Failed as failure:
                what = {"failed": str(failure)}
            self.add(name, at, **what)


def names(text, workloads, default):
    """Of --peers: those named, or all of the command's workloads."""
    if not text:
        return default or [name for name, peer in peers.ALL.items() if peer.workload in workloads]
    wanted = []
    for name in text.split(","):
        if name not in peers.ALL:
            raise Fault(f"--peers {name}: not among {', '.join(peers.ALL)}")
        if peers.ALL[name].workload not in workloads:
            raise Fault(f"--peers {name}: this command measures no {peers.ALL[name].workload}s")
        if name not in wanted:
            wanted.append(name)
    # In the table's order: the first is what others are compared with.
    return [name for name in peers.ALL if name in wanted]
