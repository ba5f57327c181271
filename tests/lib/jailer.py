# SPDX-License-Identifier: Apache-2.0
"""hull-jailer and what it makes."""
import contextlib
import os
import shutil
import signal
import stat

from harness import (END_DEADLINE, STAGE, TOP, WorkDir, check, equal, file_text, kill, processes, run, start, wait_for)

JAILER = os.path.join(STAGE, "bin", "hull-jailer")
# The name that tools look for, a symbolic link to hull-vmm.
FIRECRACKER = os.path.join(STAGE, "libexec", "hull", "firecracker")
JAILED = os.path.join(TOP, "build", "release", "tests", "jail", "jailed")
JAILED_CODE = 7
CGROUPS = "/sys/fs/cgroup"
UID, GID = 12345, 54321


def device_numbers():
    """What is made in dev: {name: (major, minor)}."""
    found = {"dev/kvm": (10, 232), "dev/net/tun": (10, 200), "dev/urandom": (1, 9)}
    for line in file_text("/proc/misc").splitlines():
        minor, name = line.split()
        if name == "userfaultfd":
            found["dev/userfaultfd"] = (10, int(minor))
    return found


def snapshot(path):
    """All that is below a folder: {name: (mode, owner, group, links, size, time of change, device, link's target)}."""
    found = {}
    for folder, folders, files in os.walk(path):
        for name in folders + files + [""]:
            full = os.path.join(folder, name)
            st = os.lstat(full)
            target = os.readlink(full) if stat.S_ISLNK(st.st_mode) else ""
            size = 0 if stat.S_ISDIR(st.st_mode) else st.st_size
            found[os.path.relpath(full, path)] = (st.st_mode, st.st_uid, st.st_gid, st.st_nlink, size, st.st_rdev,
                                                  target)
    return found


class Jail:
    """A base directory and the VM that is started in it, as a context; what is left of the latter is ended."""

    def __init__(self, program=JAILED, name="vm-1"):
        self.program, self.id, self.process = program, name, None
        self.work = WorkDir()

    def __enter__(self):
        self.top = self.work.__enter__()
        self.base = os.path.join(self.top, "base")
        os.mkdir(self.base, 0o755)
        self.use(self.program)
        return self

    def use(self, program):
        self.program, self.name = program, os.path.basename(program)
        self.folder = os.path.join(self.base, self.name, self.id)
        self.root = os.path.join(self.folder, "root")
        self.pid_file = os.path.join(self.root, self.name + ".pid")
        self.cgroup = os.path.join(CGROUPS, self.name, self.id)

    def __exit__(self, *_):
        if self.process:
            kill(self.process.pid, signal.SIGKILL)
            self.process.communicate()
        for pid in self.pids():
            kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.pids(), "the end of what ran", END_DEADLINE)
        self.remove()
        self.work.__exit__()

    def pids(self):
        """Processes that have the root directory as theirs, or hull-jailer's that are on the way there."""
        found = []
        for pid, (_, state, name) in processes().items():
            with contextlib.suppress(OSError):
                if state != "Z" and (name in (self.name[:15], "hull-jailer")):
                    found.append(pid)
        return found

    def remove(self):
        """What an orchestrator removes after the end."""
        shutil.rmtree(self.base, ignore_errors=True)
        os.makedirs(self.base, 0o755, exist_ok=True)
        for folder in (self.cgroup, os.path.dirname(self.cgroup)):
            with contextlib.suppress(OSError):
                os.rmdir(folder)

    def argv(self, *options, arguments=()):
        argv = [JAILER, "--id", self.id, "--uid", str(UID), "--gid", str(GID), "--exec-file", self.program,
                "--chroot-base-dir", self.base, *options]
        return argv + (["--", *arguments] if arguments else [])

    def run(self, *options, arguments=(), **kwargs):
        return run(*self.argv(*options, arguments=arguments), **kwargs)

    def start(self, *options, arguments=("wait",), **kwargs):
        """Start one that becomes the program, and wait until it has."""
        self.process = start(*self.argv(*options, arguments=arguments), **kwargs)
        wait_for(lambda: self.is_program(self.process.pid) or self.process.poll() is not None, "the program")
        if self.process.poll() is not None:
            out, err = self.process.communicate()
            check(False, "ended with", self.process.returncode, out, err)
        return self.process.pid

    def start_behind(self, *options, arguments=("wait",)):
        """Start one that leaves the program behind; return its process ID."""
        # What runs in the background may keep them open.
        out = os.path.join(self.top, "out")
        with open(out, "wb") as file:
            process = start(*self.argv(*options, arguments=arguments), stdout=file, stderr=file)
            check(process.wait(END_DEADLINE) == 0, "exit code", process.returncode, file_text(out))
        pid = int(file_text(self.pid_file))
        check(self.is_program(pid), "process", pid, "is not the program")
        return pid

    def is_program(self, pid):
        try:
            return file_text(f"/proc/{pid}/comm").strip() == self.name[:15] and os.readlink(
                f"/proc/{pid}/exe") == "/" + self.name
        except OSError:
            return False

    def refuse(self, pattern, *options, arguments=()):
        """hull-jailer fails with one line, and leaves everything as it was."""
        before, cgroups, running = snapshot(self.top), set(cgroup_paths()), self.pids()
        result = self.run(*options, arguments=arguments).expect_error(1, pattern, by="hull-jailer")
        equal(snapshot(self.top), before, "what is in the directory")
        equal(set(cgroup_paths()), cgroups, "cgroups")
        equal(self.pids(), running, "processes")
        return result


def cgroup_paths():
    return [folder for folder, _, _ in os.walk(CGROUPS)]


def check_leftover(jail, step):
    """What a jailer that was killed leaves is for its caller to remove: no more than its directory and its cgroup."""
    allowed = {"", "root", "root/jailed", "root/jailed.pid", "root/run", "root/dev", "root/dev/net",
               *("root/" + name for name in device_numbers())}
    found = set()
    for folder, folders, files in os.walk(jail.folder):
        for name in folders + files:
            found.add(os.path.relpath(os.path.join(folder, name), jail.folder))
    check(found <= allowed, f"left after step {step}:", found - allowed)
    if os.path.isdir(jail.cgroup):
        wait_for(lambda: not file_text(os.path.join(jail.cgroup, "cgroup.procs")), "an empty cgroup", 30)
    wait_for(lambda: not jail.pids(), f"the end of all after step {step}", 30)
