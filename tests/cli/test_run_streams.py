#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`hull run` against a stand-in for hull-vmm. Streams and exit codes."""
import fcntl
import os
import signal
import subprocess
import tempfile
import time

from run_case import DEADLINE, RunCase, main


class StreamsTest(RunCase):
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


if __name__ == "__main__":
    main()
