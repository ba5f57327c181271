# SPDX-License-Identifier: Apache-2.0
"""A program and all that it starts, one of them held at a chosen system call.

The others go on as they would, but for stops that they don't notice.
"""
import contextlib
import ctypes
import os
import signal
import time

from harness import DEADLINE, Failed, environment, file_text, kill, processes
from ptrace import (PTRACE_CONT, PTRACE_DETACH, PTRACE_INTERRUPT, PTRACE_O_EXITKILL, PTRACE_O_TRACESYSGOOD,
                    PTRACE_SEIZE, PTRACE_SYSCALL, WALL, ptrace)

TRACE_FORK, TRACE_VFORK, TRACE_CLONE, TRACE_EXEC = 2, 4, 8, 16
FOLLOW = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | TRACE_FORK | TRACE_VFORK | TRACE_CLONE | TRACE_EXEC
EVENT_EXEC, EVENT_STOP = 4, 128
PTRACE_LISTEN = 0x4208
SYSCALL_STOP = signal.SIGTRAP | 0x80


def go_on(how, pid, status):
    """From a stop; with the signal that was the reason, if one was."""
    event, signo = status >> 16, os.WSTOPSIG(status)
    # Who is stopped stays so.
    if event == EVENT_STOP and signo == signal.SIGSTOP:
        how = PTRACE_LISTEN
    plain = event or signo in (signal.SIGTRAP, SYSCALL_STOP)
    with contextlib.suppress(ProcessLookupError):
        ptrace(how, pid, None, ctypes.c_void_p(0 if plain else signo))


class Family:
    """Start argv. Its standard input is the pipe self.stdin, what it says is in the file said."""

    def __init__(self, argv, said, env=None):
        begin, go = os.pipe()
        read, self.stdin = os.pipe()
        file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self.said, self.top = said, os.fork()
        if not self.top:
            with contextlib.suppress(BaseException):
                os.read(begin, 1)
                for number, fd in ((0, read), (1, file), (2, file)):
                    os.dup2(fd, number)
                os.closerange(3, 256)
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                os.execve(argv[0], argv, environment(env))
            os._exit(99)
        for fd in (begin, read, file):
            os.close(fd)
        ptrace(PTRACE_SEIZE, self.top, None, FOLLOW)
        self.live, self.made = {self.top}, []
        self.part = self.part_status = self.code = None
        os.write(go, b"x")
        os.close(go)

    def text(self):
        return file_text(self.said)

    def next_stop(self, seconds=DEADLINE, until=lambda: False):
        """(pid, status) of whatever comes next, noted; (0, 0) if there is none left, or something is so meanwhile."""
        end = time.monotonic() + seconds
        while True:
            try:
                pid, status = os.waitpid(-1, WALL | os.WNOHANG)
            except ChildProcessError:
                return 0, 0
            if pid:
                break
            if until():
                return 0, 0
            if time.monotonic() > end:
                raise Failed(f"nothing happens any more; alive: {self.names()}, said: {self.text()}")
            time.sleep(0.0005)
        if os.WIFSTOPPED(status):
            if pid not in self.live:
                self.live.add(pid)
                with contextlib.suppress(OSError):
                    if f"\nTgid:\t{pid}\n" in file_text(f"/proc/{pid}/status"):
                        self.made.append(pid)
        else:
            self.live.discard(pid)
            if pid == self.top:
                self.code = os.waitstatus_to_exitcode(status)
        return pid, status

    def names(self):
        table = processes()
        return {pid: table[pid][1:] for pid in self.live if pid in table}

    def reach(self, program=None, number=None):
        """Until a program is executed, or so manieth further process is made: that is the part from then on. Return
        whether it came so far."""
        while self.part is None:
            pid, status = self.next_stop()
            if not pid or self.code is not None and not self.live:
                return False
            if not os.WIFSTOPPED(status):
                continue
            name = file_text(f"/proc/{pid}/comm").strip() if status >> 16 == EVENT_EXEC else None
            if program and name == os.path.basename(program)[:15] or number and self.made[number - 1:] == [pid]:
                self.part, self.part_status = pid, status
                return True
            go_on(PTRACE_CONT, pid, status)
        return True

    def step(self, most, until=lambda: False):
        """Let the part go on, to the entry or return of so manieth of its system calls, or until something is so.
        Return: how many of them there were; fewer when it has ended, too."""
        count = 0
        while count < most and not until():
            go_on(PTRACE_SYSCALL, self.part, self.part_status)
            while True:
                pid, status = self.next_stop(until=until)
                if pid == self.part or not pid:
                    break
                if os.WIFSTOPPED(status):
                    go_on(PTRACE_CONT, pid, status)
            if not pid:
                return count
            if not os.WIFSTOPPED(status):
                self.part = None
                return count
            self.part_status = status
            count += os.WSTOPSIG(status) == SYSCALL_STOP
        return count

    def has_spoken(self):
        return os.path.getsize(self.said) > 0

    def leave(self):
        """Nobody holds the part any more."""
        go_on(PTRACE_CONT, self.part, self.part_status)
        self.part = None

    def finish(self, seconds):
        """Wait until all have ended. Return: the first one's exit code."""
        end = time.monotonic() + seconds
        # Also those that have been made but not seen yet.
        while True:
            try:
                pid, status = self.next_stop(max(0, end - time.monotonic()))
            except Failed:
                for pid in self.live:
                    kill(pid, signal.SIGKILL)
                raise
            if not pid:
                break
            if os.WIFSTOPPED(status):
                go_on(PTRACE_CONT, pid, status)
        return self.code

    def close(self):
        if self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1


class Held:
    """A running process whose first thread is held at its system calls from now on."""

    def __init__(self, pid):
        self.pid = pid
        ptrace(PTRACE_SEIZE, pid, None, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)
        ptrace(PTRACE_INTERRUPT, pid)
        self.status = os.waitpid(pid, WALL)[1]

    def step(self, most, seconds=DEADLINE):
        """As Family.step(), but at its end only, or when nothing has come for so long."""
        count = 0
        while count < most:
            go_on(PTRACE_SYSCALL, self.pid, self.status)
            end = time.monotonic() + seconds
            while True:
                pid, status = os.waitpid(self.pid, WALL | os.WNOHANG)
                if pid:
                    break
                if time.monotonic() > end:
                    return count
                time.sleep(0.0005)
            if not os.WIFSTOPPED(status):
                self.pid = None
                self.code = os.waitstatus_to_exitcode(status)
                return count
            self.status = status
            count += os.WSTOPSIG(status) == SYSCALL_STOP
        return count

    def leave(self):
        ptrace(PTRACE_DETACH, self.pid)
