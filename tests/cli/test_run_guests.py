#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`hull run` against a stand-in for hull-vmm. Guests and monitors that fail, and the times of those that do not."""
import json
import os
import signal
import time

from run_case import RunCase, main


class GuestsTest(RunCase):
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


if __name__ == "__main__":
    main()
