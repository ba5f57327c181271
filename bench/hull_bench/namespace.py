# SPDX-License-Identifier: Apache-2.0
"""Namespaces: what is made in one, a mount or a tap device, is gone when hull-bench and all that it started have ended,
however they end."""
import ctypes
import os

from .fault import Fault

FLAGS = {"mount": 0x00020000, "network": 0x40000000}
MS_REC, MS_SLAVE = 1 << 14, 1 << 19


def enter(kind, hint=""):
    """This process, and those that it starts from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(FLAGS[kind]) or \
            kind == "mount" and libc.mount(None, b"/", None, MS_REC | MS_SLAVE, None):
        raise Fault(f"a {kind} namespace of its own: {os.strerror(ctypes.get_errno())}{hint}")
