# SPDX-License-Identifier: Apache-2.0
"""The API as Firecracker's clients use it: every resource in every state, their first steps, clients that race or
misbehave, metrics, exit codes."""
import errno
import json
import os
import re
import signal
import socket
import threading

from api_client import DOCUMENT, Vmm, curl, resident
from guest import CMDLINE, debian_disk, initramfs
from harness import (KERNEL, LONG_DEADLINE, TOP, VMM, WorkDir, check, equal, finish, kill, match, read_until,
                     run)


def resources(work):
    """Every resource: method, path, body; and what it answers before the start and after it."""
    drive = {"drive_id": "data", "path_on_host": os.path.join(work, "data"), "is_root_device": False}
    before = [
        ("PUT", "/boot-source", {"kernel_image_path": KERNEL, "initrd_path": os.path.join(work, "initramfs"),
                                 "boot_args": CMDLINE + " probe=hang"}),
        ("PUT", "/machine-config", {"vcpu_count": 2, "mem_size_mib": 128}),
        ("PATCH", "/machine-config", {"vcpu_count": 1}), ("PUT", "/cpu-config", {}), ("PUT", "/drives/data", drive),
        ("PUT", "/vsock", {"guest_cid": 3, "uds_path": os.path.join(work, "v.sock")}),
        ("PUT", "/serial", {"rate_limiter": {"size": 1 << 20, "refill_time": 100}}),
        ("PUT", "/entropy", {"rate_limiter": {"ops": {"size": 1000, "refill_time": 10, "one_time_burst": 10}}}),
        ("PUT", "/balloon", {"amount_mib": 0, "deflate_on_oom": False, "stats_polling_interval_s": 1}),
        ("PUT", "/logger", {"log_path": os.path.join(work, "log"), "level": "Info"}),
        ("PUT", "/metrics", {"metrics_path": os.path.join(work, "metrics")}),
    ]
    after = [
        ("PATCH", "/vm", {"state": "Resumed"}), ("PATCH", "/drives/data", {"drive_id": "data"}),
        ("PATCH", "/balloon", {"amount_mib": 0}), ("GET", "/balloon/statistics", None),
        ("PATCH", "/balloon/statistics", {"stats_polling_interval_s": 1}),
    ]
    always = [("GET", path, None) for path in ("/", "/version", "/vm/config", "/machine-config",
                                               "/metrics/prometheus")]
    never = [(method.upper(), path.replace("{", "").replace("}", ""), {})
             for path, operations in DOCUMENT.document["paths"].items() for method, operation in operations.items()
             if method != "parameters" and operation["summary"].startswith("Not supported yet")]
    return before, after, always, never


def unsupported(vmm, never):
    for method, path, body in never:
        vmm.fault("not supported yet", method, path, body)


def test_every_resource_in_every_state():
    with WorkDir() as work, Vmm(work) as vmm:
        initramfs(os.path.join(work, "initramfs"))
        with open(os.path.join(work, "data"), "wb") as file:
            file.truncate(1 << 20)
        before, after, always, never = resources(work)

        # Not configured.
        for request in always:
            vmm.ok(*request)
        for request in after:
            vmm.fault("only possible after", *request)
        unsupported(vmm, never)
        vmm.fault("has none", "GET", "/balloon")
        vmm.fault("no metrics_path", "PUT", "/actions", {"action_type": "FlushMetrics"})
        vmm.fault("not started", "PUT", "/actions", {"action_type": "SendCtrlAltDel"})
        vmm.fault("no kernel", "PUT", "/actions", {"action_type": "InstanceStart"})

        # Configured, and again: what can be said once only says so.
        for request in before:
            vmm.ok(*request)
        for request in before[:-1]:
            vmm.ok(*request)
        vmm.fault("already", *before[-1])
        for request in always:
            vmm.ok(*request)
        for request in after:
            vmm.fault("only possible after", *request)
        unsupported(vmm, never)
        vmm.ok("GET", "/balloon")
        vmm.ok("PUT", "/actions", {"action_type": "FlushMetrics"})

        vmm.start()
        read_until(vmm.process.stdout, "probe: hanging")
        for state in ("Running", "Paused"):
            if state == "Paused":
                vmm.ok("PATCH", "/vm", {"state": "Paused"})
            equal(vmm.state(), state, "state")
            for request in always:
                vmm.ok(*request)
            for request in before:
                vmm.fault("only possible before", *request)
            for request in after[1:]:
                vmm.ok(*request)
            unsupported(vmm, never)
            vmm.ok("GET", "/balloon")
            vmm.ok("PUT", "/actions", {"action_type": "FlushMetrics"})
            vmm.fault("started already", "PUT", "/actions", {"action_type": "InstanceStart"})
            equal(vmm.state(), state, "state")
        vmm.ok(*after[0])
        equal(vmm.state(), "Running", "state")

        # Ended: nobody is there.
        kill(vmm.process.pid, signal.SIGTERM)
        equal(finish(vmm.process).code, 1, "exit code")
        with socket.socket(socket.AF_UNIX) as client:
            equal(client.connect_ex(vmm.sock), errno.ECONNREFUSED, "the socket's answer")


