# SPDX-License-Identifier: Apache-2.0
"""hull-jailer: what Firecracker's jailer does and its callers rely on."""
import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import struct

import jailer
from attack import make_disk
from group_vsock import HOST_PORT, STREAM_PORT
from guest import CMDLINE, VSOCK_INIT, initramfs
from harness import DEADLINE, KERNEL, check, equal, file_text, finish, kill, listen, match, read_until, run, wait_for
from jailer import FIRECRACKER, GID, JAILED, JAILED_CODE, UID, Jail, snapshot
from jailer_machine import DEVICE, FOLDER, PROGRAM, Machine, check_jail
from monitor import check_descriptors
from proc import limits, mounts, spaces, status


def test_what_go_sdk_does():
    with contextlib.ExitStack() as stack:
        disk = make_disk(os.path.join(stack.enter_context(jailer.WorkDir()), "disk"))
        os.chown(disk, UID, GID)
        machine = stack.enter_context(Machine("--cgroup-version", "2", drives=[disk]))
        equal(file_text(machine.jail.pid_file), str(machine.pid), "the .pid file")
        machine.start("hang")
        read_until(machine.process.stdout, "probe: hanging")
        check_jail(machine)
        check_descriptors(machine.pid, ["/disk", "/log", "/metrics"])
        match(r"jailed as user 12345, group 54321", os.read(machine.log, 65536), "log")
        # It can be told of a file by a relative name only before its start.
        code, answer = machine.request("PATCH", "/drives/0", {"drive_id": "0", "path_on_host": "initrd"})
        equal(code, 400, "a change of the disk: " + answer)
        kill(machine.pid, signal.SIGTERM)
        result = finish(machine.process)
        equal((result.code, result.err), (1, b""), "exit code and stderr")
        # What it leaves is what Firecracker leaves: for the orchestrator to remove.
        check(os.path.exists(os.path.join(machine.jail.root, "firecracker")), "the directory is gone")


def test_its_guest_powers_off():
    with Machine() as machine:
        machine.start("info")
        result = finish(machine.process)
        match("^probe: cpus 2$", result.out.replace(b"\r", b""), "console")
        equal((result.code, result.err), (0, b""), "exit code and stderr")


def talk(machine, sock):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(sock)
        client.sendall(b"CONNECT %d\n" % STREAM_PORT)
        line = b""
        while not line.endswith(b"\n"):
            byte = client.recv(1)
            check(byte, "closed instead of OK, after", line)
            line += byte
        client.sendall(b"d" + struct.pack("<II", HOST_PORT, 1))
        return client.recv(1)


def check_vsock(uds):
    with Machine(init=VSOCK_INIT) as machine:
        name = uds.lstrip("./")
        folder = os.path.dirname(os.path.join(machine.jail.root, name))
        os.makedirs(folder, exist_ok=True)
        os.chown(folder, UID, GID)
        machine.ok("PUT", "/vsock", {"guest_cid": 7, "uds_path": uds})
        machine.start("vsock")
        read_until(machine.process.stdout, "guest: ready")
        # The root holds what the VM's directory holds when that is where the sockets are, and nothing else is shown.
        pid, path = machine.pid, os.path.join(machine.jail.root, name)
        if folder == machine.jail.root:
            check_jail(machine, None)
            check("firecracker" in os.listdir(f"/proc/{pid}/root"), "its root is not the VM's directory")
            equal(os.stat(f"/proc/{pid}/root").st_ino, os.stat(machine.jail.root).st_ino, "its root")
        else:
            equal(sorted(mount[1] for mount in mounts(pid)), ["/", "/" + os.path.dirname(name)], "mounts")
        server = listen(f"{path}_{HOST_PORT}")
        with contextlib.closing(server):
            talk(machine, path)
            server.settimeout(DEADLINE)
            server.accept()[0].close()
        kill(pid, signal.SIGTERM)
        equal(finish(machine.process).err, b"", "stderr")


def test_vsock_in_a_directory():
    check_vsock("/vsock/v.sock")


def test_vsock_in_the_root():
    check_vsock("/v.sock")


def test_vsock_by_a_relative_name():
    check_vsock("v.sock")


def test_a_drive_is_changed_where_the_root_is_granted():
    with contextlib.ExitStack() as stack:
        work = stack.enter_context(jailer.WorkDir())
        disk, other = make_disk(os.path.join(work, "disk")), make_disk(os.path.join(work, "other"))
        os.chown(disk, UID, GID)
        os.chown(other, UID, GID)
        machine = stack.enter_context(Machine(drives=[disk], more=["--grant", "/,rw"]))
        machine.link(other)
        machine.start("hang")
        read_until(machine.process.stdout, "probe: hanging")
        machine.ok("PATCH", "/drives/0", {"drive_id": "0", "path_on_host": "other"})


def test_a_directory_that_was_prepared_and_a_config_file():
    with Jail(FIRECRACKER) as jail:
        os.makedirs(os.path.join(jail.root, "run"), 0o755)
        os.chown(jail.root, UID, GID)
        shutil.copy(KERNEL, os.path.join(jail.root, "vmlinux"))
        initramfs(os.path.join(jail.root, "initrd"))
        with open(os.path.join(jail.root, "config.json"), "w", encoding="utf-8") as file:
            json.dump({"boot-source": {"kernel_image_path": "vmlinux", "initrd_path": "/initrd",
                                       "boot_args": CMDLINE + " probe=info"}, "drives": [],
                       "machine-config": {"vcpu_count": 2, "mem_size_mib": 128}}, file)
        result = jail.run(arguments=("--no-api", "--config-file", "config.json"))
        equal((result.code, result.err), (0, b""), "exit code and stderr")
        match("^probe: cpus 2$", result.out.replace(b"\r", b""), "console")


