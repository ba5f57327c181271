# SPDX-License-Identifier: Apache-2.0
"""hull-jailer: what Firecracker's jailer does and its callers rely on, and what somebody has planted."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import struct

import jailer
from api_client import Connection
from attack import make_disk
from group_vsock import HOST_PORT, STREAM_PORT
from guest import CMDLINE, PROBE, VSOCK_INIT, initramfs
from harness import (DEADLINE, END_DEADLINE, KERNEL, VMM, check, equal, file_text, finish, kill, listen, match,
                     read_until, run, wait_for)
from jailer import CGROUPS, FIRECRACKER, GID, JAILED, JAILED_CODE, JAILER, UID, Jail, snapshot
from monitor import AS_USER, check_descriptors, check_threads
from proc import OWN_SPACES, limits, mounts, spaces, status
from ptrace import (PTRACE_O_EXITKILL, PTRACE_O_TRACESYSGOOD, PTRACE_SETOPTIONS, PTRACE_SYSCALL, PTRACE_TRACEME,
                    ptrace)

SOCKET = "run/firecracker.socket"
# Firecracker's jailer's; what lies in it, its user can change.
FOLDER, DEVICE, PROGRAM = stat.S_IFDIR | 0o700, stat.S_IFCHR | 0o600, stat.S_IFREG | 0o755


class Machine:
    """What firecracker-go-sdk does with a jailer, in its order, as a context."""

    def __init__(self, *options, drives=(), init=PROBE, api_sock="/" + SOCKET, more=()):
        self.options, self.drives, self.init, self.api_sock, self.more = options, drives, init, api_sock, more
        self.jail = Jail(FIRECRACKER, "551e7604-e35c-42b3-b825-416853441234")

    def __enter__(self):
        self.jail.__enter__()
        try:
            self.boot()
        except BaseException:
            self.jail.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.jail.__exit__()

    def boot(self):
        # Started, with its arguments in that order; the files come later, into what it has made.
        self.pid = self.jail.start(*self.options, arguments=("--api-sock", self.api_sock, *self.more))
        self.process = self.jail.process
        self.sock = os.path.join(self.jail.root, self.api_sock.lstrip("/"))
        wait_for(self.answers, "the socket")
        for fifo in ("log", "metrics"):
            path = os.path.join(self.jail.top, fifo)
            os.mkfifo(path)
            self.link(path)
            os.chown(os.path.join(self.jail.root, fifo), UID, GID)
        self.log = os.open(os.path.join(self.jail.top, "log"), os.O_RDONLY | os.O_NONBLOCK)
        self.copy(KERNEL, "vmlinux")
        initramfs(os.path.join(self.jail.root, "initrd"), program=self.init)
        for drive in self.drives:
            self.link(drive)
        self.ok("PUT", "/logger", {"log_path": "log", "level": "Debug", "show_level": True,
                                   "show_log_origin": False})
        self.ok("PUT", "/metrics", {"metrics_path": "metrics"})
        self.ok("PUT", "/machine-config", {"vcpu_count": 2, "mem_size_mib": 128})
        self.ok("GET", "/machine-config")

    def link(self, path):
        os.link(path, os.path.join(self.jail.root, os.path.basename(path)))

    def copy(self, path, name):
        shutil.copy(path, os.path.join(self.jail.root, name))

    def answers(self):
        check(self.process.poll() is None, "it has ended with", self.process.returncode)
        try:
            return self.request("GET", "/machine-config")[0] == 200
        except OSError:
            return False

    def request(self, method, path, body=None):
        connection = Connection(self.sock)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def ok(self, method, path, body=None):
        code, answer = self.request(method, path, body)
        check(code in (200, 204), method, path, body, "gave", code, answer)

    def start(self, word):
        self.ok("PUT", "/boot-source", {"kernel_image_path": "vmlinux", "initrd_path": "initrd",
                                        "boot_args": f"{CMDLINE} probe={word}"})
        for number, drive in enumerate(self.drives):
            self.ok("PUT", f"/drives/{number}", {"drive_id": str(number), "path_on_host": os.path.basename(drive),
                                                 "is_root_device": False, "is_read_only": False})
        self.ok("PUT", "/actions", {"action_type": "InstanceStart"})


def check_jail(machine, root_kind="tmpfs"):
    """As tests/integration/group_jail.py holds of a monitor that nobody else has jailed."""
    pid = machine.pid
    check_threads(pid, 2, UID, GID, program="firecracker")
    mine, its = spaces("self"), spaces(pid)
    for name in OWN_SPACES:
        check(mine[name] != its[name], "namespace", name, "is ours")
    found = mounts(pid)
    equal([mount[1] for mount in found], ["/"], "mounts")
    _, _, options, optional, kind = found[0]
    check({"nosuid", "nodev", "noexec", "ro"} <= options, "mount options", options)
    equal(optional, [], "propagation")
    if root_kind:
        equal(kind, root_kind, "the root's type")
        equal(os.listdir(f"/proc/{pid}/root"), [], "what the root holds")
    for name in ("root", "cwd"):
        equal(os.readlink(f"/proc/{pid}/{name}"), "/", name)
    with open(f"/proc/{pid}/environ", "rb") as file:
        equal(file.read().strip(b"\0"), b"", "environment")
    for name in ("status", "mem", "fd", "maps"):
        equal(os.stat(f"/proc/{pid}/{name}").st_uid, 0, f"owner of /proc/PID/{name}")
    found = limits(pid)
    for what, most in (("Max open files", 2048), ("Max processes", 2 + 64), ("Max core file size", 0)):
        equal(found[what], (str(most), str(most)), what)


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


# What lies in a way: where, what is put there, what is told of it.

def link_to_folder(path, outside):
    os.symlink(outside, path)


def link_to_nothing(path, outside):
    os.symlink(os.path.join(outside, "new"), path)


def link_to_file(path, outside):
    os.symlink(os.path.join(outside, "file"), path)


def hard_link(path, outside):
    os.link(os.path.join(outside, "file"), path)


def foreign_folder(path, outside):
    del outside
    os.mkdir(path, 0o755)
    os.chown(path, 1000, 1000)


def open_folder(path, outside):
    del outside
    os.mkdir(path)
    os.chmod(path, 0o777)


def group_folder(path, outside):
    del outside
    os.mkdir(path)
    os.chmod(path, 0o775)


def a_file(path, outside):
    del outside
    with open(path, "w", encoding="utf-8") as file:
        file.write("planted")


def a_device(path, outside):
    del outside
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))


FOLDERS = ("jailed", "jailed/vm-1", "jailed/vm-1/root", "jailed/vm-1/root/dev", "jailed/vm-1/root/dev/net",
           "jailed/vm-1/root/run")
FILES = ("jailed/vm-1/root/jailed", "jailed/vm-1/root/jailed.pid", "jailed/vm-1/root/dev/kvm",
         "jailed/vm-1/root/dev/net/tun", "jailed/vm-1/root/dev/urandom")
PLANTED_FOLDERS = {link_to_folder: "is a symbolic link", link_to_nothing: "is a symbolic link",
                   link_to_file: "is a symbolic link", hard_link: "Not a directory", a_file: "Not a directory",
                   foreign_folder: "belongs to user 1000", open_folder: r"others than its owner .*\(mode 0777\)",
                   group_folder: r"others than its owner .*\(mode 0775\)"}
PLANTED_FILES = (link_to_folder, link_to_nothing, link_to_file, hard_link, a_file, a_device, foreign_folder)


def check_planted(place, plant, pattern):
    with Jail() as jail:
        outside = os.path.join(jail.top, "outside")
        os.mkdir(outside, 0o755)
        with open(os.path.join(outside, "file"), "w", encoding="utf-8") as file:
            file.write("not to be touched")
        path = os.path.join(jail.base, place)
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        plant(path, outside)
        # refuse() compares all of it, the outside included.
        jail.refuse(re.escape(path) + ".*: .*" + pattern)
        equal(file_text(os.path.join(outside, "file")), "not to be touched", "the file outside")


def test_planted_in_place_of_directories():
    for place in FOLDERS:
        for plant, pattern in PLANTED_FOLDERS.items():
            check_planted(place, plant, pattern)


def test_planted_in_place_of_files():
    for place in FILES:
        for plant in PLANTED_FILES:
            check_planted(place, plant, "")


def test_the_base_directory():
    with Jail() as jail:
        base = jail.base
        os.chmod(base, 0o757)
        jail.refuse(re.escape(base) + r": others than its owner .*0757")
        os.chmod(base, 0o755)
        os.chown(base, 1000, 0)
        jail.refuse(re.escape(base) + ": belongs to user 1000")
        os.chown(base, 0, 0)
        # Nor may anybody be able to put another in its place.
        os.chmod(jail.top, 0o777)
        jail.refuse(re.escape(jail.top) + ": others than its owner")
        os.chmod(jail.top, 0o1777)
        equal(jail.run().code, JAILED_CODE, "exit code below a sticky directory")
        jail.remove()
        os.chmod(jail.top, 0o755)
        os.chown(jail.top, 1000, 0)
        jail.refuse(re.escape(jail.top) + ": belongs to user 1000")
        os.chown(jail.top, 0, 0)
        for path, pattern in ((base + "/none", "No such file"), (JAILED, "Not a directory"), ("", "No such file")):
            refuse_base(jail, path, pattern)
        # The operator may name it by a link.
        os.symlink("base", os.path.join(jail.top, "link"))
        argv = jail.argv()
        argv[argv.index("--chroot-base-dir") + 1] = os.path.join(jail.top, "link")
        equal(run(*argv).code, JAILED_CODE, "exit code through a link")
        check(os.path.exists(os.path.join(jail.root, "jailed")), "not made where the link leads")


def refuse_base(jail, path, pattern):
    argv = jail.argv()
    argv[argv.index("--chroot-base-dir") + 1] = path
    run(*argv).expect_error(1, pattern, by="hull-jailer")


# Options.

def test_daemonize():
    with Jail() as jail:
        pid = jail.start_behind("--daemonize")
        fields = file_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        group, session, terminal = int(fields[2]), int(fields[3]), int(fields[4])
        check(session != os.getsid(0) and group == session, "session", session, "group", group)
        # A leader could come to have a terminal.
        check(session != pid, "it leads its session")
        equal(terminal, 0, "terminal")
        for number in range(3):
            st = os.stat(f"/proc/{pid}/fd/{number}")
            equal(st.st_rdev, os.makedev(1, 3), f"descriptor {number}")
        equal(len(os.listdir(f"/proc/{pid}/fd")), 4, "how many descriptors")
        equal(status(f"/proc/{pid}/status")["Uid"].split(), [str(UID)] * 4, "user IDs")


def as_leader(jail, *options):
    """Start one that leads a session; return the program's process ID."""
    with open(os.path.join(jail.top, "out"), "wb") as out:
        process = jailer.start(*jail.argv(*options, arguments=["wait"]), stdout=out, stderr=out,
                               start_new_session=True)
        equal(process.wait(END_DEADLINE), 0, "exit code")
    pid = int(file_text(jail.pid_file))
    check(jail.is_program(pid), "it doesn't run")
    return pid


