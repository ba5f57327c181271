# SPDX-License-Identifier: Apache-2.0
"""The API of a monitor that has its machine from the command line."""
import time

from api_client import Connection, Vmm
from harness import check


class Api(Vmm):
    """Asks at a socket; whoever started the monitor ends it."""

    def __init__(self, sock):
        self.sock = sock

    def __exit__(self, *_):
        pass

    def pause(self):
        self.ok("PATCH", "/vm", {"state": "Paused"})

    def resume(self):
        self.ok("PATCH", "/vm", {"state": "Resumed"})


class Prober:
    """One client that asks again and again for what the monitor is; how long each answer took, in seconds."""

    def __init__(self, sock):
        self.connection, self.times = Connection(sock), []

    def ask(self):
        begin = time.monotonic()
        self.connection.request("GET", "/")
        response = self.connection.getresponse()
        check(response.status == 200, "status of GET /:", response.status)
        response.read()
        self.times.append(time.monotonic() - begin)

    def percentile(self, percent):
        return sorted(self.times)[(len(self.times) - 1) * percent // 100]

    def close(self):
        self.connection.close()
