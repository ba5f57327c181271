#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`hull run` against a stand-in for hull-vmm. Terminals."""
import fcntl
import os
import select
import signal
import struct
import termios

from run_case import DEADLINE, JAIL, RunCase, main, wait_for


class TtyTest(RunCase):
    def on_tty(self, *args, guest=None):
        """hull on a terminal of its own: (pid, master, the terminal's settings before)."""
        master, slave = os.openpty()
        before = termios.tcgetattr(slave)
        self.resize(master, 33, 77)
        pid = os.fork()
        if not pid:
            os.setsid()
            for fd in range(3):
                os.dup2(slave, fd)
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            os.execve(self.hull, [self.hull, "run", *JAIL, *args], self.env(guest))
        os.close(slave)
        return pid, master, before

    def resize(self, master, rows, columns):
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, master, text):
        data = b""
        while text not in data:
            self.assertTrue(select.select([master], [], [], DEADLINE)[0], data)
            try:
                got = os.read(master, 4096)
            except OSError:
                got = b""
            if not got:
                break
            data += got
        self.assertIn(text, data)
        return data

    def code_of(self, pid):
        self.assertTrue(wait_for(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT |
                                                   os.WNOHANG), DEADLINE))
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_terminal(self):
        pid, master, before = self.on_tty("-it", self.image, "sh", "-c",
                                  "tty; stty size; echo $TERM; read x; echo got $x; exit 3")
        data = self.read_until(master, b"xterm")
        self.assertIn(b"/dev/pts/", data)
        self.assertIn(b"33 77", data)
        self.assertFalse(termios.tcgetattr(master)[3] & termios.ICANON)
        os.write(master, b"abc\r")
        self.read_until(master, b"got abc")
        self.assertEqual(self.code_of(pid), 3)
        self.assertEqual(termios.tcgetattr(master), before)
        os.close(master)

    def test_terminal_interrupt_and_resize(self):
        pid, master, _ = self.on_tty("-it", self.image, "sh", "-c",
                                     "trap 'stty size' WINCH; trap 'echo int; exit 9' INT; echo ready;"
                                     "while :; do sleep 0.05; done")
        self.read_until(master, b"ready")
        self.resize(master, 40, 90)
        self.read_until(master, b"40 90")
        os.write(master, b"\x03")
        self.read_until(master, b"int")
        self.assertEqual(self.code_of(pid), 9)
        os.close(master)

    def test_terminal_is_restored_after_sigkill(self):
        pid, master, before = self.on_tty("-it", self.image, "sh", "-c", "echo ready; sleep 20")
        self.read_until(master, b"ready")
        self.assertNotEqual(termios.tcgetattr(master), before)
        # Hold the terminal: otherwise its last user is gone with hull.
        slave = os.open(os.ttyname(os.open(f"/proc/{pid}/fd/0", os.O_RDWR | os.O_NOCTTY)),
                        os.O_RDWR | os.O_NOCTTY)
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.code_of(pid), -9)
        self.assertTrue(wait_for(lambda: termios.tcgetattr(master) == before))
        os.close(slave)
        os.close(master)

    def test_interrupt_without_tty_goes_to_the_group(self):
        inner = "trap 'echo inner; exit' INT; echo ready; while :; do sleep 0.05; done"
        pid, master, _ = self.on_tty("-e", "INNER=" + inner, self.image, "sh", "-c",
                                     "trap 'exit 4' INT; sh -c \"$INNER\"; exit 5")
        self.read_until(master, b"ready")
        os.write(master, b"\x03")
        self.read_until(master, b"inner")
        self.assertEqual(self.code_of(pid), 4)
        os.close(master)

    def test_tty_without_a_terminal(self):
        r = self.run_hull("-t", self.image, "sh", "-c", "test -t 1 && echo tty")
        self.check(r, 0, b"tty\r\n", "^$")
        r = self.run_hull("-it", self.image, "sh", "-c", "test -t 1 && echo tty")


if __name__ == "__main__":
    main()