def test_daemonize_as_a_group_s_leader():
    with Jail() as jail:
        check(os.getsid(as_leader(jail, "--daemonize")) != os.getsid(0), "our session")


def test_a_new_process_id_namespace():
    with Jail() as jail:
        pid = jail.start_behind("--new-pid-ns")
        wait_for(lambda: "pid 1\n" in file_text(os.path.join(jail.top, "out")), "its first line")
        equal(status(f"/proc/{pid}/status")["NSpid"].split(), [str(pid), "1"], "process IDs")
        check(spaces(pid)["pid"] != spaces("self")["pid"], "the process ID namespace is ours")
        equal(os.getsid(pid), os.getsid(0), "session")


def test_a_leader_s_end_is_no_hang_up():
    with Jail() as jail:
        pid = as_leader(jail, "--new-pid-ns")
        equal(os.getsid(pid), pid, "session")


def test_all_in_the_background_with_a_guest():
    with Jail(FIRECRACKER) as jail:
        os.makedirs(jail.root, 0o755)
        shutil.copy(KERNEL, os.path.join(jail.root, "vmlinux"))
        initramfs(os.path.join(jail.root, "initrd"))
        with open(os.path.join(jail.root, "c"), "w", encoding="utf-8") as file:
            json.dump({"boot-source": {"kernel_image_path": "vmlinux", "initrd_path": "initrd",
                                       "boot_args": CMDLINE + " probe=hang"}, "drives": []}, file)
        pid = jail.start_behind("--daemonize", "--new-pid-ns", arguments=["--config-file", "c", "--api-sock", "/api"])
        equal(status(f"/proc/{pid}/status")["NSpid"].split(), [str(pid), "1"], "process IDs")
        wait_for(lambda: "vcpu0" in [file_text(f"/proc/{pid}/task/{tid}/comm").strip()
                                     for tid in os.listdir(f"/proc/{pid}/task")], "the vCPU")
        check_threads(pid, 1, UID, GID, program="firecracker")
        # As the first process of its namespace it still hears that it is to end.
        kill(pid, signal.SIGTERM)
        wait_for(lambda: not jail.is_program(pid), "its end", END_DEADLINE)