def test_what_devices_count():
    with WorkDir() as work, Vmm(work, "--id", "c-1") as vmm:
        data, lines = os.path.join(work, "data"), os.path.join(work, "metrics")
        with open(data, "wb") as file:
            file.truncate(4 << 20)
        vmm.ok("PUT", "/drives/data", {"drive_id": "data", "path_on_host": data, "is_root_device": False})
        vmm.ok("PUT", "/entropy", {})
        vmm.ok("PUT", "/metrics", {"metrics_path": lines})
        vmm.boot_source("disk-hold")
        vmm.start()
        read_until(vmm.process.stdout, "probe: hanging")
        os.truncate(data, 8 << 20)
        vmm.ok("PATCH", "/drives/data", {"drive_id": "data", "path_on_host": data})
        text = vmm.ok("GET", "/metrics/prometheus")
        vmm.ok("PUT", "/actions", {"action_type": "FlushMetrics"})
        with open(lines, encoding="utf-8") as file:
            line = [json.loads(line) for line in file][-1]
        disk = line["block_data"]
        check(disk["read_bytes"] >= 4096 and disk["write_bytes"] >= 4096, disk)
        check(0 < disk["read_count"] <= disk["read_bytes"] / 512, disk)
        equal(line["block_data"], line["block"], "the only disk, and all disks")
        equal(line["block"]["update_count"], 1, "update_count")
        check(line["vcpu"]["exit_mmio_write"] > 10 and line["vcpu"]["exit_io_out"] > 10, line["vcpu"])
        check(line["uart"]["write_count"] > 20, line["uart"])
        check(line["interrupts"]["triggers"] > 0, line["interrupts"])
        sample = match(r'^hull_block_read_bytes_total\{drive_id="data"\} (\d+)$', text, "text")
        equal(int(sample.group(1)), line["block"]["read_bytes"], "read_bytes")
        match(r'^hull_vm_info\{id="c-1",version="[\d.]+"\} 1$', text, "text")
        check(text.endswith("# EOF\n"), "no end:", text[-100:])
        openmetrics(text)


def openmetrics(text):
    """Check the text's form: each family once, its TYPE and HELP before its samples, which have the right suffix."""
    suffixes = {"counter": "_total", "gauge": "", "info": "_info"}
    family, kind, seen = None, None, set()
    for line in text.splitlines()[:-1]:
        head = re.fullmatch(r"# (TYPE|HELP) (\w+) (.+)", line)
        if head and head.group(1) == "TYPE":
            family, kind = head.group(2), head.group(3)
            check(family not in seen and kind in suffixes, line)
            seen.add(family)
        elif head:
            equal(head.group(2), family, "HELP")
        else:
            sample = re.fullmatch(r"(\w+)(\{\w+=\"[^\"]*\"(,\w+=\"[^\"]*\")*\})? \d+", line)
            check(sample, line)
            equal(sample.group(1), family + suffixes[kind], "sample")


