#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`hull run` against a stand-in for hull-vmm. Options, and what the monitor and the container get of them."""
import os
import re
import resource
import shutil
import subprocess
import tarfile

from run_case import DEADLINE, HULL, RunCase, main


class OptionsTest(RunCase):
    def test_help_and_version(self):
        for args, text in ((["--help"], b"Commands:"), (["help", "run"], b"--env-file FILE"),
                           (["run", "--help"], b"Examples:"), (["--version"], b"hull 0.")):
            r = subprocess.run([self.hull, *args], capture_output=True, check=True)
            self.assertIn(text, r.stdout)
            self.assertEqual(r.stderr, b"")
        for line in subprocess.run([self.hull, "help", "run"], capture_output=True,
                                   check=True).stdout.splitlines():
            self.assertLessEqual(len(line), 100)

    def test_help_to_a_full_disk_fails(self):
        with open("/dev/full", "wb") as full:
            r = subprocess.run([self.hull, "--help"], stdout=full, stderr=subprocess.PIPE,
                               check=False)
        self.assertEqual(r.returncode, 125)

    def test_usage_errors(self):
        self.fails(self.run_hull(), "no image is given")
        self.fails(self.run_hull("--bogus", "x"), '^hull: unknown option "--bogus"')
        self.fails(self.run_hull("-Z", "x"), 'unknown option "-Z"')
        self.fails(self.run_hull("-e"), "-e needs a value")
        self.fails(self.run_hull("--cpus", "x", "x"), 'cpus: "x" is not a whole number')
        self.fails(self.run_hull("--cpus", "65", "x"), "65 is not from 1 to 64")
        self.fails(self.run_hull("--memory", "8M", "x"), "too small to boot")
        self.fails(self.run_hull("--memory", "100T", "x"), "more than this host has")
        self.fails(self.run_hull("--memory", "lots", "x"), "not a size")
        self.fails(self.run_hull("--disk", "1K", "x"), "--disk: 1K is not from")
        self.fails(self.run_hull("--disk=1G", "--read-only", "x"), "exclude each other")
        self.fails(self.run_hull("--workdir", "a", "x"), "not an absolute path")
        self.fails(self.run_hull("--hostname", "-a", "x"), "not a host name")
        self.fails(self.run_hull("--name", "a/b", "x"), "not a name")
        self.fails(self.run_hull("--start-timeout", "0", "x"), "not from 1")
        self.fails(self.run_hull("--tty=maybe", "x"), "neither")
        self.fails(self.run_hull("-e", "=x", "x"), "no variable name")
        self.fails(self.run_hull("--env-file", "/nonexistent", "x"), "/nonexistent: No such file")
        r = subprocess.run([self.hull, "walk"], capture_output=True, check=False)
        self.fails(r, '"walk" is not a command')

    def test_usage_errors_of_limits(self):
        for bad in ("1.", ".", "1.5.", "1.2345", "1.x", "-1.5", "+1.5", "1.5 "):
            self.fails(self.run_hull("--cpus", bad, "x"), f'--cpus: "{re.escape(bad)}" is neither a whole number nor')
        for bad in ("0.009", "0.0", "64.001", "65.0", "99999999999999999999999.5"):
            self.fails(self.run_hull("--cpus", bad, "x"), f"--cpus: {bad} is not from 0.01 to 64")
        self.fails(self.run_hull("--cpu-quota", "999", "x"), "--cpu-quota: 999 is not from 1000 to 64000000")
        self.fails(self.run_hull("--cpu-period", "1000001", "x"), "--cpu-period: 1000001 is not from 1000 to 1000000")
        self.fails(self.run_hull("--cpu-period", "1000", "x"), "--cpu-period goes with --cpu-quota")
        self.fails(self.run_hull("--cpu-quota", "2000", "--cpus", "1.5", "x"), "--cpus .* --cpu-quota exclude each other")
        self.fails(self.run_hull("--memory-swap", "511M", "x"), "--memory-swap: 535822336 bytes are less .* 536870912")
        self.fails(self.run_hull("--memory-swap", "-2", "x"), '--memory-swap: "-2" is not a size')
        self.fails(self.run_hull("--pids-limit", "4194305", "x"), "--pids-limit: 4194305 is not from 0 to 4194304")
        self.fails(self.run_hull("--pids-limit", "-2", "x"), '--pids-limit: "-2" is not a whole number')
        disk = "/sys/../dev/null"
        for option in ("--device-read-bps", "--device-write-bps", "--device-read-iops", "--device-write-iops"):
            self.fails(self.run_hull(option, "10M", "x"), f'{option}: "10M" is not DEVICE:RATE')
            self.fails(self.run_hull(option, ":10", "x"), f'{option}: ":10" is not DEVICE:RATE')
            self.fails(self.run_hull(option, disk + ":0", "x"), f"{option}: (0 is not from 1|.*leaves nothing)")
            self.fails(self.run_hull(option, disk + ":10", "x"), f"{option}: {disk} is not a block device")
            self.fails(self.run_hull(option, "/no/disk:10", "x"), f"{option}: /no/disk: No such file")
            self.fails(self.run_hull(option, disk + ":", "x"), f'{option}: "" is not')
        self.fails(self.run_hull("--device-read-iops", disk + ":1M", "x"), '"1M" is not a whole number')
        self.fails(self.run_hull("--jail-without", "cgroup,x", "x"), '--jail-without: "x" is none of cgroup, userns')
        self.fails(self.run_hull("--jail-without", "", "x"), '--jail-without: "" is none of')

    def words_of(self, *options):
        """The monitor's arguments, in pairs of each and the next."""
        r = self.run_hull(*options, self.image, guest="args")
        self.check(r, 0)
        words = r.stdout.decode().split("\n")
        return list(zip(words, words[1:]))

    def test_limits_of_the_guest(self):
        self.assertIn(("--cpus", "1"), self.words_of())
        self.assertIn(("--cpus", "64"), self.words_of("--cpus", "64"))
        # Each layer once, and hull's own not among them.
        self.assertIn(("--jail-without", "landlock,seccomp"),
                      self.words_of("--jail-without", "seccomp,cgroup,landlock,seccomp"))
        self.assertNotIn("--jail-without", [name for name, _ in self.words_of()])

    def test_limits_without_control_groups(self):
        """Something that was asked for is never left out silently. Where there is no cgroup v2 to be had."""
        in_mounts = ["unshare", "--mount", "sh", "-c",
                     "umount -l $(awk '/ - cgroup2 / { print $5 }' /proc/self/mountinfo); exec \"$@\"", "sh"]
        if os.geteuid() != 0 or subprocess.run([*in_mounts, "true"], check=False).returncode:
            self.skipTest("only root can take a mount away")

        def hull(*args):
            return subprocess.run([*in_mounts, self.hull, "run", *args, self.image, "echo", "x"], env=self.env(),
                                  capture_output=True, check=False, timeout=DEADLINE)

        self.fails(hull(), "^hull: jail: .*cgroup v2.*; with --jail-without cgroup it goes on$")
        for asked in (("--cpus", "1.5"), ("--cpu-quota", "50000"), ("--memory-swap", "1G")):
            self.fails(hull("--jail-without", "cgroup", *asked), f"^hull: {asked[0]}: .*cgroup v2")
            self.fails(hull("--no-jail", *asked), f"^hull: {asked[0]}: .*cgroup v2")
        # Those that the guest's kernel sets, or that are the guest's size.
        self.check(hull("--jail-without", "cgroup", "--pids-limit", "5", "--memory", "128M", "--cpus", "2"), 0, b"x\n", "^$")
        self.check(hull("--no-jail"), 0, b"x\n", "^$")

    def test_missing_image(self):
        self.fails(self.run_hull(os.path.join(self.dir, "nowhere")), "nowhere")

    def test_missing_parts(self):
        stage = os.path.join(self.dir, "half")
        os.makedirs(os.path.join(stage, "bin"))
        shutil.copy(HULL, os.path.join(stage, "bin", "hull"))
        r = subprocess.run([os.path.join(stage, "bin", "hull"), "run", self.image],
                           capture_output=True, env=self.env(), check=False)
        self.fails(r, "half/bin/hull-vmm, a part of hull: No such file")

    def test_monitor_arguments(self):
        r = self.run_hull("--cpus=3", "--memory", "256m", "--kernel", "/k", "--disk", "1M", "-i",
                          self.image, guest="args")
        self.check(r, 0)
        words = r.stdout.decode().split("\n")
        pairs = list(zip(words[1::2], words[2::2]))
        for pair in (("--cpus", "3"), ("--memory", "256"), ("--kernel", "/k"),
                     ("--initrd", os.path.join(self.stage, "lib/hull/initramfs"))):
            self.assertIn(pair, pairs)
        disks = [value for name, value in pairs if name == "--disk"]
        self.assertEqual(len(disks), 2)
        self.assertRegex(disks[0], r"^fd=\d+,ro,id=")

    def test_monitor_gets_no_other_descriptor(self):
        extra = os.open("/dev/null", os.O_RDONLY)
        os.set_inheritable(extra, True)
        r = self.run_hull(self.image, guest="args", pass_fds=[extra])
        os.close(extra)
        self.assertEqual(re.findall(rb"open (\d+)", r.stdout),
                         [b"%d" % fd for fd in range(11) if fd != 5])

    def test_few_descriptors(self):
        def limit(count):
            return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

        for count in range(8, 28):
            with self.subTest(count):
                self.fails(self.run_hull("-i", self.image, "true", preexec_fn=limit(count)), "Too many open files")
        self.check(self.run_hull("-i", self.image, "echo", "x", preexec_fn=limit(36)), 0, b"x\n", "^$")

    def test_files_of_limited_size(self):
        def limit(size):
            return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        store = os.path.join(self.dir, "limited")
        archive = "oci-archive:" + os.path.join(self.dir, "image.tar")
        with tarfile.open(os.path.join(self.dir, "image.tar"), "w") as tar:
            tar.add(self.image, ".")
        for image in self.image, archive:
            with self.subTest(image):
                r = subprocess.run([self.hull, "pull", "--store", store, image], capture_output=True,
                                   preexec_fn=limit(64), check=False, timeout=DEADLINE)
                self.fails(r, "(?i)file too large")
                self.assertEqual(os.listdir(os.path.join(store, "tmp")), [])
        with open(os.path.join(self.dir, "output"), "wb") as output:
            r = subprocess.run([self.hull, "--help"], stdout=output, stderr=subprocess.PIPE,
                               preexec_fn=limit(64), check=False)
        self.assertEqual(r.returncode, 125)
        self.assertEqual(r.stderr, b"hull: standard output: File too large\n")

    def test_image_command_and_arguments(self):
        self.check(self.run_hull(self.image), 0, b"image cmd yes\n", "^$")
        self.check(self.run_hull(self.image, "echo", "-n", "a b"), 0, b"a b")
        self.check(self.run_hull("--entrypoint", "echo", self.image), 0, b"\n")
        self.check(self.run_hull("--entrypoint", "echo", self.image, "x"), 0, b"x\n")
        self.check(self.run_hull("--entrypoint", "", self.image, "echo", "y"), 0, b"y\n")
        self.check(self.run_hull("--rm", "--", self.image, "echo", "--rm"), 0, b"--rm\n")

    def test_environment(self):
        path = os.path.join(self.dir, "env")
        with open(path, "w", encoding="utf-8") as f:
            f.write("# comment\n\nIN_FILE= spaces \"kept\" \nBOTH=file\nOWN\nUNSET_HERE\r\n")
        r = self.run_hull("--env-file", path, "-e", "A=b=c", "-eD=1", "--env=OWN2", "-e", "D=2",
                          "--hostname", "box", self.image, "env", extra={"OWN": "1", "OWN2": "2"})
        self.check(r, 0)
        self.assertEqual(sorted(r.stdout.decode().splitlines()), sorted([
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOSTNAME=box", "FROM_IMAGE=yes", "BOTH=file", "IN_FILE= spaces \"kept\" ", "OWN=1",
            "OWN2=2", "A=b=c", "D=2"]))

    def test_too_large(self):
        big = ["x" * 100000] * 3
        self.fails(self.run_hull(self.image, "echo", *big), "too large: more than 256 KiB")

    def test_exit_codes(self):
        for code in (0, 1, 42, 255):
            self.check(self.sh(f"exit {code}"), code, b"", "^$")
        self.check(self.sh("kill -9 $$"), 137, b"", "^$")
        self.check(self.sh("kill -SEGV $$"), 139, b"", "^$")
        self.fails(self.run_hull(self.image, "/nonexistent/x"), "^hull: ", 127)
        self.fails(self.run_hull(self.image, "/etc/passwd"), "^hull: ", 126)


if __name__ == "__main__":
    main()
