# SPDX-License-Identifier: Apache-2.0
"""hull-bench with the real programs: each boots, is measured, and one that never boots is counted."""
import json
import os

from guest import initramfs
from harness import LONG_DEADLINE, TOP, WorkDir, check, equal, match, run

BENCH = os.path.join(TOP, "bench", "hull-bench")


def measure(work, *args, code=None, env=None):
    """Return what hull-bench says and its result. Its limits are for a machine that does nothing else."""
    path = os.path.join(work, "result.json")
    result = run(BENCH, *args, "--json", path, timeout=LONG_DEADLINE, env=env)
    check(result.code in ((0, 1) if code is None else (code,)), "exit code:", result)
    with open(path, encoding="utf-8") as file:
        return result, json.load(file)


def test_boot():
    with WorkDir() as work:
        said, result = measure(work, "boot", "--runs", "2", "--warmup", "1", "--peers", "hull,hull-vmm,qemu,crun")
        equal(result["skipped"], {}, "skipped")
        equal([(one["peer"], one["round"], one["failed"]) for one in result["runs"]],
              [(peer, at, None) for at in (0, 1) for peer in ("hull", "hull-vmm", "qemu", "crun")], "runs")
        for one in result["runs"]:
            values = one["values"]
            check(0 < values["mark_us"] <= values["wall_us"] and 0 < values["cpu_us"], "values:", one)
            times = [phase["at_us"] for phase in one["phases"]]
            check(times == sorted(times) and times[0] >= 0, "phases:", one)
            cpu = [phase["cpu_us"] for phase in one["phases"] if phase["cpu_us"] is not None]
            check(cpu == sorted(cpu), "CPU times:", one)
        phases = [phase["phase"] for phase in result["runs"][0]["phases"]]
        check(set(phases) >= {"hull started", "image ready", "monitor spawned", "first KVM_RUN", "init started",
                              "command started", "first output", "VM ended", "all ended"}, "hull's phases:", phases)
        match("qemu .* hull-vmm/qemu [0-9.]+$", said.out, "table")
        match("crun .* hull/crun [0-9.]+$", said.out, "table")


def test_vm_that_never_boots():
    with WorkDir() as work:
        other = initramfs(os.path.join(work, "other"), "hang")
        said, result = measure(work, "boot", "--runs", "1", "--warmup", "0", "--peers", "hull-vmm", "--timeout", "15", code=1,
                               env={"HULL_BENCH_OPTIONS": "--initrd=" + other})
        equal([one["failed"] for one in result["runs"]], ["did not end within 15 s"], "failed")
        match("hull-vmm: 1 of 1 runs failed", said.out, "table")


def test_memory():
    with WorkDir() as work:
        said, result = measure(work, "memory", "--warmup", "0", "--count", "1,2", "--peers", "hull,hull-vmm,crun")
        equal([one["failed"] for one in result["runs"]], [None] * len(result["runs"]), "failed")
        for peer in "hull", "hull-vmm", "crun":
            found = [one for one in result["runs"] if one["peer"] == peer]
            equal([one["x"] for one in found], [None, ["VMs", 1], ["VMs", 2], None], f"runs of {peer}")
            values = found[0]["values"]
            check(0 < values["written_kib"] <= values["private_kib"] <= values["resident_kib"], peer, values)
        # The guest's RAM isn't the monitor's own.
        check(found_of(result, "hull-vmm", "resident_kib") < 16 << 10, "resident:", said)
        check(found_of(result, "hull", "further_pss_kib") > 1 << 10, "each further:", said)


def no_failure(result):
    equal([one["failed"] for one in result["runs"]], [None] * len(result["runs"]), "failed")


def test_exec():
    with WorkDir() as work:
        said, result = measure(work, "exec", "--runs", "2", "--warmup", "1", "--peers", "hull,crun", "--mib", "2")
        no_failure(result)
        for peer in "hull", "crun":
            for metric in "exec_us", "exec_cpu_us", "stream_mib_s":
                check(found_of(result, peer, metric) > 0, peer, metric, said)
        check(found_of(result, "hull", "vsock_mib_s") > 0, "vsock:", said)
        phases = result["runs"][0]["phases"]
        equal([phase["phase"] for phase in phases], ["command made", "command started", "command ended"], "phases")
        cpu = [phase["cpu_us"] for phase in phases]
        check(0 < cpu[0] and cpu == sorted(cpu), "CPU times:", phases)


def test_api():
    with WorkDir() as work:
        said, result = measure(work, "api", "--runs", "2", "--warmup", "1", "--requests", "100")
        equal(list(result["skipped"]), ["firecracker"], "skipped")
        no_failure(result)
        for metric in "start_us", "request_us", "connection_us", "configure_us", "instance_start_us":
            check(found_of(result, "hull-vmm", metric) > 0, metric, said)
        equal(found_of(result, "hull-vmm", "grown_fds"), 0, "descriptors grown")


def test_density():
    with WorkDir() as work:
        said, result = measure(work, "density", "--runs", "1", "--warmup", "0", "--at-once", "2", "--max", "2",
                               "--settle", "0", "--peers", "hull")
        no_failure(result)
        check(0 < found_of(result, "hull", "rate") < 1000, "rate:", said)
        equal(found_of(result, "hull", "started"), 2, "started")
        check(2 < found_of(result, "hull", "fit") < 1024, "fit:", said)
        check(found_of(result, "hull", "further_kib") > 1 << 10, "each further:", said)


def found_of(result, peer, metric):
    return next(one["values"][metric] for one in result["runs"] if one["peer"] == peer and metric in one["values"])
