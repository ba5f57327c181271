# SPDX-License-Identifier: Apache-2.0
"""What hull might leave on the host: what is more than before, and what of it may stay until the next command."""
import fcntl
import os
import re
import time

from harness import EMULATED, HULL, PATIENCE, STORE, Failed, descendants, file_text, processes, reap, run, tree
from jailer import CGROUPS

# docs/security.md tells of them: a control group without processes, an entry of the store's tmp/ that nobody has open,
# and a socket that nobody serves.
MAY_STAY = {"cgroups": re.compile(r".*/hull-\d+-[0-9a-f]{8}"), "store": re.compile(r"tmp/.+")}


def entries(path):
    return {name for name in tree(path) if not name.startswith("hull-test-")}


class Host:
    """The host's state as it is now, and what has come since."""

    def __init__(self, store=STORE, **folders):
        self.store, self.folders = store, folders
        self.before = self.state()

    def state(self):
        # Others use these, too, on a machine that isn't this test's alone.
        seen_by = ("1", "self") if EMULATED else ("self",)
        found = {
            "mounts": {line for pid in seen_by for line in file_text(f"/proc/{pid}/mountinfo").splitlines()},
            "network devices": {line.split(":")[0].strip() for pid in seen_by
                                for line in file_text(f"/proc/{pid}/net/dev").splitlines()[2:]},
            "sockets": {line.split(None, 7)[7] for pid in seen_by
                        for line in file_text(f"/proc/{pid}/net/unix").splitlines()[1:] if len(line.split(None, 7)) > 7},
            "cgroups": {folder for folder, _, _ in os.walk(CGROUPS)} if EMULATED else set(),
            "store": entries(self.store),
            "processes": set(descendants().items()),
        }
        for path in ("/run", "/srv", "/dev/shm", "/var/tmp", "/var/lib/hull", "/tmp") if EMULATED else ():
            found[path] = entries(path)
        for name, path in self.folders.items():
            found[name] = entries(path)
        if EMULATED:
            # All but the kernel's own threads, children of the second process, and the sign of life of scripts/kvm-host.
            found["processes"] |= {(pid, name) for pid, (parent, state, name) in processes().items()
                                   if state != "Z" and 2 not in (pid, parent) and name != "usleep"}
        return found

    def more(self):
        """{what: what has come or gone}"""
        now = self.state()
        return {what: now[what] ^ self.before[what] for what in now if now[what] != self.before[what]}

    def settle(self, when, seconds=20 * PATIENCE, strict=False):
        """Wait until there is no more than may stay. Return: that."""
        end = time.monotonic() + seconds
        while True:
            reap()
            more = self.more()
            wrong = {what: names for what, names in more.items() if strict or not self.may_stay(what, names)}
            if not wrong:
                return more
            if time.monotonic() > end:
                raise Failed(f"{when}: left after {seconds} s: {wrong}")
            time.sleep(0.05)

    def may_stay(self, what, names):
        return what in MAY_STAY and all(MAY_STAY[what].fullmatch(name) for name in names) and all(
            self.is_free(what, name) for name in names)

    def is_free(self, what, name):
        """Nobody is in that control group, or has that entry."""
        path = os.path.join(self.store, name) if what == "store" else name
        try:
            if what == "cgroups":
                return not file_text(os.path.join(path, "cgroup.procs"))
            if name.count("/") > 1:
                return True
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def next_command(self, when, image):
        """The next hull that starts a VM removes all that is left, even if that VM comes to nothing."""
        run(HULL, "run", "--kernel", "/no/kernel", image, "true").expect_error(125, "/no/kernel", by="hull-vmm")
        self.settle(when + ", and one more command", strict=True)
