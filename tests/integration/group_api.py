# SPDX-License-Identifier: Apache-2.0
"""hull-vmm driven over its API: a guest from configuration to its end, wrong states and fields, many clients."""
import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import threading

from api_client import Connection, Vmm, curl, resident
from group_net import Tap
from guest import CMDLINE, initramfs
from harness import (KERNEL, VMM, WorkDir, check, equal, finish, kill, match, needs_root, read_until, run, start,
                     wait_for)
from shell import disk_args


def test_a_session_by_curl():
    with WorkDir() as work, Vmm(work, "--id", "curl-1") as vmm:
        match('"state":"Not started"', curl(vmm, "http://localhost/").expect(0).out)
        match('"id":"curl-1"', curl(vmm, "http://localhost/").out)
        initramfs(os.path.join(work, "initramfs"))
        for path, body in (("machine-config", {"vcpu_count": 2, "mem_size_mib": 128}),
                           ("boot-source", {"kernel_image_path": KERNEL,
                                            "initrd_path": os.path.join(work, "initramfs"),
                                            "boot_args": CMDLINE + " probe=info"}),
                           ("actions", {"action_type": "InstanceStart"})):
            curl(vmm, "-f", "-X", "PUT", f"http://localhost/{path}", "-H", "Content-Type: application/json", "-d",
                 json.dumps(body)).expect(0, "")
        result = finish(vmm.process)
        equal(result.code, 0, "exit code")
        match("^probe: cpus 2\r?$", result.out.replace(b"\r", b""), "console")


def test_reboot_is_the_end():
    with WorkDir() as work, Vmm(work) as vmm:
        vmm.boot_source("reboot")
        vmm.start()
        equal(finish(vmm.process).code, 0, "exit code")


