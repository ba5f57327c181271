# SPDX-License-Identifier: Apache-2.0
"""Signals that end hull-bench, and it what it has started and made."""
import contextlib
import signal

ALL = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Ended(BaseException):
    """By a signal, whose number it has."""

    def __init__(self, number):
        super().__init__()
        self.number = number


class Watch:
    """deferring: how many wait for what must not be left half done; pending: a signal that came meanwhile."""
    deferring, pending = 0, None


def came(number, _):
    # Further ones wait for what is cleaned up.
    for one in ALL:
        signal.signal(one, signal.SIG_IGN)
    if Watch.deferring:
        Watch.pending = number
    else:
        raise Ended(number)


def watch():
    for number in ALL:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, came)


@contextlib.contextmanager
def deferred():
    """For what is short: a process is started and known. Without it, it could be left."""
    Watch.deferring += 1
    try:
        yield
    finally:
        Watch.deferring -= 1
    if Watch.pending and not Watch.deferring:
        number, Watch.pending = Watch.pending, None
        raise Ended(number)
