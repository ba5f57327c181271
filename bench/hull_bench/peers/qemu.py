# SPDX-License-Identifier: Apache-2.0
"""QEMU's microvm machine, without what a Linux guest of ours doesn't use."""
from .base import Peer


class Qemu(Peer):
    name, programs = "qemu", ("qemu-system-x86_64",)
    vhost = True

    def command(self, *words):
        setup = self.setup
        return [self.program(), "-M", "microvm,pit=off,pic=off,rtc=off,isa-serial=on", "-accel", "kvm", "-cpu", "host",
                "-nodefaults", "-display", "none", "-no-reboot", "-m", f"{setup.memory_mib}M", "-smp", str(setup.cpus),
                "-kernel", setup.kernel, "-initrd", setup.initrd, "-append", setup.cmdline(*words), "-serial", "stdio",
                *self.device_args()]

    def device_args(self):
        # A guest of virtio 1 alone needs it.
        more = super().device_args()
        return ["-global", "virtio-mmio.force-legacy=false", *more] if more else []

    def disk(self, disk, number):
        node = f"driver=file,node-name=disk{number},filename={disk.path}" + ",cache.direct=on" * disk.direct
        device = f"virtio-blk-device,drive=disk{number}"
        if disk.readonly:
            return ["-blockdev", node + ",read-only=on,auto-read-only=off", "-device", device]
        # One that is written to is measured: with what makes it fast.
        return ["-object", f"iothread,id=thread{number}", "-blockdev", node + ",aio=io_uring,discard=unmap",
                "-device", f"{device},iothread=thread{number}"]

    def nic(self, nic, number):
        return ["-netdev", f"tap,id=net{number},ifname={nic.tap},script=no,downscript=no,vhost=off",
                "-device", f"virtio-net-device,netdev=net{number}"]

    def vsock(self, vsock, number):
        return ["-device", f"vhost-vsock-device,guest-cid={vsock.cid}"]
