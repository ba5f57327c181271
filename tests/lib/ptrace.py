# SPDX-License-Identifier: Apache-2.0
"""Tracing a process from system call to system call."""
import ctypes
import os

from harness import check, file_text, start

PTRACE_CONT, PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 7, 17, 0x4206, 0x4207
PTRACE_TRACEME, PTRACE_SYSCALL, PTRACE_SETOPTIONS, PTRACE_GET_FILTER = 0, 24, 0x4200, 0x420c
PTRACE_O_TRACESYSGOOD, PTRACE_O_EXITKILL = 1, 1 << 20
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=None, data=None):
    r = libc.ptrace(request, pid, address, data)
    if r < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"ptrace {request:#x}: {os.strerror(code)}")
    return r


def start_traced(*argv):
    """Start a program that stops at its execve(), traced by this thread."""
    process = start(*argv, preexec_fn=lambda: libc.ptrace(PTRACE_TRACEME, 0, None, None))
    check(os.WIFSTOPPED(os.waitpid(process.pid, 0)[1]), "not stopped")
    ptrace(PTRACE_SETOPTIONS, process.pid, None, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)
    return process


def step(pid, until):
    """Let it go from stop to stop, at each system call and its return, until so many or the loop's first wait.
    Return: how many."""
    for count in range(until):
        ptrace(PTRACE_SYSCALL, pid)
        state = os.waitpid(pid, 0)[1]
        if not os.WIFSTOPPED(state):
            raise AssertionError(f"it ended, {state:#x}, after {count} stops")
        if file_text(f"/proc/{pid}/syscall").split()[0] == "232":  # epoll_wait
            return count
    return until
