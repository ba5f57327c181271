# SPDX-License-Identifier: Apache-2.0
"""hull-bench that is ended by a signal leaves no process and no file behind."""
import os
import shutil
import signal
import subprocess
import sys
import time

from case import BENCH, Case, main

from hull_bench import process

HANGS = """#!/bin/sh
case "$*" in --version) echo 1; exit 0 ;; esac
setsid sleep 1000 >/dev/null &
echo $! $$ >>"$TURNS.pids"
echo "init: no"
exec sleep 1000
"""


class Signals(Case):
    def setUp(self):
        super().setUp()
        os.symlink("/usr/bin/setsid", os.path.join(self.bin, "setsid"))
        self.program("qemu-system-x86_64", text=HANGS)
        self.tmp = self.path("tmp")
        os.mkdir(self.tmp)

    def pids(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if os.path.exists(self.turns + ".pids"):
                with open(self.turns + ".pids", encoding="utf-8") as file:
                    found = file.read().split()
                if len(found) == 2:
                    return found
            time.sleep(0.02)
        return self.fail("no guest was started")

    def kill(self, pid):
        """What a test that failed would leave."""
        if process.lives(pid):
            os.kill(pid, signal.SIGKILL)

    def ended_by(self, number, command):
        running = subprocess.Popen([sys.executable, os.path.join(BENCH, "hull-bench"), command, "--peers", "qemu"],
                                   env=self.env(TMPDIR=self.tmp), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        try:
            pids = self.pids()
            running.send_signal(number)
            out = running.communicate(timeout=60)[0].decode()
        finally:
            running.kill()
            running.wait()
        return running.returncode, out, pids

    def test_nothing_is_left(self):
        for command in "boot", "memory", "density":
            for number in signal.SIGINT, signal.SIGTERM:
                if os.path.exists(self.turns + ".pids"):
                    os.unlink(self.turns + ".pids")
                code, out, pids = self.ended_by(number, command)
                self.assertEqual((code, out), (128 + number, ""), command)
                self.assertEqual(list(filter(process.lives, pids)), [], command)
                self.assertEqual(os.listdir(self.tmp), [], command)

    def test_killed_beside_the_emulated_host(self):
        """With a source tree whose kvm-host is a script."""
        os.makedirs(self.path("tree/scripts"))
        shutil.copytree(BENCH, self.path("tree/bench"), ignore=shutil.ignore_patterns("__pycache__"))
        os.symlink(shutil.which("setpriv"), os.path.join(self.bin, "setpriv"))
        self.write(self.path("tree/scripts/kvm-host"), '#!/bin/sh\necho $$ $$ >"$TURNS.pids"\nexec sleep 1000\n', 0o755)
        running = subprocess.Popen([sys.executable, self.path("tree/bench/hull-bench"), "boot", "--emulated"],
                                   env=self.env(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            pids = self.pids()
            self.addCleanup(self.kill, int(pids[0]))
        finally:
            running.kill()
            running.wait()
        end = time.monotonic() + 20
        while any(map(process.lives, pids)) and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(list(filter(process.lives, pids)), [])

    def test_killed(self):
        code, _, pids = self.ended_by(signal.SIGKILL, "boot")
        self.assertEqual(code, -signal.SIGKILL)
        end = time.monotonic() + 20
        while any(map(process.lives, pids)) and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(list(filter(process.lives, pids)), [])


main()
