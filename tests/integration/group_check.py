# SPDX-License-Identifier: Apache-2.0
"""`hull check` beside monitors that run: what it says of jailed ones and of others, and that it changes nothing."""
import contextlib
import json
import os
import signal
import threading
import time

from full_monitor import Full
from harness import (BUSYBOX, EMULATED, END_DEADLINE, HULL, STORE, VMM, Skip, WorkDir, check, descendants, equal, file_text,
                     kill, match, monitor_of, read_until, run, start, start_hull, tree, wait_for)
from host_state import host_state
from monitor import ANY_KVM, AS_USER, GUEST, Monitor

CGROUPS = "/sys/fs/cgroup"
GROUPS = ("jail", "monitor")
# What a guest finds that breaks a monitor which isn't jailed. Whether root can be traced isn't to be told.
WITHOUT_JAIL = {"jail.root": "warn", "jail.namespaces": "warn", "jail.uid": "warn", "jail.seccomp": "warn",
                "jail.no-new-privs": "warn", "jail.capabilities": "warn", "jail.limits": "warn",
                "jail.debug": "unknown"}


def audit(*args, prefix=()):
    """{id: (status, finding)}"""
    result = run(*prefix, HULL, "check", "--json", *args)
    equal(result.err, b"", "stderr")
    items = {item["id"]: (item["status"], item["finding"]) for item in json.loads(result.out)["items"]}
    equal(result.code, 1 if "warn" in [status for status, _ in items.values()] else 0, "exit code")
    return items


def of_monitors(items):
    return {name: found for name, found in items.items() if name.split(".")[0] in GROUPS}


def expect(items, others):
    """All that concerns monitors passes, but for others: {id: status}."""
    got = {name: (status, finding) for name, (status, finding) in of_monitors(items).items()
           if status != others.get(name, "pass")}
    equal(got, {}, "what isn't as expected")