def test_a_network_namespace():
    with contextlib.ExitStack() as stack:
        run("ip", "netns", "add", "hull-test").expect(0)
        stack.callback(run, "ip", "netns", "del", "hull-test")
        path = "/run/netns/hull-test" if os.path.exists("/run/netns/hull-test") else "/var/run/netns/hull-test"
        run("ip", "-n", "hull-test", "tuntap", "add", "dev", "tap0", "mode", "tap", "user", str(UID)).expect(0)
        with Jail() as jail:
            pid = jail.start("--netns", path)
            equal(os.stat(f"/proc/{pid}/ns/net").st_ino, os.stat(path).st_ino, "network namespace")
        # Its tap devices are there, also for a monitor that then leaves it.
        with Machine("--netns", path) as machine:
            machine.ok("PUT", "/network-interfaces/1", {"iface_id": "1", "host_dev_name": "tap0"})
            machine.start("hang")
            read_until(machine.process.stdout, "probe: hanging")
            check_jail(machine)
            check(os.stat(f"/proc/{machine.pid}/ns/net").st_ino != os.stat(path).st_ino, "it is still in there")


def test_network_namespaces_that_are_none():
    with Jail() as jail:
        fifo = os.path.join(jail.top, "fifo")
        os.mkfifo(fifo)
        for path, pattern in ((JAILED, "is not a network namespace"), ("/proc/self/ns/mnt", "is not a network namesp"),
                              (fifo, "is not a network namespace"), ("/", "is not a network namespace"),
                              ("/run/netns/none", "No such file")):
            jail.refuse(f"--netns {path}: .*{pattern}", "--netns", path)


