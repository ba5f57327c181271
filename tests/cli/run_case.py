# SPDX-License-Identifier: Apache-2.0
"""`hull run` against a stand-in for hull-vmm that needs no KVM: what its tests share.

Usage of each: test_run_NAME.py HULL FAKE_MONITOR
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
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


class RunCase(unittest.TestCase):
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


def main():
    # As a shell starts its commands, whatever this was started by: a script's background job ignores some.
    for signo in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(signo, signal.SIG_DFL)
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
