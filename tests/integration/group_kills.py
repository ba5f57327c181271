# SPDX-License-Identifier: Apache-2.0
"""kill -9 of any part of a run at any point of its start: nothing stays, or the next command removes it."""
import collections
import contextlib
import os
import signal

from family import Family
from group_network import Outside
from harness import BUSYBOX, END_DEADLINE, HULL, WorkDir, check, kill, run
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
