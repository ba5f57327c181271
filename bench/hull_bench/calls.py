# SPDX-License-Identifier: Apache-2.0
"""System calls of a process's first thread, which is hull-vmm's loop, counted by name in the kernel by a tracepoint's
histogram."""
import os
import re

from . import exits
from .fault import Fault
from .machine import text_of


def folder():
    """Of the tracepoint, or Fault."""
    events = exits.events_folder()
    found = os.path.join(os.path.dirname(events), "raw_syscalls", "sys_enter") if events else ""
    if not os.path.exists(os.path.join(found, "trigger")):
        raise Fault("the kernel's events/raw_syscalls in tracefs can't be reached (--calls needs root and kvm)")
    return found


def parse(text):
    """Of a histogram's text: {name: count}."""
    return {name: int(count) for name, count in
            re.findall(r"^\{ *id: *(?:sys_)?(\S+).*?\} *hitcount: *(\d+)", text, re.M)}


class Calls:
    """As a context around what is counted; afterwards found is {name: count}."""

    def __init__(self, place, pid):
        self.place, self.text, self.found = place, f"hist:keys=id.syscall if common_pid == {pid}", {}

    def trigger(self, text):
        with open(os.path.join(self.place, "trigger"), "w", encoding="ascii") as file:
            file.write(text)

    def __enter__(self):
        self.trigger(self.text)
        return self

    def __exit__(self, *_):
        self.found = parse(text_of(os.path.join(self.place, "hist")))
        self.trigger("!" + self.text)

    def words(self, per):
        """All and the most frequent, each divided."""
        most = sorted(self.found.items(), key=lambda one: -one[1])
        return f"{self.sum() / per:.2f}: " + ", ".join(f"{name} {count / per:.2f}" for name, count in most)

    def sum(self):
        return sum(self.found.values())
