# SPDX-License-Identifier: Apache-2.0
"""Runs tests, each a function test_NAME of a group's module, and has them start processes that never outlive them.

A test fails by an exception. After each one no process may be left of those it started, however far down; what is
left is ended and fails the test. For that this process adopts orphans (PR_SET_CHILD_SUBREAPER).
"""
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))
STAGE = os.path.join(TOP, "build", "stage")
HULL = os.path.join(STAGE, "bin", "hull")
VMM = os.path.join(STAGE, "bin", "hull-vmm")
KERNEL = os.path.join(STAGE, "lib", "hull", "vmlinux")
STORE = os.environ.get("HULL_STORE") or os.path.join(TOP, "build", "store")
BUSYBOX = os.path.join(TOP, "build", "images", "busybox")
DEBIAN = os.path.join(TOP, "build", "images", "debian")

# scripts/kvm-host says so of the machine it emulates.
EMULATED = bool(os.environ.get("HULL_EMULATED"))

# Every wait ends. A boot takes 2 to 4 seconds in the emulated host; these are for one that is short of CPU time, and
# HULL_TEST_PATIENCE multiplies them where it is even shorter.
PATIENCE = int(os.environ.get("HULL_TEST_PATIENCE") or 1)
DEADLINE = 120 * PATIENCE
END_DEADLINE = 60 * PATIENCE
LONG_DEADLINE = 300 * PATIENCE

PR_SET_CHILD_SUBREAPER = 36

# Who runs a group that is to be run by an ordinary user.
USER = 64321
# The first of the IDs that are that user's to give.
SUBIDS = 500000


class Failed(Exception):
    """What a test expected didn't come."""


class Skip(Exception):
    """This test can't run here; the text says why."""


def needs_root():
    """The test makes something that only root can."""
    if os.geteuid() != 0:
        raise Skip("needs root")


def delegate_cgroup():
    """Move to a control group that is the user's to divide, as a session of systemd's is."""
    top = "/sys/fs/cgroup"
    group = os.path.join(top, "hull-test-user")
    os.mkdir(group)
    for name, text in ((group + "/cgroup.procs", "0"), (top + "/cgroup.subtree_control", "+cpu +io +memory +pids")):
        with open(name, "w", encoding="ascii") as file:
            file.write(text)
    for name in (".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        os.chown(os.path.join(group, name), USER, USER)


def become_user():
    """Go on as an ordinary user who may open /dev/kvm, in a home with a store of its own, which holds the images."""
    global STORE  # pylint: disable=global-statement
    if not EMULATED:
        sys.exit("harness: to become a user, /dev/kvm is opened for all: in the emulated host only")
    os.chmod("/dev/kvm", 0o666)
    with open("/etc/passwd", "a", encoding="ascii") as file:
        file.write(f"hull-test:x:{USER}:{USER}::/:/bin/sh\n")
    for name in ("/etc/subuid", "/etc/subgid"):
        with open(name, "a", encoding="ascii") as file:
            file.write(f"hull-test:{SUBIDS}:65536\n")
    delegate_cgroup()
    # passt wants a way out, if only one on which nobody answers.
    for words in ("tuntap add dev hull-out mode tap", "address add 198.51.100.1/24 dev hull-out", "link set hull-out up",
                  "link set lo up", "route add default via 198.51.100.254"):
        subprocess.run(["ip", *words.split()], check=True)
    home = tempfile.mkdtemp(prefix="hull-test-home-")
    store = os.path.join(home, "store")
    shutil.copytree(STORE, store)
    for folder, folders, files in os.walk(home):
        for path in [folder] + [os.path.join(folder, name) for name in folders + files]:
            os.chown(path, USER, USER, follow_symlinks=False)
    os.environ.update(HOME=home, XDG_RUNTIME_DIR=home, HULL_STORE=store)
    STORE = store
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)


def check(condition, *words):
    if not condition:
        raise Failed(" ".join(str(word) for word in words))


def equal(got, expected, what="result"):
    if got != expected:
        raise Failed(f"{what}: got {short(got)}, expected {short(expected)}")