def test_getting_started():
    """Firecracker's documented first steps, command by command, with a distribution's kernel and root disk. The guest
    has a shell instead of a user: it looks at what the steps have made, and restarts, as they do at the end."""
    disk = debian_disk()
    with WorkDir() as work, Vmm(work) as vmm:
        log = os.path.join(work, "firecracker.log")
        with open(log, "wb"):
            pass

        def put(path, body):
            curl(vmm, "-f", "-X", "PUT", "--data", json.dumps(body), f"http://localhost/{path}").expect(0, "")

        run("ip", "tuntap", "add", "dev", "tap0", "mode", "tap").expect(0)
        try:
            put("logger", {"log_path": log, "level": "Debug", "show_level": True, "show_log_origin": True})
            put("machine-config", {"vcpu_count": 1, "mem_size_mib": 512})
            look = r"tr ' ' '\n' < /proc/cmdline | grep ^root="
            put("boot-source", {
                "kernel_image_path": f"{disk}/vmlinuz-6.1", "initrd_path": f"{disk}/initrd-6.1",
                "boot_args": "console=ttyS0 reboot=k panic=1 quiet init=/bin/sh -- -c "
                             f"\"{look}; uname -r; head -n 1 /etc/os-release; exec /usr/sbin/reboot -ff\""})
            put("drives/rootfs", {"drive_id": "rootfs", "path_on_host": f"{disk}/root.img", "is_root_device": True,
                                  "is_read_only": True})
            put("network-interfaces/net1", {"iface_id": "net1", "guest_mac": "06:00:AC:10:00:02",
                                            "host_dev_name": "tap0"})
            put("actions", {"action_type": "InstanceStart"})
            result = finish(vmm.process, LONG_DEADLINE)
        finally:
            run("ip", "link", "delete", "tap0")
        equal(result.code, 0, "exit code")
        out = result.out.replace(b"\r", b"")
        match("^root=/dev/vda$", out, "console")
        match(r"^6\.1\..*cloud-amd64$", out, "console")
        match("^PRETTY_NAME=.Debian", out, "console")
        with open(log, encoding="utf-8") as file:
            match(r"\[anonymous-instance:hull-vmm:DEBUG:vmm/routes\.c:\d+\] api: PUT /actions", file.read(), "log")


def test_the_readme_session():
    """The commands under README's "Over the API", as they stand there."""
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        block = file.read().split("## Over the API", 1)[1].split("```")[1]
    lines = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    with WorkDir() as work:
        os.symlink(KERNEL, os.path.join(work, "vmlinux"))
        initramfs(os.path.join(work, "initramfs"), "hang")
        with open(os.path.join(work, "root.img"), "wb") as file:
            file.truncate(1 << 20)
        sock = os.path.join(work, "vm.sock")
        script = "\n".join(["set -e", lines[0], f"until [ -S {sock} ]; do sleep 0.05; done", *lines[1:], "kill $!"])
        result = run("bash", "-c", script.replace("/tmp/vm.sock", sock), cwd=work,
                     env={"PATH": os.path.dirname(VMM) + ":" + os.environ["PATH"]})
        equal(result.code, 0, "exit code")
        check(len(lines) == 7, "commands:", lines)
        match("^# EOF$", result.out, "output")
        match('^hull_block_read_bytes_total.drive_id="root"', result.out, "output")


def test_the_order_of_the_go_sdk():
    """What firecracker-go-sdk says from Machine.Start to StopVMM, in its order, with the fields that it sends."""
    with WorkDir() as work, Vmm(work, "--id", "3b241101-e2bb-4255-8caf-4136c566a962", "--no-seccomp") as vmm:
        data = os.path.join(work, "data")
        with open(data, "wb") as file:
            file.truncate(1 << 20)
        initramfs(os.path.join(work, "initramfs"))
        for name in ("log.fifo", "metrics.fifo"):
            os.mkfifo(os.path.join(work, name))
        vmm.ok("GET", "/machine-config")
        vmm.ok("PUT", "/logger", {"level": "Debug", "log_path": os.path.join(work, "log.fifo"), "show_level": True,
                                  "show_log_origin": False})
        vmm.ok("PUT", "/metrics", {"metrics_path": os.path.join(work, "metrics.fifo")})
        machine = {"mem_size_mib": 128, "smt": False, "track_dirty_pages": False, "vcpu_count": 1}
        vmm.ok("PUT", "/machine-config", machine)
        got = vmm.ok("GET", "/machine-config")
        equal({name: got[name] for name in machine}, machine, "machine-config")
        vmm.ok("PUT", "/boot-source", {"kernel_image_path": KERNEL, "initrd_path": os.path.join(work, "initramfs"),
                                       "boot_args": CMDLINE + " probe=hang"})
        vmm.ok("PUT", "/drives/1", {"drive_id": "1", "is_read_only": False, "is_root_device": False,
                                    "path_on_host": data})
        vmm.ok("PUT", "/vsock", {"guest_cid": 3, "uds_path": os.path.join(work, "v.sock"), "vsock_id": "1"})
        vmm.ok("PUT", "/actions", {"action_type": "InstanceStart"})
        vmm.ok("PATCH", "/vm", {"state": "Paused"})
        vmm.ok("PATCH", "/vm", {"state": "Resumed"})
        vmm.ok("PATCH", "/drives/1", {"drive_id": "1", "path_on_host": data})
        info = vmm.ok("GET", "/")
        equal((info["app_name"], info["state"]), ("Firecracker", "Running"), "instance")
        kill(vmm.process.pid, signal.SIGTERM)
        finish(vmm.process)


