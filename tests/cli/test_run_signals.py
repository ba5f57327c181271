#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`hull run` against a stand-in for hull-vmm. Signals, and containers whose end they are."""
import fcntl
import os
import shutil
import signal
import subprocess
import time

from run_case import DEADLINE, JAIL, RunCase, main, processes_of, wait_for


class SignalsTest(RunCase):
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


if __name__ == "__main__":
    main()