def test_cgroups():
    with Jail() as jail:
        pid = jail.start("--cgroup-version", "2", "--cgroup", "pids.max=40", "--cgroup", "memory.max=67108864",
                         "--cgroup", "memory.swap.max=0")
        equal(file_text(f"/proc/{pid}/cgroup").strip(), "0::/jailed/vm-1", "cgroup")
        for name, value in (("pids.max", "40"), ("memory.max", "67108864"), ("cgroup.procs", str(pid))):
            equal(file_text(os.path.join(jail.cgroup, name)).strip(), value, name)
        kill(pid, signal.SIGKILL)
        jail.process.wait()
        # As the directory, it stays.
        check(os.path.isdir(jail.cgroup), "the cgroup is gone")
    with Jail() as jail:
        jail.cgroup = os.path.join(CGROUPS, "hull-a", "b", "vm-1")
        pid = jail.start_behind("--cgroup-version", "2", "--parent-cgroup", "hull-a/b", "--cgroup", "pids.max=40",
                                "--daemonize", "--new-pid-ns")
        equal(file_text(f"/proc/{pid}/cgroup").strip(), "0::/hull-a/b/vm-1", "cgroup")
        equal(file_text(os.path.join(jail.cgroup, "cgroup.procs")).strip(), str(pid), "processes")
        kill(pid, signal.SIGKILL)
        wait_for(lambda: not jail.is_program(pid), "its end")
        jail.remove()
        os.rmdir(os.path.join(CGROUPS, "hull-a"))


@contextlib.contextmanager
def version_1(work, *controllers):
    """Hierarchies of version 1 for controllers that nothing uses."""
    with contextlib.ExitStack() as stack:
        for name in controllers:
            folder = os.path.join(work, name)
            os.mkdir(folder)
            run("mount", "-t", "cgroup", "-o", name, "cgroup", folder).expect(0)
            stack.callback(run, "umount", folder)
        yield


