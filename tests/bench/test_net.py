# SPDX-License-Identifier: Apache-2.0
"""hull-bench net: the guest's script with programs that stand in for iperf3 and ip, and what is missing."""
import os
import subprocess

from case import Case, main

from hull_bench import cmd_net, process, shell

# Not there at first; several streams have a sum.
IPERF3 = r"""#!/bin/sh
[ "$1" != --version ] || exit 0
echo "$@" >>"$TURNS.iperf3"
[ -e "$TURNS.there" ] || { : >"$TURNS.there"; exit 1; }
cat <<END
[  5]   0.00-1.00   sec   512 MBytes  4300 Mbits/sec    0             sender
[  5]   0.00-1.00   sec   512 MBytes  4200 Mbits/sec                  receiver
END
case "$*" in *-P*) echo '[SUM]   0.00-1.00   sec  2.00 GBytes  9000.5 Mbits/sec                  receiver' ;; esac
"""


class Net(Case):
    def setUp(self):
        super().setUp()
        self.program("qemu-system-x86_64")
        self.program("ip", text="#!/bin/sh\necho \"$@\" >>\"$TURNS.ip\"\n")

    def guest(self, names):
        text = shell.JOB + cmd_net.script(names, 8) + f"\necho '{shell.END}'\n"
        done = subprocess.run(["sh", "-c", text], env=self.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              timeout=60, check=True)
        return shell.figures(done.stdout.decode().replace("\n", "\r\n"), names)

    def test_script(self):
        self.program("iperf3", text=IPERF3)
        self.assertEqual(self.guest(list(cmd_net.JOBS)), {"to-host-1": 4200.0, "to-guest-1": 4200.0,
                                                          "to-host-4": 9000.5, "to-guest-4": 9000.5})
        with open(self.turns + ".iperf3", encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(lines[:2], ["-c 10.9.0.1 -n 4M"] * 2)
        self.assertEqual(lines[2:], ["-f m -c 10.9.0.1 -n 8M", "-f m -c 10.9.0.1 -n 8M -R",
                                     "-f m -c 10.9.0.1 -n 8M -P 4", "-f m -c 10.9.0.1 -n 8M -P 4 -R"])
        with open(self.turns + ".ip", encoding="utf-8") as file:
            self.assertIn("addr add 10.9.0.2/24 dev eth0\n", file.read())

    def test_transfer_that_fails(self):
        self.program("iperf3", text=IPERF3.replace("cat <<END", "case \"$*\" in *-n\\ 8M*) exit 1 ;; esac\ncat <<END"))
        with self.assertRaisesRegex(process.Failed, "no figure of to-host-1"):
            self.guest(["to-host-1"])

    def test_no_iperf3(self):
        self.fails("net", "--peers", "qemu", words=r"iperf3 is not installed \(scripts/setup --test does it\)$")

    def test_no_tap_device(self):
        self.program("iperf3", text=IPERF3)
        self.program("ip", text="#!/bin/sh\necho 'ioctl(TUNSETIFF): Operation not permitted' >&2; exit 1\n")
        self.fails("net", "--peers", "qemu", words="Operation not permitted: a tap device takes root$|/dev/net/tun is missing",
                   env={"HULL_BENCH_TOOLS": self.write(self.path("tools"), "")})

    def test_bad_arguments(self):
        for args in ["--jobs", "to-host-2"], ["--mib", "0"]:
            self.bench("net", *args, code=2)
        self.assertFalse(os.path.exists(self.turns))


main()