def match(pattern, text, what="text"):
    """Search a pattern in a text, which may be bytes."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    found = re.search(pattern, text, re.M | re.S)
    if not found:
        raise Failed(f"{what}: no {pattern!r} in {short(text)}")
    return found


def short(value):
    text = repr(value)
    return text if len(text) < 1600 else f"{text[:800]} ... {text[-700:]} ({len(value)} long)"


def wait_for(condition, what, seconds=DEADLINE):
    """Poll until condition() gives something true, and return that."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Result:
    """How a program ended."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __repr__(self):
        return f"exit code {self.code}, stdout {short(self.out)}, stderr {short(self.err)}"

    def expect(self, code=0, out=None, err=None):
        """Check the exit code, stdout exactly, stderr exactly; without err a success must be silent there."""
        check(self.code == code, f"expected exit code {code}:", self)
        if out is not None:
            check(self.out == as_bytes(out), f"expected stdout {short(as_bytes(out))}:", self)
        if err is None and code == 0:
            err = b""
        if err is not None:
            check(self.err == as_bytes(err), f"expected stderr {short(as_bytes(err))}:", self)
        return self

    def expect_error(self, code, *patterns, by="hull"):
        """Check for a failure that a program tells in one line on stderr, in which all the patterns are found."""
        check(self.code == code, f"expected exit code {code}:", self)
        check(self.out == b"", "expected nothing on stdout:", self)
        check(self.err.startswith(as_bytes(by + ": ")) and self.err.count(b"\n") == 1 and self.err.endswith(b"\n"),
              f"expected one line of {by}'s on stderr:", self)
        for pattern in patterns:
            match(pattern, self.err, "stderr")
        return self


def as_bytes(text):
    return text.encode() if isinstance(text, str) else text


def environment(changes):
    env = dict(os.environ, HULL_STORE=STORE)
    for name, value in (changes or {}).items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


def run(*argv, stdin=None, env=None, timeout=DEADLINE, cwd=None):
    """Run a program to its end. stdin: None for /dev/null, or bytes."""
    process = start(*argv, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL, env=env, cwd=cwd)
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired as late:
        process.kill()
        out, err = process.communicate()
        raise Failed(f"{' '.join(argv)}: still running after {timeout} s: {Result(None, out, err)}") from late
    return Result(process.returncode, out, err)


def hull(*args, **kwargs):
    """Run 'hull run ARGS...' to its end."""
    return run(HULL, "run", *args, **kwargs)


def start(*argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=None, cwd=None,
          **kwargs):
    """Start a program; the test must wait for its end."""
    return subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=stderr, env=environment(env), cwd=cwd, **kwargs)


def start_hull(*args, **kwargs):
    """Start 'hull run ARGS...'."""
    return start(HULL, "run", *args, **kwargs)


def read_until(stream, text, seconds=DEADLINE):
    """Read a pipe until text came; return all that was read."""
    got, text = b"", as_bytes(text)
    timer = threading.Timer(seconds, expired, [stream])
    timer.start()
    try:
        while text not in got:
            more = os.read(stream.fileno(), 4096)
            if not more:
                raise Failed(f"no {text!r} within {seconds} s or before the end, but {short(got)}")
            got += more
    finally:
        timer.cancel()
    return got


def expired(stream):
    """End whoever writes to a pipe that a reader waits at: all that the test has started."""
    del stream
    for pid in descendants():
        kill(pid, signal.SIGKILL)


def finish(process, timeout=END_DEADLINE):
    """Wait for the end of a program whose output is pipes."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as late:
        process.kill()
        out, err = process.communicate()
        raise Failed(f"{process.args}: still running after {timeout} s: {Result(None, out, err)}") from late
    return Result(process.returncode, out, err)


def kill(pid, signo):
    try:
        os.kill(pid, signo)
    except ProcessLookupError:
        pass


def processes():
    """pid: (parent, state, name) of all processes."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        rest = text[text.rindex(")") + 2:].split()
        found[int(name)] = (int(rest[1]), rest[0], text[text.index("(") + 1:text.rindex(")")])
    return found


def descendants(of=None):
    """Live processes below one, by default this one: {pid: name}."""
    table, mine, found = processes(), {of or os.getpid()}, {}
    grown = True
    while grown:
        grown = False
        for pid, (parent, state, name) in table.items():
            if parent in mine and pid not in mine:
                mine.add(pid)
                grown = True
                if state != "Z":
                    found[pid] = name
    return found


def monitor_of(process, seconds=DEADLINE):
    """The pid of a running hull's hull-vmm."""
    def find():
        check(process.poll() is None, "hull ended early with exit code", process.poll())
        return [pid for pid, name in descendants(process.pid).items() if name == "hull-vmm"]
    return wait_for(find, "hull-vmm's start", seconds)[0]


def reap():
    """Wait for adopted orphans."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def check_no_process_left(seconds=15 * PATIENCE):
    end = time.monotonic() + seconds
    while True:
        left = descendants()
        if not left:
            break
        if time.monotonic() > end:
            for pid in left:
                kill(pid, signal.SIGKILL)
            time.sleep(0.5)
            reap()
            raise Failed(f"processes left behind, {seconds} s after: {left}")
        time.sleep(0.02)
    reap()


class WorkDir:
    """A folder of a test's own, as a context."""

    def __enter__(self):
        self.path = os.path.realpath(tempfile.mkdtemp(prefix="hull-test-"))
        os.chmod(self.path, 0o755)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def listen(path, kind=socket.SOCK_STREAM, backlog=128):
    """A listening UNIX socket that a jailed monitor, another user than we are, may connect to."""
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(path)
    os.chmod(path, 0o777)
    sock.listen(backlog)
    return sock


def tree(path):
    """What is in a folder: {name: (mode, size)}."""
    found = {}
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            full = os.path.join(folder, name)
            try:
                st = os.lstat(full)
            except OSError:
                continue
            found[os.path.relpath(full, path)] = (st.st_mode, st.st_size)
    return found


def file_text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def run_one(function):
    """Return the rest of the line after 'ok' or 'not ok', and the reason of a failure."""
    try:
        try:
            function()
        except Skip as reason:
            return True, f" # SKIP {reason}", ""
        check_no_process_left()
        return True, "", ""
    except Failed as failure:
        where = traceback.extract_tb(failure.__traceback__)
        lines = [f"{os.path.basename(at.filename)}:{at.lineno}: {at.line}" for at in where
                 if not at.filename.endswith("harness.py")]
        reason = str(failure) + "\n" + "\n".join(lines)
    except Exception:  # a fault of the test's own is a failure, too
        reason = traceback.format_exc()
    try:
        check_no_process_left(2)
    except Failed as failure:
        reason += "\n" + str(failure)
    return False, "", reason


def run_group(module, group, only):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # As a shell starts its commands, whatever this was started by.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for signo in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(signo, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    good = True
    for name, function in list(vars(module).items()):
        if not name.startswith("test_") or not callable(function):
            continue
        title = f"{group}: {name[5:].replace('_', ' ')}"
        if only and not any(word in name or word in title for word in only):
            continue
        begin = time.monotonic()
        passed, note, reason = run_one(function)
        good &= passed
        seconds = f" ({time.monotonic() - begin:.1f} s)"
        print(f"{'ok' if passed else 'not ok'} {title}{note}{'' if note else seconds}")
        for line in reason.splitlines():
            print(f"#   {line}")
        sys.stdout.flush()
    return good
