# SPDX-License-Identifier: Apache-2.0
"""A monitor's own share of a boot: its CPU time outside KVM_RUN, from exec to the guest's mark.

The scheduler's tracepoint gives the CPU time of each thread. A vCPU's thread, one that enters a guest, counts with the time
from each return to user space to the next entry alone, into which some of what tracing costs falls: a few us each.
"""
import os
import re

from .machine import text_of

# (event, trigger): the kernel puts them together in this order.
RUNTIME = ("sched/sched_stat_runtime", "hist:keys=pid:vals=runtime:size=4096")
LEFT = ("kvm/kvm_userspace_exit", "hist:keys=common_pid:left=common_timestamp")
BACK = ("kvm/kvm_entry", "hist:keys=common_pid:tid=common_pid:outside=common_timestamp-$left"
        ":onmatch(kvm.kvm_userspace_exit).trace(hull_bench_outside,$tid,$outside)")
OUTSIDE = ("synthetic/hull_bench_outside", "hist:keys=tid:vals=outside:size=4096")
SYNTHETIC = "hull_bench_outside"


def parse(text, value):
    """Of a histogram's text: {key: value of that name}."""
    return {int(key): int(number) for key, number in
            re.findall(r"^\{ *\w+: *(\d+) *\}.*\b" + value + r": *(\d+)", text, re.M)}


def own_ns(tids, runtime, vcpus, outside):
    """The share of these threads; the others are {thread: ns}, and {thread: count} of vCPUs."""
    return sum(outside.get(tid, 0) if tid in vcpus else runtime.get(tid, 0) for tid in tids)


class Share:
    """As a context around a run that is held at its mark; read() it there."""

    def __init__(self, kvm_folder):
        self.events = os.path.dirname(kvm_folder)
        self.set = []

    def write(self, event, text):
        with open(os.path.join(self.events, event, "trigger"), "w", encoding="ascii") as file:
            file.write(text)

    def synthetic(self, text):
        # Python's append mode seeks, which this file can't.
        fd = os.open(os.path.join(os.path.dirname(self.events), "synthetic_events"), os.O_WRONLY | os.O_APPEND)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def __enter__(self):
        self.synthetic(f"{SYNTHETIC} pid_t tid; u64 outside\n")
        self.set = []
        try:
            for event, text in RUNTIME, OUTSIDE, LEFT, BACK:
                self.write(event, text)
                self.set.append((event, text))
        except OSError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for event, text in reversed(self.set):
            self.write(event, "!" + text)
        self.synthetic(f"!{SYNTHETIC}\n")

    def histogram(self, event, value):
        return parse(text_of(os.path.join(self.events, event[0], "hist")), value)

    def read(self, pids):
        """The share in us of all threads of these processes."""
        tids = {int(tid) for pid in pids for tid in os.listdir(f"/proc/{pid}/task")}
        return own_ns(tids, self.histogram(RUNTIME, "runtime"), self.histogram(BACK, "hitcount"),
                      self.histogram(OUTSIDE, "outside")) / 1000
