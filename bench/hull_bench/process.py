# SPDX-License-Identifier: Apache-2.0
"""Runs commands to measure: to their end by hull-bench-run, or held while something is read of them."""
import contextlib
import json
import os
import re
import select
import signal
import subprocess
import time

from . import machine, place, signals
from .fault import Fault

# Of the emulated host, whose other clocks leap over idle time when it counts instructions.
REAL_CLOCK = "/sys/class/rtc/rtc0/since_epoch"
# How often a held program's time is looked at.
TICK_S = 0.5
# How long a program that is told to end may take to end what it started.
END_S = 20
# More than any kernel has.
CPUS_MOST = 1 << 16


class Failed(Exception):
    """A run that doesn't count as one that went well; the text says why."""


def exit_code(argv, **how):
    """Run a program to its end. Where that is interrupted it's told to end, what it started with it, and waited for."""
    running = None
    try:
        with signals.deferred():
            running = subprocess.Popen(argv, **how)
        return running.wait()
    except BaseException:
        if running:
            running.terminate()
            try:
                running.wait(END_S)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
        raise


def interrupt_all():
    """Tell what other threads run to end, all that it started with it."""
    for task in os.listdir("/proc/self/task"):
        for pid in machine.text_of(f"/proc/self/task/{task}/children").split():
            os.kill(int(pid), signal.SIGTERM)


def run(command, work, *, mark=None, timeout=60, pass_fds=(), env=None, cpus=None, output=None):
    """Run a command to the end of all its processes. Return what hull-bench-run says; raise Failed.

    mark: a text of its output that is waited for; output: a file to keep all of it in. stderr is left in work/stderr."""
    out = os.path.join(work, "run.json")
    argv = [place.helper("hull-bench-run"), "--timeout", str(timeout)]
    if mark:
        argv += ["--mark", mark]
    if machine.mode() == machine.ICOUNT:
        argv += ["--clock", REAL_CLOCK]
    if output:
        argv += ["--output", output]
    if os.path.exists(out):
        os.unlink(out)
    argv += [out, *pinned(cpus), *command]
    with open(os.path.join(work, "stderr"), "wb") as stderr:
        code = exit_code(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, pass_fds=pass_fds,
                         env=dict(os.environ, **(env or {})))
    if code or not os.path.exists(out):
        raise Fault(f"hull-bench-run failed with exit code {code}: {last_words(work)}")
    with open(out, encoding="utf-8") as file:
        found = json.load(file)
    if found["timeout"]:
        raise Failed(f"did not end within {timeout} s{last_words(work)}")
    if found["exit"]:
        raise Failed(f"exit code {found['exit']}{last_words(work)}")
    if mark and not found["mark_us"]:
        raise Failed(f"never said {mark!r}{last_words(work)}")
    return found


def pinned(cpus):
    return ["taskset", "-c", cpus] if cpus else []


def cpu_list(text):
    """The numbers in a list as taskset -c takes it: "0,2-3", "0-6:2"."""
    found = set()
    for part in text.split(","):
        part, _, step = part.partition(":")
        first, _, last = part.partition("-")
        if int(last or first) >= CPUS_MOST:
            raise ValueError(text)
        found.update(range(int(first), int(last or first) + 1, int(step or 1)))
    if not found:
        raise ValueError(text)
    return found


@contextlib.contextmanager
def on(cpus):
    """Children that are started within run on these CPUs, without a taskset that takes its time."""
    if not cpus:
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cpu_list(cpus))
    except OSError as error:
        raise Fault(f"--pin {cpus}: {error.strerror}") from error
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_us(pid):
    """The CPU time of a process until now: of all its threads, those that have ended too, and of its guest."""
    try:
        # What clock_getcpuclockid() gives.
        return time.clock_gettime_ns(~pid << 3 | 2) / 1000
    except OSError as error:
        raise Failed("it has ended") from error


def thread_cpu_us(pid):
    """That of a process's first thread, which must be waiting for something."""
    words = machine.text_of(f"/proc/{pid}/task/{pid}/schedstat").split()
    if not words:
        raise Failed("it has ended")
    return int(words[0]) / 1000


def last_words(work):
    with open(os.path.join(work, "stderr"), encoding="utf-8", errors="replace") as file:
        lines = file.read().strip().splitlines()
    return f": {lines[-1][:200]}" if lines else ""


def now():
    """Seconds of a clock that doesn't leap."""
    return int(machine.text_of(REAL_CLOCK)) if machine.mode() == machine.ICOUNT else time.monotonic()


def lives(pid):
    """Whether it has not ended, reaped or not."""
    return machine.text_of(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] not in ([], ["Z"])


class Held:
    """A command that goes on running once it has said a text; as a context, which ends it."""

    def __init__(self, command, work, *, mark, timeout=60, env=None, cpus=None):
        self.command, self.work, self.mark, self.timeout = [*pinned(cpus), *command], work, mark, timeout
        self.env, self.process, self.got = env, None, ""

    def __enter__(self):
        try:
            self.start()
            self.await_text(self.mark)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def start(self):
        with open(os.path.join(self.work, "stderr"), "wb") as stderr:
            try:
                with signals.deferred():
                    self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                                    stderr=stderr, start_new_session=True,
                                                    env=dict(os.environ, **(self.env or {})))
            except OSError as error:
                raise Failed(f"{self.command[0]}: {error.strerror}") from error

    def await_text(self, text):
        return self.await_match(re.escape(text), repr(text))

    def await_match(self, pattern, words=None):
        """The next place in its output that matches; what comes before is dropped."""
        end = now() + self.timeout
        while True:
            found = re.search(pattern, self.got)
            if found:
                self.got = self.got[found.end():]
                return found
            if now() >= end:
                raise Failed(f"did not say {words or repr(pattern)} within {self.timeout} s{last_words(self.work)}")
            if not select.select([self.process.stdout], [], [], TICK_S)[0]:
                continue
            more = os.read(self.process.stdout.fileno(), 4096)
            if not more:
                raise Failed(f"ended before it said {words or repr(pattern)}{last_words(self.work)}")
            self.got = (self.got + more.decode(errors="replace"))[-8192:]

    def pids(self):
        """Of its process and all below it."""
        found, pending = [], [self.process.pid]
        while pending:
            pid = pending.pop()
            found.append(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    pending += map(int, machine.text_of(f"/proc/{pid}/task/{task}/children").split())
            except OSError:
                continue
        return found

    def end(self):
        """All of its processes, at once: the lowest may belong to another session."""
        if not self.process:
            return
        pids = self.pids()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process.stdout.close()
        # A large one takes time to give back its memory.
        end = now() + self.timeout
        while any(map(lives, pids)) and now() < end:
            time.sleep(0.01)