def test_pause_and_resume():
    with WorkDir() as work, Vmm(work) as vmm:
        vmm.ok("PUT", "/machine-config", {"vcpu_count": 2, "mem_size_mib": 128})
        vmm.boot_source("hang")
        vmm.start()
        equal(vmm.state(), "Running", "state")
        for _ in range(3):
            vmm.ok("PATCH", "/vm", {"state": "Paused"})
            equal(vmm.state(), "Paused", "state")
            vmm.ok("PATCH", "/vm", {"state": "Paused"})
            before = cpu_ticks(vmm.process.pid)
            vmm.ok("GET", "/vm/config")
            check(cpu_ticks(vmm.process.pid) - before < 5, "a paused VM uses CPU time")
            vmm.ok("PATCH", "/vm", {"state": "Resumed"})
            vmm.ok("PATCH", "/vm", {"state": "Resumed"})
            equal(vmm.state(), "Running", "state")
        read_until(vmm.process.stdout, "probe: hanging")
        vmm.ok("PATCH", "/vm", {"state": "Paused"})
        kill(vmm.process.pid, signal.SIGTERM)
        equal(finish(vmm.process).code, 1, "exit code")


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_ctrl_alt_del():
    with WorkDir() as work, Vmm(work) as vmm:
        vmm.boot_source("hang")
        vmm.start()
        read_until(vmm.process.stdout, "probe: hanging")
        status, answer = vmm.request("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
        # The guest's kernel may have no keyboard driver; then it says so.
        check(status == 204 or "keyboard" in answer["fault_message"] or "keys" in answer["fault_message"],
              status, answer)


def test_disks_and_config():
    with WorkDir() as work, Vmm(work, "--grant", f"{work},rw") as vmm:
        for name in ("root", "data"):
            with open(os.path.join(work, name), "wb") as file:
                file.truncate(1 << 20)
        vmm.ok("PUT", "/drives/data", {"drive_id": "data", "path_on_host": os.path.join(work, "data"),
                                       "is_root_device": False, "is_read_only": False})
        vmm.ok("PUT", "/drives/root", {"drive_id": "root", "path_on_host": os.path.join(work, "root"),
                                       "is_root_device": True, "is_read_only": True})
        vmm.fault("root device already", "PUT", "/drives/data",
                  {"drive_id": "data", "path_on_host": os.path.join(work, "data"), "is_root_device": True})
        vmm.ok("PUT", "/vsock", {"guest_cid": 9, "uds_path": os.path.join(work, "v.sock")})
        vmm.ok("PUT", "/entropy", {})
        vmm.ok("PUT", "/balloon", {"amount_mib": 8, "deflate_on_oom": True, "stats_polling_interval_s": 1})
        vmm.boot_source("hang")
        config = vmm.ok("GET", "/vm/config")
        equal([drive["drive_id"] for drive in config["drives"]], ["data", "root"], "drives")
        equal(config["vsock"]["guest_cid"], 9, "guest_cid")
        vmm.start()
        read_until(vmm.process.stdout, "probe: hanging")
        check(os.path.exists(os.path.join(work, "v.sock")), "no vsock socket")
        data = os.path.join(work, "data")
        os.truncate(data, 2 << 20)
        vmm.ok("PATCH", "/drives/data", {"drive_id": "data", "path_on_host": data})
        with open(os.path.join(work, "other"), "wb") as file:
            file.truncate(4 << 20)
        other = {"drive_id": "data", "path_on_host": os.path.join(work, "other")}
        if os.geteuid() == 0:
            # Root's: the jailed monitor is another user.
            vmm.fault("Permission denied.*--grant", "PATCH", "/drives/data", other)
        os.chmod(os.path.join(work, "other"), 0o666)
        vmm.ok("PATCH", "/drives/data", {"drive_id": "data", "path_on_host": os.path.join(work, "other"),
                                         "rate_limiter": {"ops": {"size": 10, "refill_time": 100}}})
        vmm.fault("No such file", "PATCH", "/drives/data",
                  {"drive_id": "data", "path_on_host": "/no/disk", "rate_limiter": {}})
        vmm.fault("no such drive", "PATCH", "/drives/none", {"drive_id": "none"})
        drive = [drive for drive in vmm.ok("GET", "/vm/config")["drives"] if drive["drive_id"] == "data"][0]
        equal(drive["path_on_host"], os.path.join(work, "other"), "path_on_host")
        equal(drive["rate_limiter"]["ops"]["size"], 10, "rate_limiter")
        vmm.ok("PATCH", "/balloon", {"amount_mib": 16})
        equal(vmm.ok("GET", "/balloon")["amount_mib"], 16, "amount_mib")
        equal(vmm.ok("GET", "/balloon/statistics")["target_pages"], 16 * 256, "target_pages")
        vmm.fault("more than the guest's memory", "PATCH", "/balloon", {"amount_mib": 4096})
        equal(vmm.ok("GET", "/balloon")["amount_mib"], 16, "amount_mib")
        vmm.ok("PATCH", "/balloon/statistics", {"stats_polling_interval_s": 2})


def open_files(pid):
    names = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return sorted(names)


def test_a_disk_that_comes_open():
    """A jailed monitor opens nothing more, but takes what its client has opened."""
    needs_root()
    with WorkDir() as work, Vmm(work) as vmm:
        data, other = os.path.join(work, "data"), os.path.join(work, "other")
        for name, size in ((data, 1 << 20), (other, 4 << 20)):
            with open(name, "wb") as file:
                file.truncate(size)
            os.chmod(name, 0o600)
        vmm.ok("PUT", "/drives/data", {"drive_id": "data", "path_on_host": data,
                                       "is_root_device": False, "is_read_only": False})
        vmm.boot_source("hang")
        vmm.start()
        read_until(vmm.process.stdout, "probe: hanging")
        before = open_files(vmm.process.pid)
        body = {"drive_id": "data", "path_on_host": other}
        vmm.fault("jailed.*SCM_RIGHTS", "PATCH", "/drives/data", body)
        reading, writing = os.open(other, os.O_RDONLY), os.open(other, os.O_RDWR)
        appending, place = os.open(other, os.O_RDWR | os.O_APPEND), os.open(work, os.O_RDONLY)
        pipe, pair = os.pipe(), socket.socketpair()
        vmm.fault("other: is not open for writing", "PATCH", "/drives/data", body, [reading])
        vmm.fault("other: is open for appending", "PATCH", "/drives/data", body, [appending])
        vmm.fault("other: is not open for writing", "PATCH", "/drives/data", body, [place])
        vmm.fault("other: is neither a file nor", "PATCH", "/drives/data", body, [pair[0].fileno()])
        vmm.fault("other: is not open for", "PATCH", "/drives/data", body, [pipe[1]])
        vmm.fault("without 'path_on_host'", "PATCH", "/drives/data", {"drive_id": "data"}, [writing])
        vmm.fault("without 'path_on_host'", "PATCH", "/drives/data", {"drive_id": "data", "path_on_host": ""}, [writing])
        vmm.fault("there is no such drive", "PATCH", "/drives/none", {"drive_id": "none", "path_on_host": other},
                  [writing])
        vmm.fault("takes no descriptor", "GET", "/vm/config", None, [writing])
        # A client's connection is closed when the monitor comes to it.
        wait_for(lambda: open_files(vmm.process.pid) == before, "the open files from before")
        vmm.ok("PATCH", "/drives/data", body, [writing])
        for fd in (reading, writing, appending, place, *pipe):
            os.close(fd)
        # No further ring is to be had in the jail.
        after = sorted({data: other}.get(name, name) for name in before if name != "anon_inode:[io_uring]")
        wait_for(lambda: open_files(vmm.process.pid) == after, "the other file in its place")
        equal(vmm.ok("GET", "/vm/config")["drives"][0]["path_on_host"], other, "path_on_host")
        # It is locked as any disk is, and looked at anew by its name.
        with open(other, "rb+") as file:
            check(not lockable(file), "the disk isn't locked")
        os.truncate(other, 8 << 20)
        vmm.ok("PATCH", "/drives/data", body)


def lockable(file):
    # struct flock: type, whence, start, length, process
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError:
        return False
    return True


def test_what_is_granted_within_another_grant():
    with WorkDir() as work:
        inner = os.path.join(work, "inner")
        os.mkdir(inner)
        for name in ("data", "other"):
            with open(os.path.join(inner, name), "wb") as file:
                file.truncate(1 << 20)
        os.chmod(os.path.join(inner, "other"), 0o666)
        with Vmm(work, "--grant", f"{inner},rw", "--grant", work) as vmm:
            vmm.ok("PUT", "/drives/data", {"drive_id": "data", "path_on_host": os.path.join(inner, "data"),
                                           "is_root_device": False, "is_read_only": False})
            vmm.boot_source("hang")
            vmm.start()
            read_until(vmm.process.stdout, "probe: hanging")
            vmm.ok("PATCH", "/drives/data", {"drive_id": "data", "path_on_host": os.path.join(inner, "other")})


def test_logger_metrics_and_interfaces():
    with WorkDir() as work, Vmm(work, "--id", "m-1") as vmm:
        log, metrics = os.path.join(work, "log"), os.path.join(work, "metrics")
        os.mkfifo(metrics)
        reader = os.open(metrics, os.O_RDONLY | os.O_NONBLOCK)
        vmm.ok("PUT", "/logger", {"log_path": log, "level": "Debug", "show_level": True, "show_log_origin": True})
        vmm.fault("one of Error", "PUT", "/logger", {"level": "loud"})
        vmm.ok("PUT", "/metrics", {"metrics_path": metrics, "emit_id": True})
        vmm.fault("already", "PUT", "/metrics", {"metrics_path": metrics})
        vmm.ok("PUT", "/network-interfaces/1", {"iface_id": "1", "host_dev_name": "tap9", "mtu": 1400,
                                                "guest_mac": "06:00:AC:10:00:02",
                                                "rx_rate_limiter": {"bandwidth": {"size": 1000, "refill_time": 100}}})
        vmm.fault("tap9 already", "PUT", "/network-interfaces/2", {"iface_id": "2", "host_dev_name": "tap9"})
        vmm.fault("guest_mac", "PUT", "/network-interfaces/2",
                  {"iface_id": "2", "host_dev_name": "tap8", "guest_mac": "1:2"})
        vmm.fault("67 is not", "PUT", "/network-interfaces/2", {"iface_id": "2", "host_dev_name": "tap8", "mtu": 67})
        vmm.fault("the path names", "PUT", "/network-interfaces/2", {"iface_id": "3", "host_dev_name": "tap8"})
        nets = vmm.ok("GET", "/vm/config")["network-interfaces"]
        equal([(net["iface_id"], net["guest_mac"]) for net in nets], [("1", "06:00:ac:10:00:02")], "interfaces")
        vmm.ok("PUT", "/actions", {"action_type": "FlushMetrics"})
        lines = [json.loads(line) for line in os.read(reader, 65536).splitlines()]
        os.close(reader)
        equal([line["id"] for line in lines], ["m-1", "m-1"], "ids")
        equal(sum(line["put_api_requests"]["logger_fails"] for line in lines), 1, "logger_fails")
        equal(lines[1]["put_api_requests"]["network_fails"], 4, "network_fails")
        with open(log, encoding="utf-8") as file:
            match(r"^\d{4}-\d\d-\d\dT[\d:]+\.\d{9} \[m-1:hull-vmm:DEBUG:vmm/routes\.c:\d+\] ", file.read(), "log")


# Tells of each ping whether it was answered.
PINGS = """
ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up
while true; do
    if ping -q -c 1 -W 1 10.9.0.1 >/dev/null; then echo answered; else echo lost; fi
    sleep 0.1
done
"""


def test_interface_limits_while_it_runs():
    path, stop = "/network-interfaces/eth0", {"ops": {"size": 1, "refill_time": 3600000}}
    with WorkDir() as work, Tap() as tap, Vmm(work) as vmm:
        arguments = disk_args(work, PINGS)
        for name, disk in zip("ab", arguments[1::2]):
            vmm.ok("PUT", f"/drives/{name}", {"drive_id": name, "path_on_host": disk.removesuffix(",ro"),
                                              "is_root_device": False, "is_read_only": True})
        vmm.ok("PUT", path, {"iface_id": "eth0", "host_dev_name": tap})
        vmm.fault("only possible after", "PATCH", path, {"iface_id": "eth0"})
        vmm.boot_source("none")
        vmm.start()
        read_until(vmm.process.stdout, "answered")
        for way in ("tx", "rx"):
            vmm.ok("PATCH", path, {"iface_id": "eth0", f"{way}_rate_limiter": stop})
            read_until(vmm.process.stdout, "lost")
            vmm.ok("PATCH", path, {"iface_id": "eth0", f"{way}_rate_limiter": {"ops": {"size": 0, "refill_time": 0}}})
            read_until(vmm.process.stdout, "answered")
        # All or nothing: the good half of a bad request changes nothing.
        bad = {"bandwidth": {"size": -1, "refill_time": 1}}
        vmm.fault("tx_rate_limiter", "PATCH", path, {"iface_id": "eth0", "rx_rate_limiter": stop, "tx_rate_limiter": bad})
        vmm.fault("host_dev_name", "PATCH", path, {"iface_id": "eth0", "host_dev_name": tap})
        vmm.fault("the path names", "PATCH", path, {"iface_id": "eth1"})
        vmm.fault("no such interface", "PATCH", "/network-interfaces/eth1", {"iface_id": "eth1"})
        net = vmm.ok("GET", "/vm/config")["network-interfaces"][0]
        check(not net["rx_rate_limiter"] or not net["rx_rate_limiter"]["ops"], "limits after a fault:", net)
        vmm.ok("PATCH", path, {"iface_id": "eth0", "tx_rate_limiter": {"bandwidth": {"size": 7, "refill_time": 5}}})
        net = vmm.ok("GET", "/vm/config")["network-interfaces"][0]
        equal(net["tx_rate_limiter"]["bandwidth"]["size"], 7, "the limit that was set")


BEFORE_ONLY = [("PUT", "/boot-source", {"kernel_image_path": KERNEL}),
               ("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 128}),
               ("PATCH", "/machine-config", {"vcpu_count": 1}), ("PUT", "/cpu-config", {}),
               ("PUT", "/vsock", {"guest_cid": 3, "uds_path": "/tmp/x"}), ("PUT", "/serial", {}),
               ("PUT", "/entropy", {}), ("PUT", "/balloon", {"amount_mib": 0, "deflate_on_oom": False})]
AFTER_ONLY = [("PATCH", "/vm", {"state": "Paused"}), ("PATCH", "/network-interfaces/1", {"iface_id": "1"}),
              ("PATCH", "/balloon", {"amount_mib": 0}),
              ("GET", "/balloon/statistics", None)]


def test_wrong_states():
    with WorkDir() as work, Vmm(work) as vmm:
        for method, path, body in AFTER_ONLY:
            vmm.fault("only possible after", method, path, body)
        vmm.fault("not started", "PUT", "/actions", {"action_type": "SendCtrlAltDel"})
        vmm.fault("no kernel", "PUT", "/actions", {"action_type": "InstanceStart"})
        vmm.boot_source("hang")
        vmm.start()
        for method, path, body in BEFORE_ONLY:
            vmm.fault("only possible before", method, path, body)
        vmm.fault("started already", "PUT", "/actions", {"action_type": "InstanceStart"})


def test_a_failed_start_may_be_repaired():
    with WorkDir() as work, Vmm(work) as vmm:
        text = os.path.join(work, "text")
        with open(text, "w", encoding="utf-8") as file:
            file.write("no kernel\n" * 10000)
        vmm.ok("PUT", "/boot-source", {"kernel_image_path": text})
        for _ in range(5):
            vmm.fault(text, "PUT", "/actions", {"action_type": "InstanceStart"})
        equal(vmm.state(), "Not started", "state")
        descriptors = len(os.listdir(f"/proc/{vmm.process.pid}/fd"))
        check(descriptors < 12, "descriptors left open:", descriptors)
        vmm.boot_source("poweroff")
        vmm.start()
        equal(finish(vmm.process).code, 0, "exit code")


def test_config_file():
    with WorkDir() as work:
        image = initramfs(os.path.join(work, "initramfs"))
        config = os.path.join(work, "config.json")
        document = {"boot-source": {"kernel_image_path": KERNEL, "initrd_path": image,
                                    "boot_args": CMDLINE + " probe=info"},
                    "drives": [], "machine-config": {"vcpu_count": 2, "mem_size_mib": 128}, "vsock": None}
        with open(config, "w", encoding="utf-8") as file:
            json.dump(document, file)
        result = run(VMM, "--no-api", "--config-file", config)
        equal(result.code, 0, "exit code")
        match("^probe: cpus 2$", result.out.replace(b"\r", b""), "console")
        with open(config, "w", encoding="utf-8") as file:
            json.dump(dict(document, extra=1), file)
        run(VMM, "--no-api", "--config-file", config).expect_error(152, "unknown field 'extra'", by="hull-vmm")


def test_many_clients_and_flat_memory():
    with WorkDir() as work, Vmm(work) as vmm:
        failures = []

        def client(number):
            connection = Connection(vmm.sock)
            try:
                for _ in range(100):
                    connection.request("GET", "/")
                    response = connection.getresponse()
                    check(response.status == 200, "status", response.status)
                    response.read()
            except Exception as error:  # told by the test itself
                failures.append(f"client {number}: {error!r}")
            finally:
                connection.close()

        def burst():
            threads = [threading.Thread(target=client, args=[n]) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        burst()
        before = resident(vmm.process.pid)
        burst()
        for _ in range(500):
            vmm.ok("GET", "/version")
        equal(failures, [], "failures")
        grown = resident(vmm.process.pid) - before
        check(grown <= 64, "KiB grown:", grown)
        check(len(os.listdir(f"/proc/{vmm.process.pid}/fd")) < 12, "descriptors are left open")


def test_the_eleventh_client():
    def served():
        try:
            return vmm.request("GET", "/")[0] == 200
        except OSError:
            # Refused, and closed before the request was sent.
            return False

    with WorkDir() as work, Vmm(work) as vmm:
        clients = [socket.socket(socket.AF_UNIX) for _ in range(11)]
        for client in clients:
            client.settimeout(20)
            client.connect(vmm.sock)
        match("503.*Too many open connections", clients[10].recv(4096), "answer")
        clients[0].close()
        wait_for(served, "a free place")
        for client in clients:
            client.close()


def test_socket_that_is_taken():
    with WorkDir() as work, Vmm(work) as vmm:
        run(VMM, "--api-sock", vmm.sock).expect_error(1, "another process serves it", by="hull-vmm")
        equal(vmm.state(), "Not started", "state")
        kill(vmm.process.pid, signal.SIGKILL)
        vmm.process.wait()
        # What is left behind is taken over, by one of any number.
        check(os.path.exists(vmm.sock), "no socket is left to be taken over")
        others = [start(VMM, "--api-sock", vmm.sock) for _ in range(4)]
        ended = wait_for(lambda: [other for other in others if other.poll() is not None][2:] and others, "three to end")
        serving = [other for other in ended if other.poll() is None]
        equal(len(serving), 1, "monitors that serve")
        equal(vmm.state(), "Not started", "state")
        kill(serving[0].pid, signal.SIGTERM)
        for other in others:
            result = finish(other)
            if other is not serving[0]:
                result.expect_error(1, "another process serves it", by="hull-vmm")
        # One that never had a guest has no jail, and can remove it.
        check(not os.path.exists(vmm.sock), "the socket is left behind")
        run(VMM, "--api-sock", work + "/" + "x" * 120).expect_error(1, "longer than 107", by="hull-vmm")


def test_version():
    result = run(VMM, "--version", stdin=b"").expect(0)
    match(r"^Firecracker v\d+\.\d+\.\d+\n", result.out, "version")
