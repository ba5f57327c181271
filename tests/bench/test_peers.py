# SPDX-License-Identifier: Apache-2.0
"""The adapters: command lines and files of programs that stand in for the peers, as their documentation has them."""
import hashlib
import io
import json
import os
import tarfile
from unittest import mock

from case import Case, main

from hull_bench import devices, guest, peers
from hull_bench.peers import base

CONTAINER = """#!/bin/sh
case "$*" in --version) echo "$(basename "$0") 1.2.3"; exit 0 ;; esac
echo "$@" >"$TURNS.$(basename "$0")"
while [ $# -gt 0 ]; do [ "$1" != --bundle ] || cat "$2/config.json" >"$TURNS.config"; shift; done
echo "container: ready"
"""


class Peers(Case):
    def words(self, name):
        with open(f"{self.turns}.{name}", encoding="utf-8") as file:
            return file.read().strip()

    def once(self, peer, *options, **kw):
        result, _, _ = self.boot("--peers", peer, "--runs", "1", "--warmup", "0", "--memory", "96", "--cpus", "2",
                                 *options, **kw)
        self.assertIsNone(result["runs"][0]["failed"])
        return result

    def options(self, name):
        """{option: value} of a command line whose options all have one, or None."""
        words, found = self.words(name).split(" --"), {}
        for word in words:
            option, _, value = word.partition(" ")
            found[option] = value
        return found

    def test_kvmtool(self):
        self.program("lkvm")
        self.write(self.path("bz"), "bz")
        self.once("kvmtool", "--bzimage", self.path("bz"))
        found = self.options("lkvm")
        self.assertIn("run", found)
        self.assertRegex(found["kernel"], "/bzImage$")
        self.assertEqual((found["mem"], found["cpus"], found["console"], found["network"]),
                         ("96", "2", "serial", "mode=none"))
        self.assertEqual(found["params"], guest.CONSOLE + " reboot=k reset mark")

    def test_kvmtool_boots_no_elf(self):
        self.program("lkvm")
        _, err = self.bench("boot", "--peers", "kvmtool", code=2)
        self.assertIn("kvmtool is skipped: it boots no ELF kernel: --bzimage", err)

    def test_firecracker(self):
        self.program("firecracker", 'while [ $# -gt 0 ]; do [ "$1" != --config-file ] || cat "$2" >"$TURNS.config"; shift; '
                                    'done')
        self.once("firecracker")
        self.assertRegex(self.words("firecracker"), "^--no-api --config-file /.*/config.json$")
        found = json.loads(self.words("config"))
        self.assertEqual(found["machine-config"], {"vcpu_count": 2, "mem_size_mib": 96})
        self.assertRegex(found["boot-source"]["kernel_image_path"], "/vmlinux$")
        self.assertRegex(found["boot-source"]["initrd_path"], "/initramfs$")
        self.assertEqual(found["boot-source"]["boot_args"], guest.CONSOLE + " reboot=k pci=off reset mark")
        self.assertEqual(found["drives"], [])

    def test_boot_timer(self):
        log = 'while [ $# -gt 0 ]; do [ "$1" != --log-path ] || echo "x Guest-boot-time =   1234 us 1 ms,  99 CPU us" >"$2"; ' \
              'shift; done'
        self.program("firecracker", log)
        self.program("bin/hull-vmm", log)
        for peer, program in ("firecracker", "firecracker"), ("hull-vmm", "hull-vmm"):
            found = self.once(peer, "--boot-timer")
            self.assertEqual(found["runs"][0]["values"]["timer_us"], 1234)
            self.assertRegex(self.words(program), "--boot-timer --log-path /.*/log --level Info")
        self.assertRegex(self.words("hull-vmm"), "quiet panic=-1 timer mark")
        self.assertNotIn("timer_us", self.once("hull-vmm")["runs"][0]["values"])

    def test_cloud_hypervisor(self):
        self.program("cloud-hypervisor")
        self.once("cloud-hypervisor")
        found = self.options("cloud-hypervisor")
        self.assertEqual((found["cpus"], found["memory"], found["serial"], found["console"], found["cmdline"]),
                         ("boot=2", "size=96M", "tty", "off", guest.CONSOLE + " mark"))

    def test_qemu(self):
        self.program("qemu-system-x86_64")
        self.once("qemu")
        self.assertRegex(self.words("qemu-system-x86_64"), "^-M microvm.* -accel kvm -cpu host .* -m 96M -smp 2 .* "
                                                           "-append console=ttyS0 quiet panic=-1 mark -serial stdio$")

    def guest(self, program, body=""):
        """With each kind of device."""
        self.program(program, body)
        made = guest.Guest(self.path("stage/lib/hull"), kernel=self.path("stage/lib/hull/initramfs"), bzimage="/bz")
        made.devices += [devices.Disk("/a", readonly=True), devices.Disk("/b", direct=True, properties="io=sync"),
                         devices.Nic("tap0", "10.9.0.1", "255.255.255.0", "queues=2"), devices.Vsock(77)]
        return made

    def devices_of(self, peer, program):
        """The end of its command line, which has them."""
        with mock.patch.dict(os.environ, self.env()):
            one = peers.ALL[peer](self.guest(program), self.dir)
            return one, " ".join(one.command())

    def test_devices(self):
        one, words = self.devices_of("hull-vmm", "bin/hull-vmm")
        self.assertTrue(words.endswith(f" --disk /a,ro --disk /b,direct,io=sync --net tap=tap0,queues=2 "
                                       f"--vsock cid=3,uds={self.dir}/vsock"), words)
        self.assertEqual(one.vsock_address(), f"unix:{self.dir}/vsock")
        one, words = self.devices_of("qemu", "qemu-system-x86_64")
        self.assertTrue(words.endswith(
            " -global virtio-mmio.force-legacy=false"
            " -blockdev driver=file,node-name=disk0,filename=/a,read-only=on,auto-read-only=off"
            " -device virtio-blk-device,drive=disk0 -object iothread,id=thread1"
            " -blockdev driver=file,node-name=disk1,filename=/b,cache.direct=on,aio=io_uring,discard=unmap"
            " -device virtio-blk-device,drive=disk1,iothread=thread1"
            " -netdev tap,id=net2,ifname=tap0,script=no,downscript=no,vhost=off -device virtio-net-device,netdev=net2"
            " -device vhost-vsock-device,guest-cid=77"), words)
        self.assertEqual(one.vsock_address(), "vsock:77")
        with mock.patch.object(guest.Guest, "bzimage", "/bz"):
            one, words = self.devices_of("kvmtool", "lkvm")
        self.assertIn(" --disk /a,ro --disk /b,direct --network mode=tap,tapif=tap0 --vsock 77 --params", words)
        self.assertNotIn("mode=none", words)
        _, words = self.devices_of("cloud-hypervisor", "cloud-hypervisor")
        self.assertTrue(words.endswith(f" --disk path=/a,readonly=on path=/b,direct=on --net "
                                       f"tap=tap0,ip=10.9.0.1,mask=255.255.255.0 --vsock cid=3,socket={self.dir}/vsock"), words)

    def test_devices_of_firecracker(self):
        one, _ = self.devices_of("firecracker", "firecracker")
        with mock.patch.dict(os.environ, self.env()):
            self.assertEqual(one.missing(), "its disks go through the page cache")
        found = one.config()
        self.assertEqual([(disk["path_on_host"], disk["is_read_only"], disk["is_root_device"]) for disk in found["drives"]],
                         [("/a", True, False), ("/b", False, False)])
        self.assertEqual(found["network-interfaces"], [{"iface_id": "eth0", "host_dev_name": "tap0"}])
        self.assertEqual(found["vsock"], {"guest_cid": 3, "uds_path": f"{self.dir}/vsock"})

    def test_no_vhost_vsock(self):
        self.program("qemu-system-x86_64")
        with mock.patch.dict(os.environ, self.env()):
            one = peers.ALL["qemu"](self.guest("qemu-system-x86_64"), self.dir)
            with mock.patch.object(base, "VHOST_VSOCK", self.path("none")):
                self.assertRegex(one.missing(), "its vsock takes /.*/none, the module vhost_vsock")
            with mock.patch.object(base, "VHOST_VSOCK", self.dir):
                self.assertIsNone(one.missing())

    def layout(self):
        top = self.path("image")
        os.makedirs(os.path.join(top, "blobs", "sha256"))

        def blob(data):
            digest = hashlib.sha256(data).hexdigest()
            with open(os.path.join(top, "blobs", "sha256", digest), "wb") as file:
                file.write(data)
            return {"digest": "sha256:" + digest, "size": len(data)}

        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as tar:
            tar.addfile(tarfile.TarInfo("hello"), io.BytesIO())
        manifest = blob(json.dumps({"layers": [blob(data.getvalue())]}).encode())
        self.write(os.path.join(top, "index.json"), json.dumps({"manifests": [manifest]}))
        return top

    def test_runtimes(self):
        image = self.layout()
        for name in "crun", "runc":
            self.program(name, text=CONTAINER)
            self.once(name, env={"HULL_BENCH_IMAGE": image})
            self.assertRegex(self.words(name), f"^--root /.*/state run --bundle /.*/bundle hull-bench-peer-{name}-")
            found = json.loads(self.words("config"))
            self.assertEqual(found["process"]["args"], ["echo", "container: ready"])
            self.assertEqual({one["type"] for one in found["linux"]["namespaces"]},
                             {"pid", "network", "ipc", "uts", "mount"})
            self.assertRegex(found["root"]["path"], "/rootfs$")

    def test_image_that_is_none(self):
        self.program("crun", text=CONTAINER)
        _, err = self.bench("boot", "--peers", "crun", code=2, env={"HULL_BENCH_IMAGE": self.stage})
        self.assertIn("stage is no OCI layout: run scripts/make-images", err)

    def test_list(self):
        self.program("firecracker")
        out, _ = self.bench("peers")
        self.assertRegex(out, r"firecracker +guest +firecracker 1.2.3\n")
        self.assertRegex(out, r"cloud-hypervisor +guest +not installed: no cloud-hypervisor in PATH\n")
        self.assertRegex(out, r"hull +container +no /")

    def test_initramfs(self):
        path = guest.initramfs(self.path("initramfs"), self.path("stage/lib/hull/vmlinux"),
                               files=[("more", self.path("stage/lib/hull/initramfs"))])
        with open(path, "rb") as file:
            data = file.read()
        # dev, dev/console, dev/mem, init, more, the end.
        self.assertEqual(data.count(b"070701"), 6)
        self.assertEqual(len(data) % 4, 0)
        for name in b"dev/console", b"init", b"more", b"TRAILER!!!":
            self.assertIn(name + b"\0", data)


main()
