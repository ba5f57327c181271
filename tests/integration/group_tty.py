# SPDX-License-Identifier: Apache-2.0
"""hull run -it, driven through a pty as a terminal would."""
import fcntl
import os
import select
import signal
import struct
import termios
import time

from harness import (BUSYBOX, DEADLINE, END_DEADLINE, HULL, Failed, as_bytes, check, equal, hull, kill, monitor_of,
                     short, start, wait_for)


class Terminal:
    """A pty with hull on its slave end, as the foreground process of a session of its own."""

    def __init__(self, *args, rows=24, cols=80):
        self.master, self.slave = os.openpty()
        self.resize(rows, cols)
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        self.process = start(HULL, "run", *args, stdin=self.slave, stdout=self.slave, stderr=self.slave,
                             preexec_fn=self.take)

    def take(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows, cols):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def type(self, text):
        os.write(self.master, as_bytes(text))

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.seen += os.read(self.master, 65536)

    def expect(self, text, seconds=DEADLINE):
        """Read until text comes; return what came before it."""
        end, text = time.monotonic() + seconds, as_bytes(text)
        while text not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or (self.process.poll() is not None and not select.select([self.master], [], [], 0)[0]):
                raise Failed(f"no {text!r} within {seconds} s, or before the end, in {short(self.seen)}")
            self.read(min(left, 0.2))
        before, self.seen = self.seen.split(text, 1)
        return before

    def end(self, code):
        end = time.monotonic() + END_DEADLINE
        while self.process.poll() is None:
            check(time.monotonic() < end, "hull still runs; output:", short(self.seen))
            self.read(0.1)
        self.read(0)
        equal(self.process.returncode, code, f"exit code (output {short(self.seen)})")

    def is_restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def expect_restored(self):
        wait_for(self.is_restored, "the terminal's restoration")


def shell(**kwargs):
    """A shell in the container that has shown its prompt."""
    terminal = Terminal("-it", "-e", "PS1=prompt> ", BUSYBOX, "sh", **kwargs)
    terminal.expect("prompt> ")
    return terminal


def test_shell_echo_and_exit():
    with shell() as terminal:
        check(not terminal.is_restored(), "the terminal isn't raw")
        terminal.type("echo answer $((6 * 7))\r")
        terminal.expect("echo answer $((6 * 7))\r\n")
        terminal.expect("answer 42\r\n")
        terminal.expect("prompt> ")
        terminal.type("exit 3\r")
        terminal.end(3)
        terminal.expect_restored()


def test_it_is_a_terminal():
    with shell() as terminal:
        terminal.type("[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && tty && echo TERM is $TERM && "
                      "ls -l /dev/pts/0 | cut -c1-10\r")
        terminal.expect("\r\n/dev/pts/0\r\nTERM is xterm\r\ncrw--w----\r\n")
        terminal.type("exit\r")
        terminal.end(0)


def test_ctrl_c_interrupts_the_foreground_process():
    with shell() as terminal:
        terminal.type("sleep 1000; echo status $?\r")
        terminal.expect("status $?\r\n")
        time.sleep(0.5)
        terminal.type("\x03")
        terminal.expect("prompt> ")
        terminal.type("echo still here\r")
        terminal.expect("\r\nstill here\r\n")
        terminal.type("exit 0\r")
        terminal.end(0)


def test_ctrl_c_ends_a_command():
    with Terminal("-it", BUSYBOX, "sh", "-c", "echo ready; exec sleep 1000") as terminal:
        terminal.expect("ready\r\n")
        terminal.type("\x03")
        terminal.end(130)
        terminal.expect_restored()


def test_ctrl_d_ends_the_shell():
    with shell() as terminal:
        terminal.type("\x04")
        terminal.end(0)
        terminal.expect_restored()


def test_ctrl_z_stops_the_job_inside():
    with Terminal("-it", "-e", "PS1=prompt> ", BUSYBOX, "sh", "-i") as terminal:
        terminal.expect("prompt> ")
        terminal.type("sleep 1000\r")
        terminal.expect("sleep 1000\r\n")
        time.sleep(0.5)
        terminal.type("\x1a")
        terminal.expect("Stopped")
        terminal.expect("prompt> ")
        terminal.type("kill %1; exit 6\r")
        time.sleep(0.5)
        terminal.type("exit 6\r")
        terminal.end(6)


def test_window_size():
    with shell(rows=33, cols=101) as terminal:
        terminal.type("stty size\r")
        terminal.expect("33 101\r\n")
        terminal.type("trap 'echo changed' WINCH\r")
        terminal.expect("prompt> ")
        # The kernel tells the foreground process of the terminal: hull.
        terminal.resize(55, 120)
        end = time.monotonic() + END_DEADLINE
        while True:
            terminal.type("stty size\r")
            size = terminal.expect("prompt> ")
            if b"55 120\r\n" in size:
                break
            check(time.monotonic() < end, "the new size doesn't arrive:", size)
        terminal.type("exit\r")
        terminal.end(0)


def test_restored_after_sigterm():
    with Terminal("-it", BUSYBOX, "sh", "-c", "echo ready; exec sleep 1000") as terminal:
        terminal.expect("ready\r\n")
        check(not terminal.is_restored(), "the terminal isn't raw")
        kill(terminal.process.pid, signal.SIGTERM)
        terminal.end(143)
        terminal.expect_restored()


def test_restored_after_hull_was_killed():
    with shell() as terminal:
        kill(terminal.process.pid, signal.SIGKILL)
        terminal.process.wait()
        terminal.expect_restored()


def test_restored_after_the_monitor_was_killed():
    with shell() as terminal:
        kill(monitor_of(terminal.process), signal.SIGKILL)
        terminal.expect("signal 9")
        terminal.end(125)
        terminal.expect_restored()


def test_restored_after_a_failed_command():
    with Terminal("-it", BUSYBOX, "no-such-command") as terminal:
        terminal.expect("not found")
        terminal.end(127)
        terminal.expect_restored()


def test_hang_up_ends_it():
    # The terminal's window is closed: the kernel sends SIGHUP to hull.
    with shell() as terminal:
        kill(terminal.process.pid, signal.SIGHUP)
        kill(terminal.process.pid, signal.SIGHUP)
        end = time.monotonic() + END_DEADLINE
        while terminal.process.poll() is None:
            check(time.monotonic() < end, "hull still runs")
            terminal.read(0.1)
        terminal.expect_restored()


def test_large_output_through_the_terminal():
    with Terminal("-it", BUSYBOX, "sh", "-c", "seq 1 20000") as terminal:
        got = terminal.expect("\r\n20000\r\n") + b"\r\n20000\r\n"
        terminal.end(0)
        equal(got, b"".join(b"%d\r\n" % i for i in range(1, 20001)), "output")


def test_end_of_input_that_is_no_terminal():
    # The container's terminal shows what is typed, then cat does.
    hull("-it", BUSYBOX, "cat", stdin=b"line\n").expect(
        0, "line\r\nline\r\n",
        "hull: warn: standard input is not a terminal: --tty may not do what you want\n")


def test_terminal_without_input():
    # -t alone: the container has a terminal, the user's own stays as it is.
    with Terminal("-t", BUSYBOX, "sh", "-c", "[ -t 0 ] && echo terminal; echo ready; sleep 1") as terminal:
        # Both terminals turn a newline into a carriage return and a newline, as nobody made one raw.
        terminal.expect("terminal\r\r\n")
        check(terminal.is_restored(), "the terminal was changed")
        terminal.end(0)

