# SPDX-License-Identifier: Apache-2.0
"""A folder of ext4 on a loop device, whose file lies in memory."""
import os
import subprocess
import tempfile

from . import namespace, tool

MEMORY = "/dev/shm"
HINT = " (--folder DIR measures a file there instead)"


class Loop:
    """As a context: the folder, until then. The mount is in a namespace, the file has no name, and the kernel gives back
    the device with the mount: nothing is left even by a hull-bench that is killed."""

    def __init__(self, folder, mib):
        self.folder, self.mib = folder, mib

    def __enter__(self):
        namespace.enter("mount", HINT)
        os.makedirs(self.folder, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=MEMORY if os.path.isdir(MEMORY) else None, prefix="hull-bench-") as file:
            os.truncate(file.fileno(), self.mib << 20)
            tool.must("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", file.name, hint=HINT)
            tool.must("mount", "-t", "ext4", "-o", "loop", file.name, self.folder, hint=HINT)
        return self.folder

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.folder], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
