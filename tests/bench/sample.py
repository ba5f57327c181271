# SPDX-License-Identifier: Apache-2.0
"""Results as hull-bench makes them."""
from hull_bench import machine, results

ICOUNT = {"mode": "icount", "cpu": "EPYC", "cpus": 1, "memory_mib": 3933, "kernel": "6.1.0-40-amd64", "commit": "c" * 40,
          "emulator": "QEMU emulator version 7.2.17 (Debian)", "outside": {"cpu": "A", "kernel": "5.1"}}


def described(**changes):
    found = dict(ICOUNT, **changes)
    return dict(found, fingerprint=machine.fingerprint(found))


def result(command="boot", values=(10000,), **changes):
    made = results.new(command, [command], described(**changes), {"cpu_us": results.metric("CPU time", "us")})
    made["peers"]["qemu"] = {"version": "7", "workload": "guest", "command": ["qemu"]}
    made["runs"] = [results.run("qemu", at, values={"cpu_us": value},
                                phases=[results.phase("ready", value / 2, value / 2), results.phase("end", value, value)])
                    for at, value in enumerate(values)]
    return made