def remove_cgroups(*folders):
    for folder in folders:
        wait_for(lambda folder=folder: not file_text(os.path.join(folder, "tasks")), "an empty cgroup", 30)
        os.rmdir(folder)


def test_cgroups_of_version_1():
    with jailer.WorkDir() as work, version_1(work, "cpuset", "freezer"), Jail() as jail:
        places = [os.path.join(work, name, "jailed", "vm-1") for name in ("cpuset", "freezer")]
        pid = jail.start("--cgroup", "cpuset.cpus=0", "--cgroup", "freezer.state=THAWED")
        for place in places:
            equal(file_text(os.path.join(place, "tasks")).strip(), str(pid), f"processes in {place}")
        # It isn't said, but without nobody can go in.
        equal(file_text(os.path.join(places[0], "cpuset.mems")), file_text(os.path.join(work, "cpuset", "cpuset.mems")),
              "memory nodes")
        kill(pid, signal.SIGKILL)
        jail.process.communicate()
        for place in places:
            remove_cgroups(place, os.path.dirname(place))
        shutil.rmtree(jail.folder)
        # What failed is left and removed.
        for options in ((), ("--new-pid-ns",)):
            jail.use("/bin/bash")
            jail.refuse("executing /bash", "--cgroup", "cpuset.cpus=0", "--cgroup", "freezer.state=THAWED", *options)
            jail.use(JAILED)
            jail.refuse("writing 'x' to freezer.state", "--cgroup", "cpuset.cpus=0", "--cgroup", "freezer.state=x",
                        *options)
        equal([os.path.isdir(os.path.dirname(place)) for place in places], [False, False], "cgroups")


def test_a_parent_cgroup_without_settings():
    with Jail() as jail:
        parent = os.path.join(CGROUPS, "hull-parent")
        pid = jail.start("--cgroup-version", "2", "--parent-cgroup", "hull-parent")
        equal(file_text(f"/proc/{pid}/cgroup"), file_text("/proc/self/cgroup"), "cgroup, where there is no parent")
        kill(pid, signal.SIGKILL)
        jail.process.communicate()
        jail.remove()
        os.mkdir(parent)
        try:
            pid = jail.start("--cgroup-version", "2", "--parent-cgroup", "hull-parent")
            equal(file_text(f"/proc/{pid}/cgroup").strip(), "0::/hull-parent", "cgroup")
            check(not os.path.exists(os.path.join(parent, "vm-1")), "another was made in it")
            kill(pid, signal.SIGKILL)
            jail.process.communicate()
        finally:
            wait_for(lambda: not file_text(os.path.join(parent, "cgroup.procs")), "its end")
            os.rmdir(parent)


def test_cgroups_that_can_t_be():
    with Jail() as jail:
        two = ("--cgroup-version", "2")
        jail.refuse("controller 'nonsense', only: ", *two, "--cgroup", "nonsense.max=1")
        jail.refuse("writing '1' to pids.nonsense: No such file", *two, "--cgroup", "pids.nonsense=1")
        jail.refuse("writing 'x' to pids.max: Invalid argument", *two, "--cgroup", "pids.max=1", "--cgroup",
                    "pids.max=x")
        jail.refuse("no version 1 hierarchy with controller 'cpu'.*--cgroup-version 2", "--cgroup", "cpu.shares=1")
        # Entered, and left again.
        for options in ((), ("--daemonize",), ("--new-pid-ns",), ("--daemonize", "--new-pid-ns")):
            jail.use("/bin/bash")
            jail.refuse("executing /bash .*: it needs an interpreter or libraries: No such file", *two, "--cgroup",
                        "pids.max=40", *options)


def test_resource_limits():
    with Jail() as jail:
        pid = jail.start("--resource-limit", "no-file=100", "--resource-limit", "fsize=4096",
                         "--resource-limit", "no-file=3000")
        found = limits(pid)
        equal(found["Max open files"], ("3000", "3000"), "open files")
        equal(found["Max file size"], ("4096", "4096"), "file size")
    with Jail() as jail:
        # Nothing of its own is held against it.
        pid = jail.start("--resource-limit", "no-file=0", "--resource-limit", "fsize=0")
        found = limits(pid)
        equal((found["Max open files"], found["Max file size"]), (("0", "0"), ("0", "0")), "limits")
        jail.refuse("is there already")
    with Jail() as jail:
        jail.refuse(r"--resource-limit no-file=1152921504606846976: Operation not permitted", "--resource-limit",
                    "no-file=1152921504606846976")