class Cgroup:
    """A limited cgroup with a process in it, as a context."""

    def __init__(self, pid):
        self.pid, self.path = pid, os.path.join(CGROUPS, f"hull-test-{pid}")

    def write(self, path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def __enter__(self):
        if not EMULATED:
            raise Skip("the cgroups of a real machine are not a test's business")
        self.write(f"{CGROUPS}/cgroup.subtree_control", "+memory +pids")
        os.mkdir(self.path)
        self.write(f"{self.path}/memory.max", str(1 << 30))
        self.write(f"{self.path}/pids.max", "200")
        self.write(f"{self.path}/cgroup.procs", str(self.pid))
        return self

    def __exit__(self, *_):
        # Until the process has been waited for, it is in there.
        kill(self.pid, signal.SIGKILL)

        def remove():
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
            return not os.path.exists(self.path)
        wait_for(remove, "the end of what is in the cgroup", END_DEADLINE)


def start_container(*args):
    process = start_hull(*args, BUSYBOX, "sh", "-c", "echo running; sleep 1000")
    read_until(process.stdout, "running")
    return process, monitor_of(process)


@contextlib.contextmanager
def container(*args):
    process, pid = start_container(*args)
    try:
        yield pid
    finally:
        kill(process.pid, signal.SIGKILL)
        process.communicate()


def test_jailed_monitors():
    with Full("--resource-limit", f"fsize={1 << 30}") as full, container() as other, Cgroup(full.pid), Cgroup(other):
        items = audit("--store", STORE)
        # hull run sets no limits of rates.
        expect(items, {"monitor.rates": "info"})
        equal({finding for name, (_, finding) in of_monitors(items).items() if name != "monitor.rates"},
              {"2 monitors"}, "findings")
        match(rf"^{full.pid}: none for 1 of 1 disks and 1 of 1 network devices; {other}: none for 1 of 1 disks",
              items["monitor.rates"][1])
        equal(items["left.sockets"][0], "pass", "left.sockets")


def test_without_a_jail():
    with Full("--no-jail") as full, Monitor() as jailed, Cgroup(full.pid), \
            Cgroup(jailed.pid):
        items = audit("--only", "jail,monitor")
        expect(items, {**WITHOUT_JAIL, "monitor.rates": "info", "monitor.output": "warn"})
        for name in WITHOUT_JAIL:
            match(rf"\b{full.pid}\b", items[name][1], name)
            check(str(jailed.pid) not in items[name][1].replace(str(full.pid), ""), "also the jailed one:", items[name])


def test_a_container_without_a_jail():
    with container("--no-jail") as pid, Cgroup(pid):
        expect(audit(), {**WITHOUT_JAIL, "monitor.rates": "info"})


def test_without_a_cgroup():
    if not EMULATED:
        raise Skip("the cgroups of a real machine are not a test's business")
    with Monitor() as monitor:
        equal(audit("--only", "monitor.cgroup")["monitor.cgroup"], ("warn", f"{monitor.pid} is in the root cgroup"),
              "finding")


def test_one_that_waits_for_its_start():
    with WorkDir() as work:
        process = start(VMM, "--api-sock", f"{work}/api")
        try:
            wait_for(lambda: os.path.exists(f"{work}/api"), "the socket")
            status, finding = audit()["jail.root"]
            equal(status, "info", "status")
            match("waits for its start", finding)
        finally:
            kill(process.pid, signal.SIGKILL)
            process.communicate()


def test_as_an_ordinary_user():
    """What needs no right is known, the rest is not, and nothing is held to be fine."""
    with Full("--resource-limit", f"fsize={1 << 30}") as full, Cgroup(full.pid):
        items = audit("--store", STORE, prefix=AS_USER)
        expect(items, {"jail.root": "unknown", "jail.namespaces": "unknown", "monitor.sockets": "unknown",
                       "monitor.images": "unknown", "monitor.rates": "info"})
        for name in ("network.metadata", "network.taps", "left.sockets"):
            equal(items[name][0], "unknown", name)
    with Monitor("--no-jail") as monitor, Cgroup(monitor.pid):
        items = audit(prefix=AS_USER)
        for name in ("jail.root", "jail.uid", "jail.seccomp", "jail.no-new-privs", "jail.capabilities", "jail.limits"):
            equal(items[name][0], "warn", name)


def test_files_and_sockets_that_are_open():
    with WorkDir() as work:
        os.mkdir(f"{work}/open")
        os.chmod(f"{work}/open", 0o777)
        # Left by one that was killed.
        with Monitor("--api-sock", f"{work}/old"):
            pass
        with Monitor("--api-sock", f"{work}/open/api") as first, Monitor("--api-sock", f"{work}/api") as second:
            os.chmod(f"{work}/api", 0o777)
            items = audit("--only", "monitor.sockets,left.sockets")
            equal(items["monitor.sockets"], ("warn", f"{first.pid}: everybody can replace what is in {work}/open; "
                                                     f"{second.pid}: everybody can connect to {work}/api"), "finding")
            equal(items["left.sockets"], ("warn", f"nobody listens at {work}/old"), "finding")


def test_a_console_without_an_end():
    with WorkDir() as work:
        path = f"{work}/console"
        with open(path, "wb") as out:
            process = start(VMM, *ANY_KVM, "--kernel", GUEST, "--memory", "64M", "--serial", "stdio", stdout=out)
        try:
            wait_for(lambda: "waiting" in file_text(path), "the guest")
            equal(audit("--only", "monitor.output")["monitor.output"],
                  ("warn", f"{process.pid} writes to {path} without an end"), "finding")
        finally:
            kill(process.pid, signal.SIGKILL)
            process.communicate()


def state():
    """What an audit could change: host, modules, processes, store."""
    return {**host_state(), "modules": sorted(line.split()[0] for line in file_text("/proc/modules").splitlines()),
            "processes": descendants(),
            "store": tree(STORE), "cgroup files": sorted(tree(CGROUPS)) if EMULATED else []}


def test_nothing_is_changed():
    with Full() as full, container():
        audit()
        before, files = state(), tree(os.path.dirname(full.api))
        for args in ((), ("--store", "/nowhere/else")):
            audit(*args)
            audit(*args, prefix=AS_USER)
        after = state()
        for what, value in before.items():
            equal(after[what], value, what)
        equal(tree(os.path.dirname(full.api)), files, "the monitor's files")
        check(not os.path.exists("/nowhere"), "a store was made")


def test_while_others_start_and_end():
    """Processes vanish while they are read."""
    stop, failures = threading.Event(), []

    def churn():
        try:
            while not stop.is_set():
                process = start(VMM, "--no-api", "--kernel", "/nowhere")
                process.communicate()
                with Monitor(cpus=1):
                    pass
        except Exception as failure:  # told below
            failures.append(failure)
    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        end, count = time.monotonic() + 15, 0
        while time.monotonic() < end:
            items = audit("--only", "jail,monitor.sockets,monitor.rates,left.sockets,network")
            bad = {name: found for name, found in items.items() if found[0] == "warn"}
            equal(bad, {}, "warnings of monitors that are jailed")
            count += 1
        check(count > 5, "hardly an audit was made:", count)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    equal(failures, [], "what went wrong beside it")


def test_twenty_monitors():
    with WorkDir() as work, contextlib.ExitStack() as stack:
        for n in range(20):
            os.mkdir(f"{work}/{n}")
            stack.enter_context(Monitor("--api-sock", f"{work}/{n}/api", cpus=1))
        items = audit("--only", "jail")
        equal(set(items.values()), {("pass", "20 monitors")}, "findings")
        begin = os.times()
        audit()
        took = os.times()
        seconds = took.children_user + took.children_system - begin.children_user - begin.children_system
        # 0.02 s on a machine with hardware virtualization.
        check(seconds < (10 if EMULATED else 1), "an audit of twenty took CPU time of", seconds, "s")
        print(f"# an audit of 20 monitors: {seconds * 1000:.0f} ms of CPU time")
