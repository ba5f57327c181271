# SPDX-License-Identifier: Apache-2.0
"""hull-bench vsock with monitors that only wait, and a program that stands in for the host's end."""
import os
import time

from case import Case, main

from hull_bench import calls, process

HOLDS = """#!/bin/sh
case "$*" in --version) echo 1; exit 0 ;; esac
echo "$@" >>"$TURNS"
echo $$ >>"$TURNS.pids"
: >"$SOCKET"
echo "init: ready"
exec sleep 1000
"""
HOST = """#!/bin/sh
echo "$@" >>"$TURNS.host"
%s
case $2 in to-guest) echo 500000 ;; to-host) echo 250000 ;; echo) echo 3000 ;; esac
"""


class Vsock(Case):
    def setUp(self):
        super().setUp()
        self.program("bin/hull-vmm", text=HOLDS.replace(': >"$SOCKET"', 'for word; do case $word in *,uds=*) : >"${word#*=*=}" '
                                                        ';; esac; done'))
        self.host("")
        self.write(os.path.join(self.stage, "lib", "hull", "bench", "bench-vsock-guest"), "guest")

    def host(self, body):
        self.program("lib/hull/bench/bench-vsock-host", text=HOST % body)

    def vsock(self, *args, **kw):
        return self.measure("vsock", "--peers", "hull-vmm", "--warmup", "0", *args, **kw)

    def left(self):
        with open(self.turns + ".pids", encoding="utf-8") as file:
            return list(filter(process.lives, file.read().split()))

    def test_figures(self):
        result, out, _ = self.vsock("--runs", "2", "--mib", "10", "--trips", "100")
        self.assertEqual([one["values"] for one in result["runs"]],
                         [{"to_guest": 20.0, "to_host": 40.0, "round_trip_us": 30.0}] * 2)
        self.assertRegex(out, r"round trip .*\n +hull-vmm +30.0 us")
        with open(self.turns + ".host", encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertRegex(lines[3], "^unix:/.*/peer-hull-vmm/vsock to-guest 65536 10485760$")
        self.assertRegex(lines[5], "^unix:/.* echo 64 6400$")
        self.assertEqual(len(lines), 12)
        with open(self.turns, encoding="utf-8") as file:
            self.assertRegex(file.read(), "--vsock cid=3,uds=/.*/peer-hull-vmm/vsock")
        self.assertEqual(self.left(), [])

    def test_job_that_hangs(self):
        self.host("[ $2 != to-host ] || sleep 1000")
        began = time.monotonic()
        result, out, _ = self.vsock("--runs", "2", "--timeout", "1", code=1)
        self.assertLess(time.monotonic() - began, 60)
        self.assertEqual([one["failed"] for one in result["runs"]], ["to-host: did not end within 1 s"] * 2)
        self.assertIn("hull-vmm: 2 of 2 runs failed", out)
        self.assertEqual(self.left(), [])

    def test_job_that_fails(self):
        self.host("echo 'unix:x: cannot be reached' >&2; exit 3")
        result, _, _ = self.vsock("--runs", "1", code=1)
        self.assertEqual(result["runs"][0]["failed"], "to-guest: exit code 3: unix:x: cannot be reached")

    def test_guest_that_never_boots(self):
        self.program("bin/hull-vmm", text=HOLDS.replace("init: ready", "init: no").replace(': >"$SOCKET"', ""))
        result, _, _ = self.vsock("--runs", "1", "--timeout", "1", code=1)
        self.assertEqual(result["runs"][0]["failed"], "did not say 'init: ready' within 1 s")
        self.assertEqual(self.left(), [])

    def test_bad_arguments(self):
        for args in ["--chunk", "262145"], ["--chunk", "0"], ["--mib", "x"], ["--trips", "0"]:
            self.bench("vsock", *args, code=2)

    def test_calls(self):
        found = calls.parse("# event histogram\n{ id: sys_epoll_wait                [232] } hitcount:       2094\n"
                            "{ id: sys_write                     [  1] } hitcount:       2083\n\nTotals:\n    Hits: 9\n")
        self.assertEqual(found, {"epoll_wait": 2094, "write": 2083})


main()