# What goes wrong.

def test_bad_options():
    with Jail() as jail:
        for options, pattern in (
                (["--id", "a"], "--id is given more than once"), (["--nonsense"], "unknown option '--nonsense'"),
                (["--daemonize", "--daemonize"], "--daemonize is given more than once"),
                (["more"], "unexpected argument 'more'"), (["--netns"], "--netns needs a value"),
                (["--cgroup-version", "3"], "neither 1 nor 2"), (["--parent-cgroup", "../x"], "not a relative path"),
                (["--cgroup", "cpu.max"], "not FILE=VALUE"), (["--resource-limit", "x=1"], "neither no-file=N")):
            jail.refuse(pattern, *options)
        for name in ("--id", "--uid", "--gid", "--exec-file"):
            argv = jail.argv()
            at = argv.index(name)
            run(*argv[:at], *argv[at + 2:]).expect_error(1, f"{name} is missing", by="hull-jailer")
            for value in ("", "../x" if name == "--id" else "/" if name == "--exec-file" else "-1"):
                argv[at + 1] = value
                run(*argv).expect_error(1, name, by="hull-jailer")
        equal(os.listdir(jail.base), [], "what was made")


def test_help_and_version():
    run(JAILER).expect_error(1, "--id is missing", by="hull-jailer")
    result = run(JAILER, "--help")
    equal((result.code, result.err), (0, b""), "exit code and stderr")
    match("^Usage: hull-jailer --id ", result.out, "help")
    version, its = run(JAILER, "--version"), run(VMM, "--version")
    equal(version.code, 0, "exit code")
    # What reads both expects the same.
    equal(match(r"\AJailer v(\S+)\nhull-jailer (\S+)\n\Z", version.out, "version").groups(),
          match(r"\AFirecracker v(\S+)\nhull-vmm (\S+)\n\Z", its.out, "version").groups(), "versions")


def test_exec_files():
    with Jail() as jail:
        plain = os.path.join(jail.top, "plain")
        with open(plain, "w", encoding="utf-8") as file:
            file.write("no program")
        fifo = os.path.join(jail.top, "fifo")
        os.mkfifo(fifo, 0o755)
        for path, pattern in ((jail.top + "/none", "No such file"), (jail.top, "is not a regular file"),
                              (plain, "is not executable"), (fifo, "is not a regular file"),
                              ("/dev/null", "is not a regular file")):
            jail.use(path)
            jail.refuse(f"--exec-file {path}: .*{pattern}")
        os.chmod(plain, 0o755)
        jail.use(plain)
        jail.refuse("executing /plain in .*/root as user 12345: Exec format error")
        # The name is the link's, the program what it leads to.
        os.symlink(JAILED, os.path.join(jail.top, "named"))
        jail.use(os.path.join(jail.top, "named"))
        equal(jail.run().code, JAILED_CODE, "exit code")
        check(stat.S_ISREG(os.lstat(os.path.join(jail.root, "named")).st_mode), "the copy is a link")
        # No right comes with the copy.
        shutil.copy(JAILED, os.path.join(jail.top, "private"))
        os.chmod(os.path.join(jail.top, "private"), 0o6700)
        jail.use(os.path.join(jail.top, "private"))
        equal(jail.run().code, JAILED_CODE, "exit code")
        equal(os.stat(os.path.join(jail.root, "private")).st_mode, PROGRAM, "mode of the copy")


def test_who_may():
    with Jail() as jail:
        result = run(*AS_USER, *jail.argv())
        result.expect_error(1, r"only root can make a jail, not user 1000", by="hull-jailer")
        equal(os.listdir(jail.base), [], "what was made")
        argv = jail.argv()
        argv[argv.index("--uid") + 1] = "0"
        result = run(*argv)
        equal(result.code, JAILED_CODE, "exit code")
        equal(result.err, b"hull-jailer: warn: --uid 0: the program runs as root\n", "stderr")


