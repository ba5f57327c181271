#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`hull run` against a stand-in for hull-vmm: what it does with options, streams, signals and guests.

Usage: test_run.py HULL FAKE_MONITOR
"""

import fcntl
import json
import os
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import termios
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))

import layout  # noqa: E402

HULL, FAKE = sys.argv[1:3]
# What a machine that only builds need not have.
JAIL = ["--jail-without", "cgroup"]
DEADLINE = 120


def make_image(path, config):
    """An OCI layout with one layer of one empty folder."""
    layer = layout.put_blob(path, layout.archive(layout.folder("etc")), "layer.v1.tar")
    image = {"architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine], "os": "linux", "config": config,
             "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
    layout.write_index(path, {"schemaVersion": 2, "mediaType": layout.PREFIX + "manifest.v1+json",
                              "config": layout.put_blob(path, json.dumps(image).encode(), "config.v1+json"),
                              "layers": [layer]})


def processes_of(folder):
    """Pids of processes whose program lies in a folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as f:
                words = f.read().split("\0")
            # The stand-in for hull-vmm is a script.
            program = words[1] if "python" in words[0] and len(words) > 1 else os.readlink(f"/proc/{pid}/exe")
            if program.startswith(folder + "/"):
                with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                    if f.read().rsplit(")", 1)[1].split()[0] != "Z":
                        found.append(int(pid))
        except OSError:
            pass
    return found


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())


class RunTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = os.path.realpath(tempfile.mkdtemp(prefix="hull-cli-"))
        cls.stage = os.path.join(cls.dir, "stage")
        os.makedirs(os.path.join(cls.stage, "bin"))
        os.makedirs(os.path.join(cls.stage, "lib", "hull"))
        cls.hull = os.path.join(cls.stage, "bin", "hull")
        shutil.copy(HULL, cls.hull)
        shutil.copy(FAKE, os.path.join(cls.stage, "bin", "hull-vmm"))
        os.chmod(os.path.join(cls.stage, "bin", "hull-vmm"), 0o755)
        for name in ("vmlinux", "initramfs"):
            with open(os.path.join(cls.stage, "lib", "hull", name), "w", encoding="utf-8"):
                pass
        cls.image = os.path.join(cls.dir, "image")
        make_image(cls.image, {"Cmd": ["sh", "-c", "echo image cmd $FROM_IMAGE"],
                               "Env": ["FROM_IMAGE=yes", "BOTH=image"]})
        cls.store = os.path.join(cls.dir, "store")
        # The first run builds the image.
        cls.start_env = dict(os.environ, HULL_STORE=cls.store)
        subprocess.run([cls.hull, "run", *JAIL, cls.image, "true"], env=cls.start_env, check=True,
                       timeout=DEADLINE)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def tearDown(self):
        if not wait_for(lambda: not processes_of(self.stage)):
            left = processes_of(self.stage)
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            self.fail(f"left behind: {left}")
        self.assertEqual(os.listdir(os.path.join(self.store, "tmp")), [])

    def env(self, guest=None, extra=None):
        env = dict(self.start_env, **(extra or {}))
        if guest:
            env["FAKE_GUEST"] = guest
        return env

    def run_hull(self, *args, guest=None, data=None, extra=None, **kw):
        """hull run ARGS; standard input is closed or @data."""
        if data is None and "stdin" not in kw:
            kw["stdin"] = subprocess.DEVNULL
        return subprocess.run([self.hull, "run", *JAIL, *args], env=self.env(guest, extra), input=data,
                              capture_output=True, timeout=DEADLINE, check=False, **kw)

    def start(self, *args, guest=None, **kw):
        return subprocess.Popen([self.hull, "run", *JAIL, *args], env=self.env(guest), **kw)

    def sh(self, script, *options, **kw):
        return self.run_hull(*options, self.image, "sh", "-c", script, **kw)

    def check(self, result, code, out=None, err=None):
        self.assertEqual(result.returncode, code, result.stderr)
        if out is not None:
            self.assertEqual(result.stdout, out)
        if err is not None:
            self.assertRegex(result.stderr.decode(), err)

    def fails(self, result, err, code=125):
        """One line on standard error, nothing else."""
        self.check(result, code, b"", err)
        self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)

    # Commands and options

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

    # What runs

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

    # Streams

    def test_streams_stay_apart(self):
        self.check(self.sh("echo out; echo err >&2; echo out2"), 0, b"out\nout2\n", "^err\n$")

    def test_binary_both_ways(self):
        data = os.urandom(10 << 20)
        self.check(self.run_hull("-i", self.image, "cat", data=data), 0, data, "^$")

    def test_files(self):
        data = os.urandom(3 << 20)
        with tempfile.TemporaryFile() as src, tempfile.TemporaryFile() as dst:
            src.write(data)
            src.seek(0)
            p = self.start("-i", self.image, "cat", stdin=src, stdout=dst)
            self.assertEqual(p.wait(DEADLINE), 0)
            dst.seek(0)
            self.assertEqual(dst.read(), data)

    def test_stdin_is_empty_without_interactive(self):
        r = self.run_hull(self.image, "cat", data=b"unread")
        self.check(r, 0, b"")

    def test_stdin_end_of_file(self):
        self.check(self.sh("cat; echo after", "-i", data=b""), 0, b"after\n")

    def test_command_that_ignores_its_input(self):
        p = self.start("-i", self.image, "true", stdin=subprocess.PIPE)
        self.assertEqual(p.wait(DEADLINE), 0)
        p.stdin.close()

    def test_stdin_is_left_when_the_command_closed_it(self):
        r, w = os.pipe()
        p = self.start("-i", self.image, "sh", "-c", "exec <&-; echo closed; sleep 0.3", stdin=r,
                       stdout=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"closed\n")
        time.sleep(0.1)
        os.write(w, b"for the next")
        self.assertEqual(p.wait(DEADLINE), 0)
        p.stdout.close()
        os.close(w)
        self.assertEqual(os.read(r, 100), b"for the next")
        os.close(r)

    def test_reader_that_leaves(self):
        p = self.start(self.image, "sh", "-c", "trap '' PIPE; while echo x; do :; done 2>/dev/null;"
                       "exit 3", stdout=subprocess.PIPE)
        self.assertEqual(p.stdout.read(2), b"x\n")
        p.stdout.close()
        self.assertEqual(p.wait(DEADLINE), 3)
        p = self.start(self.image, "yes", stdout=subprocess.PIPE)
        p.stdout.read(2)
        p.stdout.close()
        # The stand-in's command writes to a socket, where a blocked write may fail without SIGPIPE.
        self.assertIn(p.wait(DEADLINE), (1, 128 + signal.SIGPIPE))

    def test_full_disk(self):
        with open("/dev/full", "wb") as full:
            for code, told in (4, 4), (0, 125):
                p = self.start(self.image, "sh", "-c", f"echo x; exit {code}", stdout=full,
                               stderr=subprocess.PIPE)
                err = p.communicate(timeout=DEADLINE)[1]
                self.assertEqual(p.returncode, told)
                self.assertEqual(err, b"hull: standard output: No space left on device\n")

    def test_slow_reader_gets_all(self):
        p = self.start(self.image, "head", "-c", "1000000", "/dev/zero", stdout=subprocess.PIPE)
        time.sleep(0.5)
        self.assertIsNone(p.poll())
        self.assertEqual(len(p.stdout.read()), 1000000)
        p.stdout.close()
        self.assertEqual(p.wait(DEADLINE), 0)

    def test_shared_descriptors_keep_their_flags(self):
        r, w = os.pipe()
        p = self.start("-i", self.image, "cat", stdin=r, stdout=w)
        time.sleep(0.3)
        for fd in (r, w):
            self.assertFalse(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(DEADLINE), 143)
        os.close(r)
        os.close(w)

    def test_nonblocking_descriptors(self):
        data = os.urandom(1 << 20)
        r, w = os.pipe()
        in_r, in_w = os.pipe()
        os.set_blocking(w, False)
        os.set_blocking(in_r, False)
        p = self.start("-i", self.image, "cat", stdin=in_r, stdout=w)
        os.close(w)
        os.close(in_r)
        feeder = os.fork()
        if not feeder:
            os.close(r)
            with os.fdopen(in_w, "wb") as f:
                time.sleep(0.2)
                f.write(data)
            os._exit(0)
        os.close(in_w)
        with os.fdopen(r, "rb") as f:
            self.assertEqual(f.read(), data)
        self.assertEqual(p.wait(DEADLINE), 0)
        os.waitpid(feeder, 0)

    def test_closed_descriptors(self):
        r = subprocess.run(["sh", "-c", '"$0" run --jail-without cgroup "$1" sh -c "echo x; echo y >&2; exit 5" '
                            "<&- >&-", self.hull, self.image], env=self.env(), stderr=subprocess.PIPE,
                           check=False, timeout=DEADLINE)
        self.check(r, 5, None, "^y\n$")

    # Signals

    def started(self, script, *options, guest=None, **kw):
        """A container that runs @script and has said "ready"."""
        p = self.start(*options, self.image, "sh", "-c", script, guest=guest,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
        self.assertEqual(p.stdout.readline().strip(), b"ready")
        return p

    def ended(self, p, code):
        out, err = p.communicate(timeout=DEADLINE)
        self.assertEqual(p.returncode, code, err)
        return out, err

    def test_signals_are_passed_on(self):
        for name in ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2"):
            p = self.started(f"trap 'echo got; exit 7' {name}; echo ready; "
                             "while :; do sleep 0.05; done")
            p.send_signal(getattr(signal, "SIG" + name))
            self.assertEqual(self.ended(p, 7), (b"got\n", b""))

    def test_signal_that_kills(self):
        p = self.started("echo ready; exec sleep 20")
        p.terminate()
        self.assertEqual(self.ended(p, 143), (b"", b""))

    def test_signal_that_is_ignored_at_the_start_stays_ignored(self):
        p = self.started("trap 'exit 9' HUP; echo ready; for i in 1 2 3 4 5; do sleep 0.1; done",
                         preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
                         restore_signals=False)
        p.send_signal(signal.SIGHUP)
        self.ended(p, 0)

    def test_signal_before_the_start(self):
        for signo in (signal.SIGINT, signal.SIGTERM):
            p = self.start(self.image, guest="silent", stderr=subprocess.PIPE)
            self.assertTrue(wait_for(lambda: len(processes_of(self.stage)) == 2))
            time.sleep(0.1)
            p.send_signal(signo)
            self.assertEqual(self.ended(p, 128 + signo)[1], b"")

    def test_signal_while_the_image_is_prepared(self):
        store = os.path.join(self.dir, "locked")
        env = dict(self.start_env, HULL_STORE=store)
        subprocess.run([self.hull, "run", *JAIL, self.image, "true"], env=env, check=True,
                       timeout=DEADLINE)
        shutil.rmtree(os.path.join(store, "rootfs"))
        locks = []
        for name in os.listdir(os.path.join(store, "locks")):
            if name != "tmp":
                locks.append(os.open(os.path.join(store, "locks", name), os.O_RDWR))
                fcntl.flock(locks[-1], fcntl.LOCK_EX)
        p = subprocess.Popen([self.hull, "run", *JAIL, self.image, "true"], env=env,
                             stderr=subprocess.PIPE)
        time.sleep(0.5)
        self.assertIsNone(p.poll())
        p.send_signal(signal.SIGINT)
        self.assertEqual(self.ended(p, 130), (None, b""))
        for fd in locks:
            os.close(fd)

    def test_sigkill_leaves_nothing(self):
        p = self.started("echo ready; exec sleep 20", "--name", "victim")
        self.assertEqual(len(processes_of(self.stage)), 2)
        p.kill()
        self.ended(p, -9)
        self.assertTrue(wait_for(lambda: not processes_of(self.stage)))
        self.check(self.run_hull("--name", "victim", self.image, "true"), 0)

    def test_signal_while_output_waits(self):
        p = self.start(self.image, "sh", "-c", "head -c 1000000 /dev/zero & sleep 0.2; exit 3",
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.6)
        # The first one may still meet the command.
        p.terminate()
        self.assertTrue(wait_for(lambda: p.poll() is not None or p.send_signal(signal.SIGTERM),
                                 DEADLINE))
        self.assertIn(p.returncode, (3, 143))
        p.stdout.close()
        p.stderr.close()

    def test_names_are_unique(self):
        p = self.started("echo ready; exec sleep 20", "--name", "twin")
        self.fails(self.run_hull("--name", "twin", self.image, "true"),
                   "name twin: in use by another running container")
        self.check(self.run_hull("--name", "twin2", self.image, "true"), 0)
        p.terminate()
        self.ended(p, 143)

    # Guests and monitors that fail

    def test_guest_that_never_dials(self):
        start = time.monotonic()
        r = self.run_hull("--start-timeout", "1", self.image, guest="silent")
        self.check(r, 125, b"", r"^hull: no contact from the guest within 1 s; the last lines of the "
                   r"guest's console:\n    booting, and booting\n$")
        self.assertLess(time.monotonic() - start, 30)

    def test_guest_that_panics(self):
        for code in (17, 18):
            r = self.run_hull(self.image, guest=f"exit={code}")
            self.check(r, 125, b"", r"^hull-vmm: something is wrong\nhull: the last lines of the "
                       r"guest's console:\n    \[    0.1\] guest's \?\[31mfirst words\n"
                       r"    \[.*last words\n$")

    def test_guest_that_ends(self):
        for code, text in ((0, "powered off before"), (16, "rebooted before")):
            self.check(self.run_hull(self.image, guest=f"exit={code}"), 125, b"", text)

    def test_monitor_that_reports(self):
        for code in (1, 19, 152, 153):
            self.fails(self.run_hull(self.image, guest=f"exit={code}"),
                       "^hull-vmm: something is wrong\n$")

    # As the first of a process ID namespace it could not kill itself.
    def test_monitor_that_is_killed(self):
        self.fails(self.run_hull("--no-jail", self.image, "sleep", "1", guest="killed"),
                   r"hull-vmm was killed by signal 9 \(Killed\)")

    def test_output_before_the_monitor_is_killed(self):
        r = self.run_hull("--no-jail", self.image, "sh", "-c", "sleep 0.3; head -c 100000 /dev/zero; kill -9 $PPID")
        self.check(r, 125, b"\0" * 100000, "killed by signal 9")

    def test_monitor_that_hangs_up(self):
        self.fails(self.run_hull(self.image, "sleep", "9", guest="vanish"), "closed its connection")
        for name in ("start", "wait"):
            self.fails(self.run_hull(self.image, "sleep", "9", guest="close=" + name), "closed its connection")

    def test_monitor_that_talks_nonsense(self):
        ok = r"HTTP/1.1 200 OK\r\n"
        for i, text in enumerate((
                     "hello\\n" * 400, r"\r\n\r\n", r"HTTP/1.1 99 \r\n\r\n", r"HTTP/2 200 OK\r\n\r\n",
                     "HTTP/1.1 200 " + "x" * 2000, ok + r"Content-Length: 99999999999999999999\r\n\r\n",
                     ok + r"Content-Length: -1\r\n\r\n", ok + r"Content-Length: 5x\r\n\r\n12345",
                     ok + "X: y" * 300 + r"\r\n\r\n", r"\0\xff" * 600,
                     r"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")):
            with self.subTest(text[:60]):
                name = ("start", "wait")[i % 2]
                self.fails(self.run_hull(self.image, "sleep", "9", guest=f"{name}={text}"), "hull-vmm")

    def test_monitor_that_tells_an_odd_end(self):
        for body in ("", "{}", "[]", "{", '{"exit_code": 256}', '{"exit_code": -1}', '{"exit_code": "1"}',
                     '{"exit_code": 1e3}', '{"exit_code": null}', "[" * 5000, '{"exit_code": 99999999999999999999}'):
            with self.subTest(body[:60]):
                text = rf"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                self.fails(self.run_hull(self.image, "sleep", "9", guest="wait=" + text), "about the container's end")
        body = json.dumps({"exit_code": 126, "error": "two\nlines\x1b[31m"}).replace("\\", "\\\\")
        text = rf"HTTP/1.1 200 OK\r\nContent-Length: {len(body) - body.count(chr(92)) // 2}\r\n\r\n{body}"
        self.fails(self.run_hull(self.image, "sleep", "9", guest="wait=" + text), r"^hull: two\?lines\?\[31m\n$", 126)

    def test_monitor_that_says_half(self):
        for text in ("HTTP/1.1 2", r"HTTP/1.1 204 No\r\n", r"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n{", ""):
            with self.subTest(text):
                self.fails(self.run_hull("--start-timeout", "1", self.image, "sleep", "9", guest="start=" + text),
                           "no contact from the guest within 1 s")
        self.fails(self.run_hull("--start-timeout", "1", self.image, guest="mute"), "no contact from the guest")

    def test_monitor_that_refuses_the_streams(self):
        for guest in ("noattach", "halfattach"):
            self.fails(self.run_hull(self.image, "sleep", "9", guest=guest), "the container's streams")

    def test_end_before_the_start(self):
        self.fails(self.run_hull("--start-timeout", "1", self.image, guest="swap"), "no contact")

    def test_guest_that_floods(self):
        self.check(self.run_hull(self.image, "echo", "x", guest="flood"), 0, b"x\n", "^$")

    def test_guest_that_does_not_power_off(self):
        p = self.started("echo ready; exit 6", guest="lazy")
        time.sleep(0.3)
        p.terminate()
        self.ended(p, 6)

    def test_guest_that_ignores_signals(self):
        p = self.started("echo ready; sleep 1", guest="deaf")
        for _ in range(2000):
            p.send_signal(signal.SIGUSR1)
        self.ended(p, 0)

    def test_timing(self):
        r = self.run_hull("--timing", self.image, "echo", "x")
        self.check(r, 0, b"x\n")
        rows = [line[:18].strip() for line in r.stderr.decode().splitlines()[1:]]
        self.assertEqual(sorted(rows), sorted([
            "hull started", "image ready", "monitor spawned", "monitor started",
            "devices ready", "kernel loaded", "first KVM_RUN", "init started", "init connected", "command started",
            "first output", "command exited", "VM ended"]))
        took = [float(line.split()[-1]) for line in r.stderr.decode().splitlines()[1:]]
        self.assertGreaterEqual(min(took), 0)

    def test_timing_file(self):
        path = os.path.join(self.dir, "timing.json")
        self.check(self.run_hull("--timing-file", path, self.image, "echo", "x"), 0, b"x\n", "^$")
        with open(path, encoding="utf-8") as f:
            phases = {phase["phase"]: phase for phase in json.load(f)["phases"]}
        self.assertEqual([phases[name].get("cpu_ns") for name in ("monitor started", "devices ready", "command exited")],
                         [1000, None, 9000])
        self.assertEqual({phases[name]["by"] for name in ("hull started", "image ready", "monitor spawned", "VM ended")},
                         {"hull"})
        cpu = [phases[name]["cpu_ns"] for name in ("hull started", "image ready", "monitor spawned", "VM ended")]
        self.assertEqual(cpu, sorted(cpu))
        self.assertLess(0, cpu[0])
        times = [phase["ns"] for phase in phases.values()]
        self.assertEqual(times, sorted(times))

    def test_timing_file_that_cannot_be_written(self):
        self.fails(self.run_hull("--timing-file", self.dir, self.image, "true"), "Is a directory")
        self.check(self.run_hull("--timing-file", "/dev/full", self.image, "true"), 125, b"",
                   "^hull: /dev/full: cannot be written\n$")

    def test_timing_of_a_late_start(self):
        r = self.run_hull("--timing", "--start-timeout", "1", self.image, guest="silent")
        self.check(r, 125, b"", "no contact from the guest within 1 s;(.|\n)*\nphase (.|\n)*first KVM_RUN")
        self.assertNotIn(b"init", r.stderr)
        self.check(self.run_hull("--timing", "--start-timeout", "1", self.image, guest="mute"), 125, b"",
                   "no contact from the guest within 1 s\nphase ")

    # Terminals

    def on_tty(self, *args, guest=None):
        """hull on a terminal of its own: (pid, master, the terminal's settings before)."""
        master, slave = os.openpty()
        before = termios.tcgetattr(slave)
        self.resize(master, 33, 77)
        pid = os.fork()
        if not pid:
            os.setsid()
            for fd in range(3):
                os.dup2(slave, fd)
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            os.execve(self.hull, [self.hull, "run", *JAIL, *args], self.env(guest))
        os.close(slave)
        return pid, master, before

    def resize(self, master, rows, columns):
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, master, text):
        data = b""
        while text not in data:
            self.assertTrue(select.select([master], [], [], DEADLINE)[0], data)
            try:
                got = os.read(master, 4096)
            except OSError:
                got = b""
            if not got:
                break
            data += got
        self.assertIn(text, data)
        return data

    def code_of(self, pid):
        self.assertTrue(wait_for(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT |
                                                   os.WNOHANG), DEADLINE))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_terminal(self):
        pid, master, before = self.on_tty("-it", self.image, "sh", "-c",
                                  "tty; stty size; echo $TERM; read x; echo got $x; exit 3")
        data = self.read_until(master, b"xterm")
        self.assertIn(b"/dev/pts/", data)
        self.assertIn(b"33 77", data)
        self.assertFalse(termios.tcgetattr(master)[3] & termios.ICANON)
        os.write(master, b"abc\r")
        self.read_until(master, b"got abc")
        self.assertEqual(self.code_of(pid), 3)
        self.assertEqual(termios.tcgetattr(master), before)
        os.close(master)

    def test_terminal_interrupt_and_resize(self):
        pid, master, _ = self.on_tty("-it", self.image, "sh", "-c",
                                     "trap 'stty size' WINCH; trap 'echo int; exit 9' INT; echo ready;"
                                     "while :; do sleep 0.05; done")
        self.read_until(master, b"ready")
        self.resize(master, 40, 90)
        self.read_until(master, b"40 90")
        os.write(master, b"\x03")
        self.read_until(master, b"int")
        self.assertEqual(self.code_of(pid), 9)
        os.close(master)

    def test_terminal_is_restored_after_sigkill(self):
        pid, master, before = self.on_tty("-it", self.image, "sh", "-c", "echo ready; sleep 20")
        self.read_until(master, b"ready")
        self.assertNotEqual(termios.tcgetattr(master), before)
        # Hold the terminal: otherwise its last user is gone with hull.
        slave = os.open(os.ttyname(os.open(f"/proc/{pid}/fd/0", os.O_RDWR | os.O_NOCTTY)),
                        os.O_RDWR | os.O_NOCTTY)
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.code_of(pid), -9)
        self.assertTrue(wait_for(lambda: termios.tcgetattr(master) == before))
        os.close(slave)
        os.close(master)

    def test_interrupt_without_tty_goes_to_the_group(self):
        inner = "trap 'echo inner; exit' INT; echo ready; while :; do sleep 0.05; done"
        pid, master, _ = self.on_tty("-e", "INNER=" + inner, self.image, "sh", "-c",
                                     "trap 'exit 4' INT; sh -c \"$INNER\"; exit 5")
        self.read_until(master, b"ready")
        os.write(master, b"\x03")
        self.read_until(master, b"inner")
        self.assertEqual(self.code_of(pid), 4)
        os.close(master)

    def test_tty_without_a_terminal(self):
        r = self.run_hull("-t", self.image, "sh", "-c", "test -t 1 && echo tty")
        self.check(r, 0, b"tty\r\n", "^$")
        r = self.run_hull("-it", self.image, "sh", "-c", "test -t 1 && echo tty")
        self.check(r, 0, b"tty\r\n", "hull: warn: standard input is not a terminal")


if __name__ == "__main__":
    # As a shell starts its commands, whatever this was started by: a script's background job ignores some.
    for signo in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(signo, signal.SIG_DFL)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