def test_two_clients_race():
    """Start, pause and patch from two sides: each is done once or refused, and what is told of it is so."""
    with WorkDir() as work, Vmm(work) as vmm:
        vmm.boot_source("hang")
        answers = in_parallel([lambda: vmm.request("PUT", "/actions", {"action_type": "InstanceStart"})] * 4)
        equal(sorted(status for status, _ in answers), [204, 400, 400, 400], "statuses")
        for _ in range(10):
            answers = in_parallel([lambda: vmm.request("PATCH", "/vm", {"state": "Paused"}),
                                   lambda: vmm.request("PATCH", "/vm", {"state": "Resumed"})] * 3)
            for status, answer in answers:
                check(status == 204 or "another client has resumed it" in answer["fault_message"], status, answer)
            check(vmm.state() in ("Running", "Paused"), vmm.state())
        vmm.ok("PATCH", "/vm", {"state": "Paused"})
        equal(vmm.state(), "Paused", "state")
        vmm.ok("PATCH", "/vm", {"state": "Resumed"})
        equal(vmm.state(), "Running", "state")
        read_until(vmm.process.stdout, "probe: hanging")


def in_parallel(calls):
    results = [None] * len(calls)

    def one(number):
        results[number] = calls[number]()

    threads = [threading.Thread(target=one, args=[n]) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(None not in results, "a client had no answer")
    return results


def test_bad_clients_and_a_good_one():
    """A slow head, half a body, a client that never reads, one that is gone: others are served meanwhile."""
    with WorkDir() as work, Vmm(work) as vmm:
        bad = [socket.socket(socket.AF_UNIX) for _ in range(5)]
        for client in bad:
            client.connect(vmm.sock)
        bad[0].sendall(b"GET / HT")
        bad[1].sendall(b"PUT /entropy HTTP/1.1\r\nContent-Length: 2\r\n\r\n{")
        bad[2].setblocking(False)
        try:
            while True:
                bad[2].send(b"GET /vm/config HTTP/1.1\r\n\r\n" * 100)
        except BlockingIOError:
            pass
        bad[3].sendall(b"GET /version HTTP/1.1\r\n\r\n")
        bad[3].shutdown(socket.SHUT_WR)
        bad[4].sendall(b"PUT /entropy HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
        for _ in range(50):
            vmm.ok("GET", "/")
        bad[3].settimeout(20)
        match("firecracker_version", bad[3].recv(4096), "the answer of one that has sent all")
        equal(bad[3].recv(4096), b"", "what follows")
        bad[4].settimeout(20)
        match("400.*Transfer-Encoding is not supported", bad[4].recv(4096), "the answer to chunks")
        # Late, but whole.
        bad[0].sendall(b"TP/1.1\r\n\r\n")
        bad[0].settimeout(20)
        match("Not started", bad[0].recv(4096), "the answer of a slow one")
        check(resident(vmm.process.pid) < 16 << 10, "memory has grown")
        for client in bad:
            client.close()


def test_signals_have_exit_codes():
    """Before there is a guest, and where it is, in the jail."""
    codes = {signal.SIGSYS: 148, signal.SIGBUS: 149, signal.SIGSEGV: 150, signal.SIGXFSZ: 151, signal.SIGXCPU: 154,
             signal.SIGHUP: 156, signal.SIGILL: 157, signal.SIGTERM: 1}
    for signo, code in codes.items():
        for running in (False, True):
            with WorkDir() as work, Vmm(work) as vmm:
                if running:
                    vmm.boot_source("hang")
                    vmm.start()
                kill(vmm.process.pid, signo)
                result = finish(vmm.process)
                equal(result.code, code, f"exit code for {signo}, running {running}")
                match(f"ended by (signal {int(signo)} |{signo.name}$)", result.err, "stderr")


def test_a_guest_that_panics():
    with WorkDir() as work, Vmm(work) as vmm:
        vmm.boot_source("panic")
        vmm.start()
        equal(finish(vmm.process).code, 18, "exit code")
