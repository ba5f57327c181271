# SPDX-License-Identifier: Apache-2.0
"""hull-bench with the real programs: each boots, is measured, and one that never boots is counted."""
import glob
import json
import os
import signal

from guest import initramfs
from harness import LONG_DEADLINE, TOP, USER, WorkDir, check, equal, finish, match, needs_root, run, start, wait_for

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


def left():
    """Of what hull-bench makes on the host: loop devices, mounts, tap devices, namespaces, files."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = [line for line in file if "hull-bench" in line]
    namespaces = {os.readlink(path) for pid in filter(str.isdigit, os.listdir("/proc"))
                  for kind in ("net", "mnt") for path in [f"/proc/{pid}/ns/{kind}"] if os.path.lexists(path) and alive(pid)}
    return {"loop": glob.glob("/sys/block/loop*/loop/backing_file"), "mounts": mounts, "namespaces": len(namespaces),
            "interfaces": sorted(os.listdir("/sys/class/net")), "files": glob.glob("/dev/shm/*") + glob.glob("/tmp/hull-bench*")}


def alive(pid):
    try:
        os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return False
    return True


def values_of(result, peer):
    equal([one["failed"] for one in result["runs"] if one["peer"] == peer], [None], f"runs of {peer}")
    return next(one["values"] for one in result["runs"] if one["peer"] == peer)


def check_devices(command, jobs, limited, *options):
    """One round of these jobs by hull-vmm and QEMU has a figure for each, is held against its limit, and leaves nothing."""
    needs_root()
    before = left()
    with WorkDir() as work:
        said, result = measure(work, command, "--runs", "1", "--jobs", ",".join(jobs), "--peers", "hull-vmm,qemu", *options)
        equal(result["skipped"], {}, "skipped")
        for peer in "hull-vmm", "qemu":
            equal(set(values_of(result, peer)), jobs, peer)
        match(f"hull-vmm / qemu, {limited}: [0-9.]+, at least 1.00", said.out, "limits")
    equal(left(), before, "left on the host")


def test_block():
    check_devices("block", {"randread-1", "write-128k"}, "4 KiB random read, depth 1", "--ms", "300")


def test_net():
    check_devices("net", {"to-host-1", "to-guest-4"}, "1 stream to the host", "--mib", "4")


def test_net_without_rights():
    needs_root()
    result = run("setpriv", "--reuid", str(USER), "--clear-groups", "--regid", str(USER), BENCH, "net", "--peers", "qemu",
                 timeout=LONG_DEADLINE)
    result.expect_error(2, "a network namespace of its own: Operation not permitted: a tap device takes root", by="hull-bench")


def test_vsock():
    needs_root()
    before = left()
    with WorkDir() as work:
        said, result = measure(work, "vsock", "--runs", "1", "--warmup", "0", "--mib", "1", "--trips", "20", "--peers",
                               "hull-vmm,qemu")
        equal(result["skipped"], {}, "skipped")
        for peer in "hull-vmm", "qemu":
            equal(set(values_of(result, peer)), {"to_guest", "to_host", "round_trip_us"}, peer)
        match("hull-vmm / qemu, round trip: [0-9.]+, limit 1.50", said.out, "limits")
    equal(left(), before, "left on the host")


def test_system_calls():
    needs_root()
    with WorkDir() as work:
        said, result = measure(work, "vsock", "--runs", "1", "--warmup", "0", "--mib", "1", "--trips", "20", "--peers",
                               "hull-vmm", "--calls", code=0)
        equal(len(result["runs"]), 2, "runs")
        values = result["runs"][1]["values"]
        # A round trip is at the least a message in, one out, and the wait for it.
        check(3 <= values["round_trip_calls"] < 100 and values["to_host_calls"] > 1, "system calls:", values)
        match("hull-vmm, echo: system calls [0-9.]+: .*epoll_wait", said.err, "stderr")


def test_signal_leaves_nothing():
    needs_root()
    before = left()
    for command in ("block", "--ms", "60000"), ("net",), ("vsock", "--mib", "10000"):
        running = start(BENCH, *command, "--peers", "hull-vmm")
        wait_for(lambda: running.poll() is not None or guests(), f"a guest of {command[0]}")
        running.send_signal(signal.SIGTERM)
        finish(running).expect(128 + signal.SIGTERM, b"", b"")
        equal(guests(), [], "guests")
        equal(left(), before, f"left on the host by {command[0]}")


def guests():
    return [name for name in filter(str.isdigit, os.listdir("/proc")) if comm(name) == "hull-vmm"]


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return None