def test_a_monitor_that_is_given_root():
    """Its own jail takes that from it."""
    with Jail(FIRECRACKER) as jail:
        os.makedirs(jail.root, 0o755)
        shutil.copy(KERNEL, os.path.join(jail.root, "vmlinux"))
        initramfs(os.path.join(jail.root, "initrd"))
        argv = jail.argv(arguments=["--kernel", "vmlinux", "--initrd", "initrd", "--serial", "stdio", "--cmdline",
                                    CMDLINE + " probe=hang"])
        argv[argv.index("--uid") + 1] = argv[argv.index("--gid") + 1] = "0"
        jail.process = jailer.start(*argv)
        read_until(jail.process.stdout, "probe: hanging")
        pid = jail.process.pid
        uid = int(status(f"/proc/{pid}/status")["Uid"].split()[0])
        equal(uid, 1900000000 + pid, "user ID")
        check_threads(pid, 1, uid, uid, program="firecracker")


def test_no_room_and_no_devices():
    with Jail() as jail:
        run("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", jail.base).expect(0)
        try:
            jail.refuse("copying the program to .*: No space left on device")
        finally:
            run("umount", jail.base).expect(0)
        run("mount", "-t", "tmpfs", "-o", "nodev,mode=755", "tmpfs", jail.base).expect(0)
        try:
            jail.refuse("/root/dev: its file system is mounted with nodev")
        finally:
            run("umount", jail.base).expect(0)
        run("mount", "-t", "tmpfs", "-o", "noexec,mode=755", "tmpfs", jail.base).expect(0)
        try:
            jail.refuse("executing /jailed in .* as user 12345: Permission denied")
        finally:
            run("umount", jail.base).expect(0)
        run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", jail.base).expect(0)
        try:
            jail.refuse("(making directory .*: Read-only file system|others than its owner)")
        finally:
            run("umount", jail.base).expect(0)


def test_a_prepared_directory_is_given_back():
    with Jail() as jail:
        os.makedirs(os.path.join(jail.root, "dev"), 0o711)
        os.chown(jail.root, UID, 7)
        with open(os.path.join(jail.root, "disk"), "w", encoding="utf-8") as file:
            file.write("data")
        jail.use("/bin/bash")
        os.rename(os.path.join(jail.base, "jailed"), os.path.join(jail.base, "bash"))
        jail.refuse("executing /bash")


# kill -9 at any step.

def killed_at(argv, step):
    """Run it up to its step-th system call's entry or end, and end it there. Return whether it came that far."""
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            null = os.open("/dev/null", os.O_RDWR)
            for number in range(3):
                os.dup2(null, number)
            ptrace(PTRACE_TRACEME, 0)
            os.execv(argv[0], argv)
        os._exit(127)
    os.waitpid(pid, 0)
    ptrace(PTRACE_SETOPTIONS, pid, None, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)
    for _ in range(step):
        ptrace(PTRACE_SYSCALL, pid)
        _, ended = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(ended):
            return False
    kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def check_leftover(jail, step):
    allowed = {"", "root", "root/jailed", "root/jailed.pid", "root/run", "root/dev", "root/dev/net",
               *("root/" + name for name in jailer.device_numbers())}
    found = set()
    for folder, folders, files in os.walk(jail.folder):
        for name in folders + files:
            found.add(os.path.relpath(os.path.join(folder, name), jail.folder))
    check(found <= allowed, f"left after step {step}:", found - allowed)
    if os.path.isdir(jail.cgroup):
        wait_for(lambda: not file_text(os.path.join(jail.cgroup, "cgroup.procs")), "an empty cgroup", 30)
    wait_for(lambda: not jail.pids(), f"the end of all after step {step}", 30)


def test_killed_at_any_step():
    """What stays is the documented: the VM's directory and cgroup. Once these are removed, the ID is free again."""
    for options, stride in (((), 7), (("--daemonize", "--new-pid-ns"), 9)):
        with Jail() as jail:
            mine = file_text("/proc/self/mountinfo")
            options = ("--cgroup-version", "2", "--cgroup", "pids.max=40", *options)
            step, more = 1, True
            while more:
                more = killed_at(jail.argv(*options), step)
                check_leftover(jail, step)
                equal(file_text("/proc/self/mountinfo"), mine, "mounts")
                jail.remove()
                check(not os.path.exists(jail.cgroup), "the cgroup can't be removed")
                step += stride
            check(step > 20 * stride, "only", step, "steps")
