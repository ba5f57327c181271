# SPDX-License-Identifier: Apache-2.0
"""Jailed monitors leave nothing on the host: many at once, ended at any point."""
import os
import signal
import socket
import threading

from attack import make_disk
from group_net import Tap
from harness import DEADLINE, EMULATED, VMM, WorkDir, check, check_no_process_left, equal, kill, tree
from host_state import check_unchanged, host_state
from monitor import ANY_KVM, GUEST, Monitor, own_id
from ptrace import start_traced, step


def test_twenty_at_once():
    with WorkDir() as work, Tap():
        with Monitor():
            pass
        before = host_state()
        all_of_them, uids = [], set()
        try:
            for n in range(20):
                folder = os.path.join(work, str(n))
                os.mkdir(folder)
                all_of_them.append(
                    Monitor("--api-sock", f"{folder}/api", "--vsock", f"cid=3,uds={folder}/vsock", cpus=1))
            for monitor in all_of_them:
                monitor.__enter__()
                uids.add(own_id(monitor.pid))
            equal(len(uids), 20, "user IDs")
            ends = [threading.Thread(target=kill, args=[monitor.pid, signal.SIGKILL if n % 2 else signal.SIGTERM])
                    for n, monitor in enumerate(all_of_them)]
            for end in ends:
                end.start()
            for end in ends:
                end.join()
            for n, monitor in enumerate(all_of_them):
                monitor.process.communicate(timeout=DEADLINE)
                equal(monitor.process.returncode, -signal.SIGKILL if n % 2 else 1, "exit code")
        finally:
            for monitor in all_of_them:
                monitor.__exit__()
        check_no_process_left()
        check_unchanged(before)
        for n in range(20):
            check(set(tree(os.path.join(work, str(n)))) <= {"api", "vsock"}, "left:", tree(os.path.join(work, str(n))))
        # All IDs are to be had again.
        with Monitor() as monitor:
            own_id(monitor.pid)


def sweep(work, step_size):
    """End a start at each so manieth of its system calls."""
    def argv():
        return [VMM, *ANY_KVM, "--kernel", GUEST, "--memory", "64M", "--cpus", "1", "--serial", "stdio", "--disk",
                os.path.join(work, "disk"), "--net", "tap=tap9", "--vsock", f"cid=3,uds={work}/vsock", "--api-sock",
                f"{work}/api", "--log-path", f"{work}/log"]
    named = {"disk", "vsock", "api", "log"}
    before = host_state()
    at, last = 1, False
    while not last:
        process = start_traced(*argv())
        last = step(process.pid, at) < at
        kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)
        process.returncode = -signal.SIGKILL
        process.communicate()
        check_unchanged(before)
        # A socket is made under a name with a tilde, which the next start takes away.
        left = set(tree(work)) - named - {"api~", "vsock~"}
        check(not left, f"left by an end at stop {at}:", left)
        at += step_size
    return at // step_size


def test_killed_at_any_point_of_its_start():
    with WorkDir() as work, Tap():
        make_disk(os.path.join(work, "disk"))
        with Monitor():
            pass
        count = sweep(work, 29 if EMULATED else 5)
        check(count > 10, "hardly a start has been ended:", count)
        check_no_process_left()
        # And it starts where the others were ended.
        for name in ("api~", "vsock~"):
            if not os.path.exists(os.path.join(work, name)):
                with socket.socket(socket.AF_UNIX) as dead:
                    dead.bind(os.path.join(work, name))
        with Monitor("--disk", os.path.join(work, "disk"), "--net", "tap=tap9", "--vsock", f"cid=3,uds={work}/vsock",
                     "--api-sock", f"{work}/api"):
            equal(sorted(tree(work)), ["api", "disk", "log", "vsock"], "what is there")
