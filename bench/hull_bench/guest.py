# SPDX-License-Identifier: Apache-2.0
"""What is booted: the same kernel, initramfs, memory and CPUs for each monitor, the same image for each container."""
import os
import shutil
import stat
import tarfile
import threading
import json

from . import place, tool
from .fault import Fault

CONSOLE = "console=ttyS0 quiet panic=-1"
READY = "init: ready"
CONTAINER_READY = "container: ready"
# A file to take instead of making it.
TOOLS_VARIABLE = "HULL_BENCH_TOOLS"


def newc(number, name, mode, data=b"", device=(0, 0)):
    """A member of a cpio archive of the kind that the kernel unpacks."""
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def initramfs(path, program, *, files=()):
    """Write an initramfs whose init is a program; files: more of them, (name, host's path)."""
    with open(program, "rb") as file:
        init = file.read()
    data = newc(1, "dev", stat.S_IFDIR | 0o755) + newc(2, "dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    data += newc(3, "dev/mem", stat.S_IFCHR | 0o600, device=(1, 1)) + newc(4, "init", stat.S_IFREG | 0o755, init)
    for number, (name, source) in enumerate(files, 5):
        with open(source, "rb") as file:
            data += newc(number, name, stat.S_IFREG | 0o755, file.read())
    with open(path, "wb") as file:
        file.write(data + newc(0, "TRAILER!!!", 0))
    return path


class Guest:
    """Files in a work folder, so that they come from the same file system for all; made when first asked for.

    init     the program that is PID 1, one of hull-bench's own
    devices  of devices.py, in the order in which the guest finds them
    """

    def __init__(self, work, *, memory_mib=128, cpus=1, kernel=None, bzimage=None):
        self.work, self.memory_mib, self.cpus = work, memory_mib, cpus
        self.kernel_source, self.bzimage_source = kernel, bzimage
        self.init, self.devices = "bench-init", []
        self.making = threading.Lock()

    def made(self, name, make):
        """A file or folder that is made once, whoever asks first."""
        path = os.path.join(self.work, name)
        with self.making:
            if not os.path.exists(path):
                make(path)
        return path

    @property
    def kernel(self):
        source = self.kernel_source or place.installed("lib", "hull", "vmlinux")
        return self.made("vmlinux", lambda path: copy_of(source, path))

    @property
    def bzimage(self):
        """The same kernel for monitors that boot no ELF, or None."""
        if not self.bzimage_source:
            return None
        return self.made("bzImage", lambda path: copy_of(self.bzimage_source, path))

    @property
    def initrd(self):
        return self.made("initramfs", lambda path: initramfs(path, place.helper(self.init)))

    @property
    def stage(self):
        """bin and lib of hull's tree: in the emulated host not from the host's file system, which is slow there."""
        if not os.environ.get("HULL_EMULATED"):
            return place.prefix()

        def copy(path):
            for name in ("bin/hull", "bin/hull-vmm", "lib/hull/vmlinux", "lib/hull/initramfs"):
                os.makedirs(os.path.dirname(os.path.join(path, name)), exist_ok=True)
                shutil.copy(place.installed(*name.split("/")), os.path.join(path, name))
        return self.made("stage", copy)

    def cmdline(self, *words):
        return " ".join((CONSOLE, *words))

    @property
    def image(self):
        """The OCI layout of the image that containers run."""
        path = os.environ.get("HULL_BENCH_IMAGE") or \
            os.path.join(place.need_source("a container"), "build", "images", "busybox")
        if not os.path.exists(os.path.join(path, "index.json")):
            raise Fault(f"{path} is no OCI layout: run scripts/make-images")
        return path

    @property
    def store(self):
        """Prepared images: the user's, or else of our own, filled by the warm-up."""
        return os.environ.get("HULL_STORE") or self.made("store", os.mkdir)

    @property
    def rootfs(self):
        """The image unpacked, for those that run a folder."""
        return self.made("rootfs", lambda path: unpack(self.image, path))


def copy_of(source, path):
    try:
        shutil.copy(source, path)
    except OSError as error:
        raise Fault(f"{source}: cannot be copied to {path}: {error.strerror}") from error


def tools():
    """The file system of the image of tools, which has a shell, fio and iperf3."""
    told = os.environ.get(TOOLS_VARIABLE)
    if told:
        if not os.path.exists(told):
            raise Fault(f"{TOOLS_VARIABLE}={told}: no such file")
        return told
    top = place.need_source(f"the image of tools, without {TOOLS_VARIABLE},")
    layout = os.path.join(top, "build", "images", "tools")
    if not os.path.exists(os.path.join(layout, "index.json")):
        raise Fault(f"{layout} is no OCI layout: run scripts/make-images tools")
    store = os.environ.get("HULL_STORE") or os.path.join(top, "build", "store")
    return tool.must(place.installed("bin", "hull"), "pull", "--path", layout, seconds=600,
                     env=dict(os.environ, HULL_STORE=store)).strip()


def unpack(layout, path):
    try:
        unpack_layers(layout, path)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, tarfile.TarError) as error:
        raise Fault(f"{layout} can't be unpacked: {error}") from error


def unpack_layers(layout, path):
    def blob(descriptor):
        return os.path.join(layout, "blobs", *descriptor["digest"].split(":"))

    with open(os.path.join(layout, "index.json"), encoding="utf-8") as file:
        index = json.load(file)
    with open(blob(index["manifests"][0]), encoding="utf-8") as file:
        manifest = json.load(file)
    for layer in manifest["layers"]:
        with tarfile.open(blob(layer)) as tar:
            tar.extractall(path)
