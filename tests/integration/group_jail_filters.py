# SPDX-License-Identifier: Apache-2.0
"""The system call filters of a running monitor, read back from the kernel."""
import ctypes
import fcntl
import mmap
import os
import re
import signal
import socket
import struct
import sys

from harness import EMULATED, TOP, Skip, check, equal, file_text, tree
from monitor import Monitor, own_id
from proc import status, threads
from ptrace import PTRACE_DETACH, PTRACE_GET_FILTER, PTRACE_INTERRUPT, PTRACE_SEIZE, WALL, ptrace

sys.path.insert(0, os.path.join(TOP, "vmm", "sandbox"))

import syscall_rules  # noqa: E402

CALL_NUMBERS = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
ARCH_X86_64, ARCH_I386, ARCH_AARCH64 = 0xc000003e, 0x40000003, 0xc00000b7
ALLOW, TRAP, KILL, EPERM = 0x7fff0000, 0x00030000, 0x80000000, 0x00050001


def filters_of(tid):
    """All filters of a thread, as lists of instructions (code, jt, jf, k)."""
    found = []
    ptrace(PTRACE_SEIZE, tid)
    try:
        ptrace(PTRACE_INTERRUPT, tid)
        os.waitpid(tid, WALL)
        while True:
            try:
                size = ptrace(PTRACE_GET_FILTER, tid, len(found))
            except OSError as error:
                if error.errno == 2:
                    return found
                if error.errno == 5 and not EMULATED:
                    raise Skip("this kernel gives no filters away") from error
                raise
            text = ctypes.create_string_buffer(8 * size)
            ptrace(PTRACE_GET_FILTER, tid, len(found), ctypes.cast(text, ctypes.c_void_p))
            found.append(list(struct.iter_unpack("=HBBI", text.raw)))
    finally:
        ptrace(PTRACE_DETACH, tid)


def play(program, number, args=(0,) * 6, arch=ARCH_X86_64):
    """What a filter says of a system call."""
    data = struct.pack("=IIQ6Q", number & 0xffffffff, arch, 0, *args)
    acc, at = 0, 0
    while True:
        code, jt, jf, k = program[at]
        at += 1
        if code == 0x20:  # load a word
            acc = struct.unpack_from("=I", data, k)[0]
        elif code == 0x54:
            acc &= k
        elif code == 0x05:
            at += k
        elif code in (0x15, 0x25, 0x35, 0x45):
            taken = {0x15: acc == k, 0x25: acc > k, 0x35: acc >= k, 0x45: bool(acc & k)}[code]
            at += jt if taken else jf
        elif code == 0x06:
            return k
        else:
            raise AssertionError(f"instruction {code:#x} is not known here")


# Those of the rules' constants that stand for numbers, from the kernel's headers.
CONSTANTS = {
    "F_DUPFD_CLOEXEC": fcntl.F_DUPFD_CLOEXEC, "F_GETFL": fcntl.F_GETFL, "F_SETFL": fcntl.F_SETFL, "F_OFD_SETLK": 37,
    "IORING_REGISTER_SYNC_CANCEL": 24, "IORING_UNREGISTER_RING_FDS": 21,
    "BLKGETSIZE64": 0x80081272, "TCGETS": 0x5401, "TCSETS": 0x5402, "TCSETSW": 0x5403,
    "TCSETSF": 0x5404, "TUNSETOFFLOAD": 0x400454d0, "TUNSETQUEUE": 0x400454d9,
    "KVM_RUN": 0xae80, "KVM_KVMCLOCK_CTRL": 0xaead, "KVM_SET_GSI_ROUTING": 0x4008ae6a,
    "MADV_DONTDUMP": mmap.MADV_DONTDUMP, "MADV_DONTNEED": mmap.MADV_DONTNEED, "PROT_EXEC": mmap.PROT_EXEC,
    "PR_GET_NAME": 16,
    "SIGBUS": int(signal.SIGBUS), "AF_UNIX": int(socket.AF_UNIX), "0": 0,
}


def rules_of(thread, pid):
    """{number: [condition]} of what the sources say of a thread; a condition is None or (argument, mask, value)."""
    numbers = dict(re.findall(r"^#define __NR_(\w+) (\d+)$", file_text(CALL_NUMBERS), re.M))
    constants = dict(CONSTANTS, SECCOMP_SELF=pid)
    found = {}
    for folder in ("base", "protocol", "devices", "vmm"):
        for name in (name for name in tree(os.path.join(TOP, folder)) if name.endswith(".c")):
            for kind, call, condition in syscall_rules.rules(os.path.join(TOP, folder, name)):
                if kind != thread:
                    continue
                if condition:
                    words = re.findall(r"\w+", condition)[1:]
                    argument, how, *values = words
                    for value in values:
                        check(value in constants, f"{value} is not in CONSTANTS of this test")
                    values = [constants[value] for value in values]
                    condition = (int(argument), *(values if how == "SCMP_CMP_MASKED_EQ" else (2 ** 64 - 1, values[0])))
                found.setdefault(int(numbers[call]), []).append(condition)
    return found


def allowed(conditions, args):
    return any(not condition or args[condition[0]] & condition[1] == condition[2] for condition in conditions)


def check_filter(program, thread, pid):
    rules = rules_of(thread, pid)
    numbers = {int(number) for number in re.findall(r"__NR_\w+ (\d+)$", file_text(CALL_NUMBERS), re.M)}
    check(len(rules) > 20 and numbers, "no rules or no numbers were found")
    # io_uring_setup is refused in a way that the monitor can live with.
    refusal = {425: EPERM} if thread == "loop" else {}
    count = 0
    for number in sorted(numbers.union(range(1024))):
        conditions = rules.get(number, [])
        lists = [(0,) * 6, (1,) * 6, (2 ** 64 - 1,) * 6, (0x7fffffff,) * 6]
        for condition in filter(None, conditions):
            right = condition[2]
            for value in (right, right + 1, right ^ 1 << 32, right | 4, right | 1 << 63):
                lists += [tuple(value if n == condition[0] else rest for n in range(6)) for rest in (0, 2 ** 64 - 1)]
        for args in lists:
            got = play(program, number, args)
            expected = ALLOW if allowed(conditions, args) else refusal.get(number, TRAP)
            check(got == expected, f"{thread}: call {number} {args}: {got:#x}, not {expected:#x}")
            count += got == ALLOW
    for arch in (ARCH_I386, ARCH_AARCH64):
        for number in (0, 1, 4, 11, 64, 93):
            equal(play(program, number, arch=arch), KILL, f"{thread}: call {number} of another CPU")
    for number in (0, 1, 39, 520, 547, 0x3ffffffe):
        equal(play(program, number | 0x40000000), KILL, f"{thread}: x32 call {number}")
    check(count > 100, "hardly anything is allowed")


def test_filters_are_what_the_sources_say():
    """Each is read back from the kernel, and asked about all system calls."""
    with Monitor() as monitor:
        tids = threads(monitor.pid)
        for name, tid in tids.items():
            thread = "loop" if name == "hull-vmm" else "vcpu"
            found = filters_of(tid)
            equal(len(found), 1, f"filters of {name}")
            check_filter(found[0], thread, monitor.pid)
    with Monitor("--no-seccomp") as monitor:
        uid = own_id(monitor.pid)
        for tid in threads(monitor.pid).values():
            got = status(f"/proc/{monitor.pid}/task/{tid}/status")
            equal((got["Seccomp"].strip(), got["NoNewPrivs"].strip(), int(got["CapBnd"], 16), got["Uid"].split()[0]),
                  ("0", "1", 0, str(uid)), "a monitor without filters")
