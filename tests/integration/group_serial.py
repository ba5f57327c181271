# SPDX-License-Identifier: Apache-2.0
"""The serial console of hull-vmm: a terminal, FIFOs, files, and what is dropped."""
import fcntl
import os
import select
import time

from guest import expect_end, start_vmm, vmm, vmm_args
from harness import DEADLINE, Failed, WorkDir, as_bytes, check, equal, file_text, finish, match, short, start

F_SETPIPE_SZ = 1031


def read_fd(fd, text, seconds=DEADLINE):
    got, end = b"", time.monotonic() + seconds
    while as_bytes(text) not in got:
        left = end - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            raise Failed(f"no {text!r} within {seconds} s, but {short(got)}")
        try:
            more = os.read(fd, 4096)
        except OSError as error:
            raise Failed(f"no {text!r}, but {short(got)} and {error}") from error
        if not more:
            raise Failed(f"no {text!r} before the end, but {short(got)}")
        got += more
    return got


def on_a_terminal(work, word):
    master, slave = os.openpty()
    process = start(*vmm_args(work, word, "--serial", "stdio"), stdin=slave, stdout=slave)
    os.close(slave)
    return process, master


def test_interactive():
    with WorkDir() as work:
        process, master = on_a_terminal(work, "console")
        read_fd(master, "probe: type")
        # The guest's terminal echoes, and its line editing works: DEL takes a letter back.
        os.write(master, b"some wordz\x7fs\r")
        read_fd(master, "probe: typed some words")
        equal(finish(process).code, 0, "exit code")
        os.close(master)


def test_escape_ends_it():
    with WorkDir() as work:
        process, master = on_a_terminal(work, "hang")
        read_fd(master, "probe: hanging")
        os.write(master, b"\x01x")
        equal(finish(process).code, 1, "exit code")
        os.close(master)


def test_fifo_with_a_late_reader():
    with WorkDir() as work:
        path = os.path.join(work, "fifo")
        os.mkfifo(path)
        process = start_vmm(work, "console", "--serial", "file=" + path, cmdline="console=ttyS0 panic=-1")
        time.sleep(1)
        check(process.poll() is None, "hull-vmm ended without a reader:", process.returncode)
        # All from the first line on is there, whenever the reader comes; and for the next one.
        for text in ("Linux version", "probe: type"):
            fd = os.open(path, os.O_RDONLY)
            read_fd(fd, text)
            os.close(fd)
        process.terminate()
        equal(finish(process).code, 1, "exit code")


def test_fifo_that_nobody_empties():
    with WorkDir() as work:
        path = os.path.join(work, "fifo")
        os.mkfifo(path)
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(fd, F_SETPIPE_SZ, 4096)
        result = vmm(work, "flood", "--serial", "file=" + path)
        expect_end(result, 0, r"serial: \d+ bytes of output were dropped")
        kept = len(os.read(fd, 1 << 20))
        dropped = int(match(r"(\d+) bytes", result.err, "stderr").group(1))
        # 80,000 bytes and their carriage returns.
        check(kept + dropped >= 80080, "output of which kept", kept, "dropped", dropped)
        os.close(fd)


def test_limited_file():
    with WorkDir() as work:
        path = os.path.join(work, "console")
        result = vmm(work, "info", "--serial", f"file={path},rate=bw:40/3600000+24")
        expect_end(result, 0, r"serial: \d+ bytes of output were dropped")
        equal(os.path.getsize(path), 64, "size of the file")


def test_appends_to_a_file():
    with WorkDir() as work:
        path = os.path.join(work, "console")
        for _ in range(2):
            equal(vmm(work, "info", "--serial", "file=" + path).code, 0, "exit code")
        equal(file_text(path).count("probe: cpus 1"), 2, "lines in the file")


def test_full_disk():
    with WorkDir() as work:
        result = vmm(work, "info", "--serial", "file=/dev/full")
        expect_end(result, 0, r"serial: \d+ bytes of output were dropped")