def test_the_layout():
    with Jail() as jail:
        result = jail.run(arguments=("--id", "other", "-x"))
        equal((result.code, result.err), (JAILED_CODE, b""), "exit code and stderr")
        lines = result.out.decode().splitlines()
        pid = int(match(r"^pid (\d+)$", lines[0]).group(1))
        match(r"^argument /jailed\nargument --id\nargument vm-1\nargument --start-time-us\nargument \d+\n"
              r"argument --start-time-cpu-us\nargument 0\nargument --parent-cpu-time-us\nargument [1-9]\d*\n"
              r"argument --id\nargument other\nargument -x\nenvironment HULL_JAILER_PROC_FD=\d+$",
              "\n".join(lines[1:]), "what it was given")
        found = snapshot(jail.base)
        expected = {".": (stat.S_IFDIR | 0o755, 0, 0, 0), "jailed": (stat.S_IFDIR | 0o755, 0, 0, 0),
                    "jailed/vm-1": (stat.S_IFDIR | 0o755, 0, 0, 0)}
        for name in ("", "/dev", "/dev/net", "/run"):
            expected["jailed/vm-1/root" + name] = (FOLDER, UID, GID, 0)
        for name, (major, minor) in jailer.device_numbers().items():
            expected["jailed/vm-1/root/" + name] = (DEVICE, UID, GID, os.makedev(major, minor))
        expected["jailed/vm-1/root/jailed"] = (PROGRAM, 0, 0, 0)
        expected["jailed/vm-1/root/jailed.pid"] = (stat.S_IFREG | 0o644, 0, 0, 0)
        equal({name: (*row[:3], row[5]) for name, row in found.items()}, expected, "layout")
        equal(file_text(jail.pid_file), str(pid), "the .pid file")
        with open(JAILED, "rb") as one, open(os.path.join(jail.root, "jailed"), "rb") as other:
            check(one.read() == other.read(), "the copy differs")
        equal(os.stat(os.path.join(jail.root, "jailed")).st_nlink, 1, "links of the copy")


def test_the_process():
    with Jail() as jail:
        left = os.open("/", os.O_RDONLY)
        pid = jail.start(pass_fds=[left], env={"SECRET": "x"})
        os.close(left)
        equal(pid, jail.process.pid, "process ID")
        got = status(f"/proc/{pid}/status")
        equal(got["Uid"].split(), [str(UID)] * 4, "user IDs")
        equal(got["Gid"].split(), [str(GID)] * 4, "group IDs")
        equal(got["Groups"].split(), [], "groups")
        for field in ("CapInh", "CapPrm", "CapEff", "CapAmb", "SigIgn", "SigBlk"):
            equal(int(got[field], 16), 0, field)
        ours, its = spaces("self"), spaces(pid)
        equal(sorted(name for name in ours if ours[name] != its[name]), ["mnt"], "namespaces of its own")
        equal([mount[1] for mount in mounts(pid)], ["/"], "mounts")
        equal(os.stat(f"/proc/{pid}/root").st_ino, os.stat(jail.root).st_ino, "root")
        equal(os.readlink(f"/proc/{pid}/cwd"), "/", "working directory")
        equal(limits(pid)["Max open files"], ("2048", "2048"), "open files")
        descriptors = sorted(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
        equal(descriptors[:3], [0, 1, 2], "descriptors")
        equal(len(descriptors), 4, "how many descriptors")
        # That of its own directory in /proc leads no further.
        number = descriptors[3]
        with open(f"/proc/{pid}/environ", "rb") as file:
            equal(file.read().strip(b"\0"), b"HULL_JAILER_PROC_FD=%d" % number, "environment")
        equal(os.readlink(f"/proc/{pid}/fd/{number}"), "/", "the descriptor's path in its mount")
        check("stat" in os.listdir(f"/proc/{pid}/fd/{number}/"), "not a process's directory")


def test_an_id_twice():
    with Jail() as jail:
        jail.start()
        jail.refuse(r"/jailed/vm-1/root/jailed: is there already: a VM of this --id runs, or ran")
        kill(jail.process.pid, signal.SIGKILL)
        jail.process.wait()
        jail.refuse("is there already")
        other = Jail.argv(jail)
        other[other.index("--id") + 1] = "vm-2"
        equal(run(*other).code, JAILED_CODE, "another's exit code")
        # Removed, the name is free again.
        shutil.rmtree(jail.folder)
        equal(jail.run().code, JAILED_CODE, "exit code")


def test_many_with_one_id_at_once():
    with Jail() as jail:
        started = [jailer.start(*jail.argv(arguments=("wait",))) for _ in range(6)]
        wait_for(lambda: sum(one.poll() is not None for one in started) == 5, "the end of all but one")
        winner = [one for one in started if one.poll() is None]
        wait_for(lambda: jail.is_program(winner[0].pid), "the program")
        equal(file_text(jail.pid_file), str(winner[0].pid), "the .pid file")
        kill(winner[0].pid, signal.SIGKILL)
        for one in started:
            finish(one)
