#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for hull-vmm and its guest: it answers the requests of `hull run` and runs the command as an ordinary
process, so that hull can be tested without KVM.

The scenario is in the environment, FAKE_GUEST; without it all behave well.

  args         the command isn't run; the monitor's own arguments and descriptors are its output
  exit=N       the monitor ends at once with code N, having said something on stderr and console
  killed       the monitor kills itself once the command runs
  silent       the guest prints a line on its console and never connects
  vanish       the monitor closes its connections once the command runs, and stays
  lazy         the guest ignores its power button
  deaf         requests after the start are never read
  mute         nothing is ever answered
  swap         the end is told before the start was answered
  noattach     attaching is refused
  halfattach   the answer to attaching ends in the midst of its head
  flood        the guest prints without end before the command starts
  start=TEXT, wait=TEXT
               the answer to that request, with the escapes of Python's strings; the connection stays
  close=NAME   likewise nothing: the connection of that request (start or wait) is closed instead
"""
import base64
import codecs
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

SCENARIO, _, VALUE = os.environ.pop("FAKE_GUEST", "").partition("=")


def text_of(value):
    """A string of the container's description, as bytes."""
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value.encode()


class Fake:
    def __init__(self, argv):
        self.argv = argv
        pairs = list(zip(argv[1::2], argv[2::2]))
        self.api = [int(value) for name, value in pairs if name == "--api-fd"]
        numbers = {name: int(value[3:]) for name, value in pairs if name in ("--serial", "--container")}
        self.console = numbers["--serial"]
        with os.fdopen(os.dup(numbers["--container"]), "rb") as f:
            f.seek(0)
            self.spec = json.load(f)
        self.process = self.spec["process"]
        self.descriptors = [fd for fd in range(64) if self.is_open(fd)]
        self.controls = []
        self.lock = threading.RLock()
        self.attached = threading.Semaphore(0)
        self.streams = {}
        self.child = None
        self.pty = -1
        self.failure = None
        self.over = threading.Event()
        self.code, self.signal = 0, 0
        self.timings = {name: time.monotonic_ns() for name in ("start", "devices", "kernel", "run")}

    @staticmethod
    def is_open(fd):
        try:
            os.fstat(fd)
            return True
        except OSError:
            return False

    def end(self, code):
        if self.child and self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
        os._exit(code)

    def leave_early(self):
        if SCENARIO == "exit":
            os.write(self.console, b"[    0.1] guest's \x1b[31mfirst words\r\n[    0.2] guest's last words\r\n")
            if int(VALUE) not in (0, 16):
                os.write(2, b"hull-vmm: something is wrong\n")
            self.end(int(VALUE))
        if SCENARIO == "silent":
            os.write(self.console, b"booting, and booting\n")
        if SCENARIO == "flood":
            for i in range(2000):
                os.write(self.console, b"x" * (i % 500) + b"\n")

    # Requests

    def serve(self, index, fd):
        conn = socket.socket(fileno=fd)
        if index < 2:
            self.controls.append(conn)
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                got = conn.recv(4096)
                if not got:
                    if index == 0 and SCENARIO not in ("vanish", "close"):
                        self.end(0)
                    return
                data += got
            head, _, data = data.partition(b"\r\n\r\n")
            length = int(re.search(rb"Content-Length: (\d+)", head)[1])
            while len(data) < length:
                data += conn.recv(4096)
            body, data = data[:length], data[length:]
            method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
            if not self.request(conn, method + " " + path, json.loads(body) if body else None):
                return

    def answer(self, conn, status, body=None):
        text = json.dumps(body) if body is not None else ""
        conn.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
        return True

    def misbehave(self, conn, name):
        """What the scenario has in place of an answer to this request."""
        if SCENARIO == name:
            conn.sendall(codecs.escape_decode(VALUE)[0])
            return True
        if SCENARIO == "close" and VALUE == name:
            conn.shutdown(socket.SHUT_RDWR)
            return True
        return SCENARIO == "mute"

    def request(self, conn, what, body):
        """Return: whether the connection stays one for requests."""
        if what.startswith("POST /container/attach?"):
            return self.attach(conn, what)
        if what == "POST /container/start":
            return self.misbehave(conn, "start") or self.start(conn)
        if what == "GET /container/wait":
            return self.misbehave(conn, "wait") or self.wait(conn)
        if SCENARIO == "mute":
            return True
        if SCENARIO == "deaf":
            time.sleep(1000)
        if what == "GET /container":
            return self.answer(conn, 200, {"state": "running", "timings_ns": self.timings,
                                           "timings_cpu_ns": {"start": 1000, "ended": 9000}})
        if what == "POST /container/kill":
            return self.kill(conn, body)
        if what == "POST /container/resize":
            resize(self.pty, body["height"], body["width"])
            return self.answer(conn, 204)
        if what == "PUT /actions" and body == {"action_type": "SendCtrlAltDel"}:
            if SCENARIO != "lazy":
                self.end(0)
            return self.answer(conn, 204)
        return self.answer(conn, 404, {"fault_message": what})

    def attach(self, conn, what):
        names = re.findall(r"(stdin|stdout|stderr)=1", what)
        if SCENARIO == "noattach":
            self.attached.release()
            return self.answer(conn, 400, {"fault_message": "no"})
        head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        if SCENARIO != "mute":
            conn.sendall(head[:20] if SCENARIO == "halfattach" else head)
        self.streams["tty" if len(names) > 1 else names[0]] = conn
        self.attached.release()
        return False

    def start(self, conn):
        # As the requests come: all streams are attached before.
        for _ in range(len(self.api) - 2):
            self.attached.acquire()
        if SCENARIO == "silent":
            return True
        self.timings.update(hello=time.monotonic_ns(), guest_dial=6000000, guest_init=1000000)
        if SCENARIO == "args":
            lines = self.argv + [f"open {fd}" for fd in self.descriptors]
            self.argv[0] = "sh"
            self.process["args"] = ["printf", "%s\\n"] + lines
        if SCENARIO == "swap":
            return True
        if SCENARIO in ("noattach", "halfattach"):
            return self.answer(conn, 204)
        with self.lock:
            try:
                self.spawn()
            except FileNotFoundError:
                self.failure = (127, f"{self.process['args'][0]}: No such file or directory")
            except OSError as error:
                self.failure = (126, f"{self.process['args'][0]}: {error.strerror}")
        self.timings["started"] = time.monotonic_ns()
        if self.failure:
            self.code = self.failure[0]
            self.over.set()
            return self.answer(conn, 400, {"fault_message": self.failure[1]})
        self.answer(conn, 204)
        if SCENARIO == "killed":
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGKILL)
        if SCENARIO == "vanish":
            time.sleep(0.2)
            for other in self.controls:
                other.shutdown(socket.SHUT_RDWR)
            threading.Event().wait()
        return True

    def spawn(self):
        env = dict(item.split(b"=", 1) for item in map(text_of, self.process["env"]))
        argv = [text_of(arg) for arg in self.process["args"]]
        if self.process["terminal"]:
            self.pty, slave = pty.openpty()
            size = self.process["consoleSize"]
            resize(self.pty, size["height"], size["width"])
            self.child = subprocess.Popen(argv, env=env, stdin=slave, stdout=slave, stderr=slave,
                                          start_new_session=True, preexec_fn=take_terminal)
            os.close(slave)
            threading.Thread(target=self.relay_out, daemon=True).start()
            threading.Thread(target=self.relay_in, daemon=True).start()
        else:
            self.child = subprocess.Popen(
                argv, env=env, stdin=self.streams.get("stdin") or subprocess.DEVNULL, stdout=self.streams["stdout"],
                stderr=self.streams["stderr"], start_new_session=True)
            for stream in self.streams.values():
                stream.close()
        threading.Thread(target=self.reap, daemon=True).start()

    def relay_out(self):
        try:
            while True:
                self.streams["tty"].sendall(os.read(self.pty, 4096))
        except OSError:
            self.streams["tty"].shutdown(socket.SHUT_WR)

    def relay_in(self):
        try:
            while True:
                data = self.streams["tty"].recv(4096)
                if not data:
                    break
                os.write(self.pty, data)
        except OSError:
            pass

    def reap(self):
        status = self.child.wait()
        self.timings["ended"] = time.monotonic_ns()
        self.code, self.signal = (128 - status, -status) if status < 0 else (status, 0)
        self.over.set()

    def wait(self, conn):
        if SCENARIO == "swap":
            return self.answer(conn, 200, {"exit_code": 5})
        end = select.poll()
        end.register(conn, select.POLLRDHUP)
        while not self.over.wait(0.01):
            if end.poll(0):
                return False
        body = {"exit_code": self.code}
        if self.signal:
            body["signal"] = self.signal
        if self.failure:
            body["error"] = self.failure[1]
        return self.answer(conn, 200, body)

    def kill(self, conn, body):
        if not self.child or self.over.is_set():
            return self.answer(conn, 400, {"fault_message": "container: the command isn't running"})
        if body["group"] and self.pty >= 0:
            os.killpg(os.tcgetpgrp(self.pty), body["signal"])
        elif body["group"]:
            os.killpg(self.child.pid, body["signal"])
        else:
            os.kill(self.child.pid, body["signal"])
        return self.answer(conn, 204)


def take_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def thread_failed(args):
    """hull may hang up at any time."""
    if not issubclass(args.exc_type, OSError):
        sys.__excepthook__(*args[:3])


def main():
    threading.excepthook = thread_failed
    fake = Fake(sys.argv)
    fake.leave_early()
    threads = [threading.Thread(target=fake.serve, args=(i, fd), daemon=True) for i, fd in enumerate(fake.api)]
    for thread in threads:
        thread.start()
    threading.Event().wait()


main()
