# SPDX-License-Identifier: Apache-2.0
"""What a jailed monitor may open that is named to it later."""
import os

from api_client import Vmm
from attack import make_disk
from harness import VMM, WorkDir, check, equal, run, tree
from monitor import ANY_KVM, GUEST, check_root
from proc import descriptors


class Patched(Vmm):
    """A monitor in API mode whose guest has a disk and waits, as a context."""

    def __init__(self, work, *options):
        super().__init__(work, *ANY_KVM, *options)
        disk = make_disk(os.path.join(work, "disk"))
        self.ok("PUT", "/boot-source", {"kernel_image_path": GUEST})
        self.ok("PUT", "/drives/d", {"drive_id": "d", "path_on_host": disk, "is_root_device": False})
        self.start()

    def replace(self, path):
        self.ok("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": path})
        check(path in descriptors(self.process.pid).values(), path, "is not open")

    def refused(self, path, pattern="--grant"):
        before = self.files()
        self.fault(pattern, "PATCH", "/drives/d", {"drive_id": "d", "path_on_host": path})
        equal(self.files(), before, "descriptors")

    def files(self):
        """What is open but clients' connections, which come and go."""
        return sorted(name for name in descriptors(self.process.pid).values() if not name.startswith("socket:"))


def test_grants():
    with WorkDir() as work:
        granted, readable, other = (os.path.join(work, name) for name in ("granted", "readable", "other"))
        for folder in (granted, readable, other):
            os.mkdir(folder)
            os.chmod(make_disk(os.path.join(folder, "disk")), 0o666)
        os.chmod(make_disk(os.path.join(granted, "roots")), 0o600)
        os.symlink(os.path.join(other, "disk"), os.path.join(granted, "out"))
        os.symlink("disk", os.path.join(granted, "in"))
        with Patched(work, "--grant", granted + ",rw", "--grant", readable) as vmm:
            check_root(vmm.process.pid, {granted: True, readable: False})
            vmm.replace(os.path.join(granted, "disk"))
            vmm.refused(os.path.join(other, "disk"))
            vmm.refused(os.path.join(granted, "out"))
            vmm.refused(os.path.join(granted, "..", "other", "disk"))
            vmm.refused("/etc/passwd")
            vmm.refused(os.path.join(granted, "roots"))
            # It may be read, but the drive is to be written to.
            vmm.refused(os.path.join(readable, "disk"))
            vmm.refused(os.path.join(granted, "nothing"))
            equal(vmm.state(), "Running", "state")
        equal(sorted(tree(granted)), ["disk", "in", "out", "roots"], "what the granted folder holds")


def test_nothing_is_granted_unasked():
    with WorkDir() as work:
        with Patched(work) as vmm:
            os.chmod(make_disk(os.path.join(work, "second")), 0o666)
            check_root(vmm.process.pid)
            vmm.refused(os.path.join(work, "second"))


def test_grants_of_strange_names():
    with WorkDir() as work:
        folder = os.path.join(work, "a b", "c")
        os.makedirs(folder)
        os.chmod(make_disk(os.path.join(folder, "disk")), 0o666)
        for name in (folder + "/", folder.replace("/c", "//c"), os.path.join(work, "a b", ".", "c"),
                     os.path.join(work, "a b", "c", "..", "c")):
            with Patched(work, "--grant", name + ",rw") as vmm:
                vmm.replace(os.path.join(folder, "disk"))
            os.unlink(os.path.join(work, "api.sock"))


def test_a_grant_that_is_not_there():
    with WorkDir() as work:
        result = run(VMM, *ANY_KVM, "--kernel", GUEST, "--memory", "64M", "--grant", os.path.join(work, "nothing"))
        result.expect_error(1, "granting .*/nothing", "No such file", by="hull-vmm")
