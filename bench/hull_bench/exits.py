# SPDX-License-Identifier: Apache-2.0
"""KVM's exits of a run, by reason and by address, counted in the kernel by its tracepoints' histograms."""
import os
import re

from .machine import text_of

PLACES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
# (title, event, key)
HISTOGRAMS = (("exit", "kvm_exit", "exit_reason"), ("port", "kvm_pio", "port"), ("address", "kvm_mmio", "gpa"))
# Of those that guests make often, as the kernel's uapi headers call them.
SVM = {0x00: "READ_CR0", 0x04: "READ_CR4", 0x10: "WRITE_CR0", 0x14: "WRITE_CR4", 0x37: "WRITE_DR7", 0x65: "CR0_SEL_WRITE",
       0x40: "EXCP", 0x60: "INTR", 0x61: "NMI", 0x64: "VINTR", 0x72: "CPUID", 0x77: "PAUSE", 0x78: "HLT", 0x7b: "IOIO",
       0x7c: "MSR", 0x7f: "SHUTDOWN", 0x81: "VMMCALL", 0x8d: "XSETBV", 0x400: "NPF"}
VMX = {0: "EXCEPTION_NMI", 1: "EXTERNAL_INTERRUPT", 7: "INTERRUPT_WINDOW", 10: "CPUID", 12: "HLT", 18: "VMCALL",
       28: "CR_ACCESS", 30: "IO_INSTRUCTION", 31: "MSR_READ", 32: "MSR_WRITE", 40: "PAUSE", 48: "EPT_VIOLATION",
       49: "EPT_MISCONFIG", 52: "PREEMPTION_TIMER", 55: "XSETBV"}


def events_folder():
    """Where the kernel's KVM events are, or None."""
    for place in PLACES:
        folder = os.path.join(place, "events", "kvm")
        if os.path.exists(os.path.join(folder, "kvm_exit", "trigger")):
            return folder
    return None


def parse(text):
    """Of a histogram's text: {key: count}."""
    return {int(key, 0): int(count) for key, count in
            re.findall(r"^\{ *\w+: *(0x[0-9a-f]+|\d+) *\} *hitcount: *(\d+)", text, re.M)}


def names_of_reasons():
    return SVM if re.search(r"^flags.*\bsvm\b", text_of("/proc/cpuinfo"), re.M) else VMX


class Exits:
    """As a context around a run; afterwards found is [[what, which, count]], most first, of the whole machine."""

    def __init__(self, folder):
        self.folder, self.found = folder, []

    def trigger(self, event, text):
        with open(os.path.join(self.folder, event, "trigger"), "w", encoding="ascii") as file:
            file.write(text)

    def __enter__(self):
        for _, event, key in HISTOGRAMS:
            self.trigger(event, f"hist:keys={key}:size=4096")
        return self

    def __exit__(self, *_):
        reasons = names_of_reasons()
        for title, event, key in HISTOGRAMS:
            for value, count in parse(text_of(os.path.join(self.folder, event, "hist"))).items():
                which = reasons.get(value, hex(value)) if title == "exit" else hex(value)
                self.found.append([title, which, count])
            self.trigger(event, f"!hist:keys={key}:size=4096")
        self.found.sort(key=lambda one: (one[0] != "exit", -one[2]))
