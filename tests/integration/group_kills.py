# SPDX-License-Identifier: Apache-2.0
"""kill -9 of any part of a run at any point: nothing stays, or the next command removes it."""
import collections
import contextlib
import os
import signal
import subprocess

from family import Family, Held
from group_network import Outside
from harness import (BUSYBOX, END_DEADLINE, HULL, WorkDir, check, descendants, equal, finish, kill, monitor_of,
                     read_until, run, start, wait_for)
from leftovers import Host

RUN = [HULL, "run", "-i", "--network", "passt", "--disk", "64M", "--memory", "128M", "--cpus", "2", "--cpu-quota",
       "200000", "--pids-limit", "64", BUSYBOX, "sh", "-c", "echo up; cat"]


class Scene:
    """A host in a settled state, with folders of its own, as a context. It counts the moments of an end."""

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.work = stack.enter_context(WorkDir())
            stack.enter_context(Outside())
            self.env = {}
            for name in ("TMPDIR", "XDG_RUNTIME_DIR"):
                self.env[name] = os.path.join(self.work, name)
                os.mkdir(self.env[name])
            run(*RUN, env=self.env).expect(0, "up\n")
            self.host = Host(**self.env)
            self.moments = collections.Counter()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, failed, *_):
        try:
            if not failed:
                self.host.next_command("in the end", BUSYBOX)
                print("# ended", ", ".join(f"{count} times {phase}" for phase, count in self.moments.items()))
        finally:
            self.stack.close()

    def family(self):
        return Family(RUN, os.path.join(self.work, "said"), self.env)

    def hit(self, phase, when):
        self.moments[phase] += 1
        return self.host.settle(f"after an end {phase} ({when})")


def phase_of(family):
    if "up\n" in family.text():
        return "while it runs"
    return ("before there is another process", "beside passt", "while the guest boots")[min(len(family.made), 2)]


def sweep_start(program, first, growth, victim=None):
    """End a start at more and more system calls of a program, until the container runs: that program, or another, at
    each time."""
    with Scene() as scene:
        at, running = first, False
        while not running:
            family = scene.family()
            check(family.reach(program=program), program, "was not started:", family.text())
            came = family.step(at, family.has_spoken)
            phase = phase_of(family)
            check(came == at or phase == "while it runs", program, "ended early:", family.text())
            running = phase == "while it runs"
            kill(victim(family) if victim else family.part, signal.SIGKILL)
            if victim:
                family.leave()
            if program == "passt" and not victim:
                family.close()
            code = family.finish(END_DEADLINE)
            family.close()
            check(code in (0, 125, -signal.SIGKILL), "exit code of hull:", code, "after", at, "calls", family.text())
            scene.hit(phase, f"{at} calls")
            at += max(2, int(at * growth)) | 1
        check(sum(scene.moments.values()) > 5, "hardly a start has been ended")


def test_hull_while_it_starts():
    sweep_start("hull", 1, 0.3)


def test_hull_vmm_while_it_starts():
    sweep_start("hull-vmm", 1, 0.5)


def test_passt_while_it_starts():
    sweep_start("passt", 1, 0.8)


def test_hull_while_hull_vmm_is_at_some_point():
    """It can't ask for a signal at its parent's end before it has settled who it is."""
    sweep_start("hull-vmm", 2, 1.0, victim=lambda family: family.top)


def test_hull_while_passt_is_at_some_point():
    sweep_start("passt", 2, 1.5, victim=lambda family: family.top)


class Running:
    """A run whose container waits, as a context."""

    def __init__(self, scene):
        self.process = start(*RUN, stdin=subprocess.PIPE, env=scene.env)

    def __enter__(self):
        read_until(self.process.stdout, "up\n")
        self.pids = {"hull": self.process.pid, "hull-vmm": monitor_of(self.process)}
        for pid, name in descendants(self.process.pid).items():
            if name.startswith("passt"):
                self.pids["passt"] = pid
        equal(len(self.pids), 3, "parts")
        return self

    def __exit__(self, *_):
        for pid in self.pids.values():
            kill(pid, signal.SIGKILL)
        self.process.communicate()


def end_at(running, part, at):
    """The container is told to end; a part is ended after so many of its system calls. Return whether there were
    so many."""
    held = Held(running.pids[part])
    running.process.stdin.close()
    running.process.stdin = None
    came = held.step(at) == at
    if came:
        kill(held.pid, signal.SIGKILL)
    if part == "hull":
        # Its end was the tracer's to see.
        code = -signal.SIGKILL if came else held.code
        if came:
            os.waitpid(held.pid, 0)
        running.process.returncode = code
    return came


def sweep_end(part, first, growth):
    with Scene() as scene:
        at, came = first, True
        while came:
            with Running(scene) as running:
                came = end_at(running, part, at)
                if part != "hull":
                    code = finish(running.process).code
                    check(code in (0, 125), "exit code of hull:", code)
                scene.hit("while it ends" if came else "too late", f"{at} calls of {part}")
            at += max(2, int(at * growth)) | 1
        check(scene.moments["while it ends"] > 2, "hardly an end has been ended")


def test_hull_while_it_ends():
    sweep_end("hull", 1, 1.2)


def test_hull_vmm_while_it_ends():
    sweep_end("hull-vmm", 1, 1.5)


def test_a_part_is_stopped_and_another_killed():
    for stopped, killed, code in (("passt", "hull-vmm", 125), ("hull-vmm", "hull", -9), ("hull", "hull-vmm", 125)):
        with Scene() as scene, Running(scene) as running:
            kill(running.pids[stopped], signal.SIGSTOP)
            kill(running.pids[killed], signal.SIGKILL)
            if stopped == "hull":
                kill(running.pids["hull"], signal.SIGCONT)
            equal(finish(running.process).code, code, f"exit code with {stopped} stopped and {killed} killed")
            scene.hit(f"while {stopped} is stopped", killed)


def test_what_is_stopped_goes_with_the_next_command():
    """Nobody is told of its parent's end while it is stopped, but by a signal that it may not have asked for yet."""
    with Scene() as scene:
        with Running(scene) as running:
            kill(running.pids["passt"], signal.SIGSTOP)
            kill(running.pids["hull"], signal.SIGKILL)
            equal(finish(running.process).code, -signal.SIGKILL, "exit code")
            wait_for(lambda: running.pids["hull-vmm"] not in descendants(), "the monitor's end", END_DEADLINE)
            scene.host.next_command("after passt was stopped", BUSYBOX)
