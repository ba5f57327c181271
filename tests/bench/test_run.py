# SPDX-License-Identifier: Apache-2.0
"""hull-bench-run: what it says of a command and of all that it leaves behind."""
import json
import os
import subprocess
import time

from case import RUN, Case, main


class Run(Case):
    def measure(self, *command, options=(), code=0, **kw):
        done = subprocess.run([RUN, *options, self.path("out"), *command], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60, check=False, **kw)
        self.assertEqual(done.returncode, code, done.stderr)
        if code:
            return done.stderr.decode()
        with open(self.path("out"), encoding="utf-8") as file:
            return json.load(file)

    def test_mark(self):
        found = self.measure("sh", "-c", "echo early; sleep 0.2; printf 'now it is rea'; sleep 0.1; echo dy; sleep 0.2",
                             options=["--mark", "ready"])
        self.assertLess(found["first_us"], found["mark_us"] - 200000)
        self.assertLess(300000, found["mark_us"])
        self.assertLess(found["mark_us"] + 150000, found["exit_us"])
        self.assertLessEqual(found["exit_us"], found["wall_us"])
        self.assertEqual((found["exit"], found["timeout"]), (0, False))

    def test_mark_after_much_output(self):
        found = self.measure("sh", "-c", "head -c 1000000 /dev/zero; echo ready", options=["--mark", "ready"])
        self.assertLess(0, found["mark_us"])
        self.assertEqual(self.measure("echo", "read y", options=["--mark", "ready"])["mark_us"], 0)

    def test_cpu_time_of_children_counts(self):
        work = "import os, time\nwhile time.process_time() < 0.3: pass"
        found = self.measure("sh", "-c", f"python3 -c '{work}'; true")
        self.assertLess(300000, found["user_us"] + found["system_us"])
        found = self.measure("sh", "-c", f"python3 -c '{work}; print(1)' & sleep 0.01")
        self.assertLess(300000, found["user_us"] + found["system_us"])
        self.assertLess(found["exit_us"], found["wall_us"])

    def test_cpu_time_at_the_mark(self):
        work = "import os, time\nwhile time.process_time() < 0.3: pass\nprint(1, flush=True)\ntime.sleep(0.2)"
        for command in (["python3", "-c", work], ["sh", "-c", f"python3 -c '{work}'; true"]):
            found = self.measure(*command, options=["--mark", "1"])
            self.assertLess(300000, found["mark_cpu_us"])
            self.assertLessEqual(found["mark_cpu_us"], found["user_us"] + found["system_us"])

    def test_what_is_left_behind_is_waited_for(self):
        found = self.measure("sh", "-c", "setsid sleep 0.5 >/dev/null & exit 0")
        self.assertLess(found["exit_us"], 400000)
        self.assertLess(500000, found["wall_us"])

    def test_timeout_ends_all(self):
        began = time.monotonic()
        pids = self.path("pids")
        found = self.measure("sh", "-c", f"(setsid sleep 100 & echo $! >{pids}); setsid sleep 100 & sleep 100",
                             options=["--timeout", "1"])
        self.assertLess(time.monotonic() - began, 20)
        self.assertTrue(found["timeout"])
        self.assertEqual(found["exit"], 128 + 9)
        with open(pids, encoding="utf-8") as file:
            self.assertFalse(os.path.exists(f"/proc/{file.read().strip()}"))

    def test_output_is_kept(self):
        for options in (), ("--mark", "1"):
            self.measure("sh", "-c", "echo 1; echo error >&2; python3 -c 'print(\"x\" * 100000)'",
                         options=["--output", self.path("kept"), *options])
            with open(self.path("kept"), encoding="utf-8") as file:
                self.assertEqual(file.read(), "1\n" + "x" * 100000 + "\n")
        self.assertIn("/nonexistent/kept: No such file",
                      self.measure("true", options=["--output", "/nonexistent/kept"], code=125))
        if os.path.exists("/dev/full"):
            self.assertIn("--output: No space left",
                          self.measure("echo", options=["--output", "/dev/full"], code=125))

    def test_signal_ends_all(self):
        pids = self.path("pids")
        running = subprocess.Popen([RUN, self.path("out"), "sh", "-c",
                                    f"(setsid sleep 100 & echo $! >{pids}); echo $$ >>{pids}; sleep 100"])
        end = time.monotonic() + 20
        found = []
        while len(found) < 2 and time.monotonic() < end:
            if os.path.exists(pids):
                with open(pids, encoding="utf-8") as file:
                    found = file.read().split()
            time.sleep(0.02)
        running.terminate()
        self.assertEqual(running.wait(20), 0)
        with open(self.path("out"), encoding="utf-8") as file:
            self.assertTrue(json.load(file)["timeout"])
        self.assertEqual([pid for pid in found if os.path.exists(f"/proc/{pid}")], [])

    def test_timeout_by_a_file(self):
        clock = self.write(self.path("clock"), "100\n")
        ticker = subprocess.Popen(["sh", "-c", f"sleep 1.5; echo 200 >{clock}"])
        began = time.monotonic()
        found = self.measure("sleep", "100", options=["--timeout", "50", "--clock", clock])
        self.assertTrue(found["timeout"])
        self.assertLess(1, time.monotonic() - began)
        ticker.wait()

    def test_exit_codes(self):
        self.assertEqual(self.measure("sh", "-c", "exit 7")["exit"], 7)
        self.assertEqual(self.measure("sh", "-c", "kill -TERM $$")["exit"], 128 + 15)
        self.assertEqual(self.measure("/nonexistent")["exit"], 127)

    def test_faults(self):
        self.assertIn("usage:", self.measure("true", options=["--mark", ""], code=125))
        self.assertIn("usage:", self.measure("true", options=["--timeout", "0"], code=125))
        self.assertIn("cannot be read", self.measure("true", options=["--clock", "/nonexistent"], code=125))
        done = subprocess.run([RUN, "/nonexistent/out", "true"], capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"/nonexistent/out: No such file", done.stderr)


main()
