# SPDX-License-Identifier: Apache-2.0
"""A folder with a stage of stand-ins, in which hull-bench is run. Usage of each test: test_NAME.py HULL_BENCH_RUN"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
BENCH = os.path.realpath(os.path.join(HERE, "..", "..", "bench"))
sys.path.insert(0, BENCH)

RUN = os.path.realpath(sys.argv[1]) if len(sys.argv) > 1 else None

# Boots at once: notes its turn, says the mark and ends.
GUEST = """#!/bin/sh
case "$*" in --version|version) echo "$(basename "$0") 1.2.3"; exit 0 ;; esac
echo "$(basename "$0")" >>"$TURNS"
echo "$@" >"$TURNS.$(basename "$0")"
%s
echo "init: ready"
"""

# Does the jobs of the script that a guest is given as its second disk.
JOBS = GUEST % r"""
for word; do
	case $word in
	*filename=*/script,*) script=${word#*filename=} ;;
	*/script,ro) script=$word ;;
	esac
done
sed 's|>/dev/console||' "${script%%,*}" | sh
exit
"""


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="hull-bench-test-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.bin, self.stage = os.path.join(self.dir, "bin"), os.path.join(self.dir, "stage")
        self.turns = os.path.join(self.dir, "turns")
        for folder in (self.bin, os.path.join(self.stage, "bin"), os.path.join(self.stage, "lib", "hull", "bench")):
            os.makedirs(folder)
        shutil.copy(RUN, os.path.join(self.stage, "lib", "hull", "bench", "hull-bench-run"))
        for name in ("lib/hull/vmlinux", "lib/hull/initramfs", "lib/hull/bench/bench-init"):
            self.write(os.path.join(self.stage, name), name)
        # Only programs that each machine has: no peer that happens to be installed.
        for name in ("sh", "basename", "sleep", "cat", "python3", "git", "taskset", "env", "gnuplot", "sed", "awk"):
            found = shutil.which(name)
            if found:
                os.symlink(found, os.path.join(self.bin, name))

    def write(self, path, text, mode=0o644):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def path(self, name):
        return os.path.join(self.dir, name)

    def program(self, name, body="", text=None):
        """A stand-in in PATH, or with a folder in its name in the stage."""
        where = os.path.join(self.stage, name) if "/" in name else os.path.join(self.bin, name)
        return self.write(where, text or GUEST % body, 0o755)

    def fake_monitor(self, name):
        """fake_monitor.py as a program."""
        with open(os.path.join(HERE, "fake_monitor.py"), encoding="utf-8") as file:
            self.program(name, text=file.read())

    def requests(self):
        with open(self.turns + ".requests", encoding="utf-8") as file:
            return file.read().splitlines()

    def env(self, **changes):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HULL_")}
        return dict(kept, PATH=self.bin, HULL_BENCH_STAGE=self.stage, TURNS=self.turns, **changes)

    def bench(self, *args, code=0, env=None):
        done = subprocess.run([sys.executable, os.path.join(BENCH, "hull-bench"), *args], env=self.env(**(env or {})),
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, code, f"{out}\n{err}")
        return out, err

    def fails(self, *args, words, **kw):
        """One line that has these words, and exit code 2."""
        out, err = self.bench(*args, code=2, **kw)
        self.assertEqual(out, "")
        self.assertRegex(err, words)
        self.assertEqual(err.count("\n"), 1, err)

    def order(self):
        with open(self.turns, encoding="utf-8") as file:
            return file.read().split()

    def boot(self, *args, **kw):
        """hull-bench boot; its result."""
        return self.measure("boot", *args, **kw)

    def measure(self, command, *args, code=0, **kw):
        out, err = self.bench(command, "--json", self.path("result.json"), *args, code=code, **kw)
        if not os.path.getsize(self.path("result.json")):
            self.fail(f"no result: {out}\n{err}")
        with open(self.path("result.json"), encoding="utf-8") as file:
            return json.load(file), out, err


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
