# SPDX-License-Identifier: Apache-2.0
"""hull-jailer's options: namespaces, control groups, limits, the background."""
import contextlib
import json
import os
import shutil
import signal

import jailer
from guest import CMDLINE, initramfs
from harness import END_DEADLINE, KERNEL, check, equal, file_text, kill, read_until, run, wait_for
from jailer import CGROUPS, FIRECRACKER, GID, JAILED, UID, Jail
from jailer_machine import Machine, check_jail
from monitor import check_threads
from proc import limits, spaces, status


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
