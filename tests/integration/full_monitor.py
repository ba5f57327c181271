# SPDX-License-Identifier: Apache-2.0
"""A hull-vmm with all kinds of devices."""
import contextlib
import os

from attack import make_disk
from group_net import Tap
from harness import WorkDir
from monitor import Monitor


class Full:
    """A monitor with all kinds of devices, as a context."""

    def __init__(self, *options):
        self.options = options

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.enter(stack)
            self.stack = stack.pop_all()
        return self

    def enter(self, stack):
        path = stack.enter_context(WorkDir())
        stack.enter_context(Tap())
        self.disk = make_disk(os.path.join(path, "disk"))
        # Root's alone: it is opened before the monitor is somebody else.
        os.chmod(self.disk, 0o600)
        os.mkdir(os.path.join(path, "vsock"))
        self.uds = os.path.join(path, "vsock", "v.sock")
        self.api = os.path.join(path, "api.sock")
        self.log = os.path.join(path, "log")
        self.left = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, self.left)
        self.monitor = Monitor("--disk", self.disk, "--net", "tap=tap9", "--vsock", f"cid=3,uds={self.uds}",
                               "--api-sock", self.api, "--log-path", self.log, "--rng", "--balloon", "size=0",
                               *self.options, pass_fds=[self.left])
        stack.enter_context(self.monitor)
        self.pid = self.monitor.pid

    def __exit__(self, *_):
        self.stack.close()
