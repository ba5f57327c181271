# SPDX-License-Identifier: Apache-2.0
"""Signals to hull, and what is left when hull or hull-vmm are killed: nothing."""
import os
import signal
import time

from harness import (BUSYBOX, END_DEADLINE, PATIENCE, STORE, Failed, check, descendants, equal, file_text, finish,
                     hull, kill, monitor_of, read_until, start_hull, tree)

NAMES = ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2")
TRAPS = " ".join(f"trap 'echo got-{name}' {name};" for name in NAMES)
LOOP = "echo ready; while [ ! -e /tmp/end ]; do sleep 0.05; done"


def number(name):
    return getattr(signal, "SIG" + name)


def test_each_is_forwarded():
    process = start_hull(BUSYBOX, "sh", "-c", TRAPS + "trap 'echo got-WINCH' WINCH;" + LOOP)
    read_until(process.stdout, "ready\n")
    for name in NAMES:
        kill(process.pid, number(name))
        equal(read_until(process.stdout, "\n", END_DEADLINE), f"got-{name}\n".encode(), "SIG" + name)
    check(process.poll() is None, "hull ended")
    process.kill()
    finish(process)


# A shell that is about to become another program ignores SIGQUIT: this says that it has become one.
BECOMES_TAIL = ("sh", "-c", "echo ready >/tmp/ready; exec tail -f /tmp/ready")


def end_by(name, *command):
    process = start_hull(BUSYBOX, *command)
    read_until(process.stdout, "ready\n")
    kill(process.pid, number(name))
    return finish(process)


def test_exit_code_of_the_trap():
    end_by("TERM", "sh", "-c", "trap 'echo cleaning; exit 9' TERM;" + LOOP).expect(9, "cleaning\n", "")


def test_exit_code_term():
    end_by("TERM", *BECOMES_TAIL).expect(143, "", "")


def test_exit_code_int():
    end_by("INT", *BECOMES_TAIL).expect(130, "", "")


def test_exit_code_quit():
    end_by("QUIT", *BECOMES_TAIL).expect(131, "", "")


def test_ignored_by_the_caller_is_not_taken():
    # As nohup does it.
    process = start_hull(BUSYBOX, "sh", "-c", TRAPS + LOOP,
                         preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    read_until(process.stdout, "ready\n")
    kill(process.pid, signal.SIGHUP)
    kill(process.pid, signal.SIGUSR1)
    equal(read_until(process.stdout, "\n"), b"got-USR1\n", "after SIGHUP and SIGUSR1")
    process.kill()
    finish(process)


def test_during_the_start():
    for delay in (0.05, 0.5, 1.2):
        process = start_hull(BUSYBOX, "sh", "-c", "echo ready; exec sleep 1000")
        time.sleep(delay)
        kill(process.pid, signal.SIGTERM)
        begin = time.monotonic()
        result = finish(process)
        # So early that hull has not begun, the signal itself ends it; a shell calls both 143.
        code = 143 if result.code == -signal.SIGTERM else result.code
        equal((code, result.err), (143, b""), f"exit code and stderr after {delay} s")
        check(time.monotonic() - begin < 20 * PATIENCE, "took", time.monotonic() - begin, "s")


def places():
    """All that a run could leave behind, by name."""
    found = {"mounts": sorted(file_text("/proc/mounts").splitlines()),
             "sockets": sorted(line.split(None, 7)[7] for line in file_text("/proc/net/unix").splitlines()[1:]
                               if len(line.split(None, 7)) > 7),
             "names": sorted(name for name in os.listdir("/dev"))}
    for path in ("/run", "/tmp", "/var/lib", "/var/tmp", "/dev/shm", STORE):
        found[path] = sorted(name for name in tree(path) if not name.startswith("hull-test-"))
    return found


def wait_for_nothing_left(before, seconds=END_DEADLINE):
    end = time.monotonic() + seconds
    while True:
        left = descendants()
        after = places()
        if not left and after == before:
            return
        if time.monotonic() > end:
            diff = {key: [x for x in after[key] if x not in before[key]] for key in after if after[key] != before[key]}
            raise Failed(f"left after {seconds} s: processes {left}, names {diff}")
        time.sleep(0.1)


def start_and_wait(*options):
    process = start_hull(*options, BUSYBOX, "sh", "-c", "echo ready; exec sleep 1000")
    read_until(process.stdout, "ready\n")
    return process


def test_hull_killed_leaves_nothing():
    hull(BUSYBOX, "true").expect(0)
    before = places()
    process = start_and_wait("--name", "killed", "--disk", "64M")
    process.kill()
    process.communicate()
    begin = time.monotonic()
    wait_for_nothing_left(before)
    check(time.monotonic() - begin < 20 * PATIENCE, "took", time.monotonic() - begin, "s")


def test_hull_killed_during_the_start_leaves_nothing():
    before = places()
    for delay in (0.02, 0.3, 1.0):
        process = start_hull("--disk", "64M", BUSYBOX, "sleep", "1000")
        time.sleep(delay)
        process.kill()
        process.communicate()
        wait_for_nothing_left(before)


def test_usual_end_leaves_nothing():
    before = places()
    hull("--disk", "64M", "--name", "usual", BUSYBOX, "true").expect(0)
    wait_for_nothing_left(before)


def test_monitor_killed_is_told():
    before = places()
    process = start_and_wait()
    kill(monitor_of(process), signal.SIGKILL)
    finish(process).expect_error(125, "hull-vmm", "killed", "signal 9")
    wait_for_nothing_left(before)


def test_monitor_terminated_is_told():
    process = start_and_wait()
    kill(monitor_of(process), signal.SIGTERM)
    result = finish(process)
    equal(result.code, 125, "exit code")
    check(result.err.count(b"\n") == 1, "expected one line:", result)


def test_stopped_and_continued():
    process = start_hull(BUSYBOX, "sh", "-c", "echo ready; while :; do echo tick; sleep 0.1; done")
    read_until(process.stdout, "tick\n")
    kill(process.pid, signal.SIGSTOP)
    time.sleep(0.5)
    kill(process.pid, signal.SIGCONT)
    read_until(process.stdout, "tick\ntick\n")
    kill(process.pid, signal.SIGTERM)
    equal(finish(process).code, 143, "exit code")


def test_from_another_session():
    # hull-vmm must not get what is typed at hull's terminal: it has a session of its own.
    process = start_and_wait()
    equal(os.getsid(monitor_of(process)) == os.getsid(process.pid), False, "same session")
    kill(process.pid, signal.SIGTERM)
    equal(finish(process).code, 143, "exit code")

