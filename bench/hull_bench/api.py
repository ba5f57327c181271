# SPDX-License-Identifier: Apache-2.0
"""A monitor that serves Firecracker's API on a UNIX socket, and a client with one connection."""
import json
import os
import re
import signal
import socket
import time

from . import process, signals
from .process import Failed

# Between two looks for the socket of a program that has just been started.
LOOK_S = 0.00005
HEAD_LIMIT = 1 << 16


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    try:
        client.settimeout(process.TICK_S)
        client.connect(path)
    except OSError:
        client.close()
        raise
    return client


def receive(client, size, until):
    """At most so many bytes, b"" at the end of the connection; until: of process.now(), which doesn't leap as the
    socket's own timeout does."""
    while True:
        try:
            return client.recv(size)
        except TimeoutError:
            if process.now() >= until:
                raise Failed("the API gave no answer in time") from None
        except OSError as error:
            raise Failed(f"the API's connection broke: {error.strerror}") from error


class Client:
    """As a context. request() may be called as often as the monitor keeps the connection."""

    def __init__(self, path, timeout=60):
        self.path, self.timeout, self.rest = path, timeout, b""
        try:
            self.socket = connect(path)
        except OSError as error:
            raise Failed(f"{path}: cannot connect: {error.strerror}") from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def head(self, method, target, *, body=b"", lines=""):
        """Send a request; return the status and the head of what answers it."""
        until = process.now() + self.timeout
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        try:
            self.socket.sendall(head.encode() + b"\r\n" + body)
        except OSError as error:
            raise Failed(f"{method} {target}: the API's connection broke: {error.strerror}") from error
        while b"\r\n\r\n" not in self.rest:
            more = receive(self.socket, 4096, until)
            if not more or len(self.rest) > HEAD_LIMIT:
                raise Failed(f"{method} {target}: no answer, but {self.rest[:80]!r}")
            self.rest += more
        answer, self.rest = self.rest.split(b"\r\n\r\n", 1)
        status = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
        if not status:
            raise Failed(f"{method} {target}: answered {answer[:80]!r}")
        return int(status.group(1)), answer.decode(errors="replace")

    def request(self, method, target, body=None):
        """Return the answer's JSON, or None; a status that is none of success raises Failed."""
        status, head = self.head(method, target, body=b"" if body is None else json.dumps(body).encode())
        found = re.search(r"^content-length: *(\d+)", head, re.M | re.I)
        size, until = int(found.group(1)) if found and status != 204 else 0, process.now() + self.timeout
        while len(self.rest) < size:
            more = receive(self.socket, size - len(self.rest), until)
            if not more:
                raise Failed(f"{method} {target}: the answer is cut")
            self.rest += more
        answer, self.rest = self.rest[:size], self.rest[size:]
        if status not in (200, 204):
            raise Failed(f"{method} {target}: {status}: {answer.decode(errors='replace').strip()[:200]}")
        try:
            return json.loads(answer) if answer else None
        except ValueError as error:
            raise Failed(f"{method} {target}: answered {answer[:80]!r}") from error

    def upgrade(self, method, target):
        """Leave HTTP: the socket then holds the stream."""
        status, head = self.head(method, target, lines="Connection: Upgrade\r\nUpgrade: tcp\r\n")
        if status != 101:
            raise Failed(f"{method} {target}: {head.splitlines()[0]}")
        return self.socket, self.rest


class Server:
    """A monitor, as a context, which ends it. began_ns: just before it was started."""

    def __init__(self, command, sock, work, *, timeout=60, cpus=None):
        self.command, self.sock, self.work, self.timeout, self.cpus = command, sock, work, timeout, cpus
        self.pid, self.began_ns, self.usage = None, 0, None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def start(self):
        if os.path.exists(self.sock):
            os.unlink(self.sock)
        opened = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                  (os.POSIX_SPAWN_OPEN, 2, os.path.join(self.work, "stderr"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)]
        with process.on(self.cpus), signals.deferred():
            self.began_ns = time.monotonic_ns()
            try:
                self.pid = os.posix_spawn(self.command[0], self.command, os.environ, file_actions=opened)
            except OSError as error:
                raise Failed(f"{self.command[0]}: {error.strerror}") from error

    def __exit__(self, *_):
        self.end()

    def client(self):
        return Client(self.sock, self.timeout)

    def first(self):
        """A client, as soon as there is something to connect to."""
        until = process.now() + self.timeout
        while True:
            try:
                connect(self.sock).close()
                return self.client()
            except OSError:
                pass
            if not process.lives(self.pid):
                raise Failed(f"ended before it served its API{process.last_words(self.work)}")
            if process.now() >= until:
                raise Failed(f"did not serve its API within {self.timeout} s{process.last_words(self.work)}")
            time.sleep(LOOK_S)

    def cpu_us(self):
        return process.cpu_us(self.pid)

    def end(self):
        """Return the CPU time in us of all that it was."""
        if not self.pid:
            return 0
        if self.usage is None:
            os.kill(self.pid, signal.SIGKILL)
            self.usage = os.wait4(self.pid, 0)[2]
        return (self.usage.ru_utime + self.usage.ru_stime) * 1e6
