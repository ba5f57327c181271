# SPDX-License-Identifier: Apache-2.0
"""kill -9 of any part of a run at any point of its end, and while another part is stopped."""
import os
import signal
import subprocess

from family import Held
from group_kills import RUN, Scene
from harness import (BUSYBOX, END_DEADLINE, check, descendants, equal, finish, kill, monitor_of, read_until, start,
                     wait_for)


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
        # The tracer sees it first; only then does its parent.
        os.waitpid(held.pid, 0)
    if part == "hull":
        running.process.returncode = -signal.SIGKILL if came else held.code
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
            # What it says to standard error is passt's, too, and has no end yet.
            equal(running.process.wait(END_DEADLINE), -signal.SIGKILL, "exit code")
            wait_for(lambda: running.pids["hull-vmm"] not in descendants(), "the monitor's end", END_DEADLINE)
            scene.host.next_command("after passt was stopped", BUSYBOX)
