# SPDX-License-Identifier: Apache-2.0
"""Standard input and output: large, binary, slow, ended early."""
import hashlib
import os
import subprocess
import threading
import time

from harness import (BUSYBOX, DEADLINE, DEBIAN, END_DEADLINE, HULL, LONG_DEADLINE, Failed, check, descendants,
                     environment, equal, finish, hull, monitor_of, needs_root, read_until, start_hull)

MIB = 1 << 20
LARGE = 100 * MIB

# A block of noise comes first, then 100 times a line with its number, and the block: what is lost, repeated or out
# of order changes the sum, and the guest spends its time on passing bytes on, not on making them.
NOISE = "dd if=/dev/urandom of=/tmp/b bs=64k count=16 2>/dev/null; "
BLOCKS = NOISE + "cat /tmp/b; i=0; while [ $i -lt %d ]; do echo block $i; cat /tmp/b; i=$((i + 1)); done"


def expected_blocks(block, count):
    want = hashlib.sha256(block)
    for i in range(count):
        want.update(b"block %d\n" % i)
        want.update(block)
    return want.hexdigest()


class Blocks:
    """Takes in what BLOCKS prints, and checks it."""

    def __init__(self, count):
        self.count, self.size = count, 0
        self.head, self.sum = b"", hashlib.sha256()

    def add(self, data):
        if len(self.head) < MIB:
            self.head += data[:MIB - len(self.head)]
        self.size += len(data)
        self.sum.update(data)

    def check(self):
        lines = sum(len(b"block %d\n" % i) for i in range(self.count))
        equal(self.size, (self.count + 1) * MIB + lines, "bytes")
        equal(self.sum.hexdigest(), expected_blocks(self.head, self.count), "checksum")


def read_all(stream, add, size=256 * 1024):
    while True:
        data = os.read(stream.fileno(), size)
        if not data:
            return
        add(data)


def within(seconds, process, function, *args):
    """Call a function that reads what a process writes; the process is ended when it takes too long."""
    late = []

    def end():
        late.append(True)
        process.kill()
    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        function(*args)
    finally:
        timer.cancel()
    if late:
        raise Failed(f"not done within {seconds} s")


def test_100_mb_through_stdout():
    process = start_hull(BUSYBOX, "sh", "-c", BLOCKS % 99)
    blocks = Blocks(99)
    within(LONG_DEADLINE, process, read_all, process.stdout, blocks.add)
    finish(process).expect(0)
    blocks.check()


def feed(stream, chunks, ret_sum=None):
    try:
        for chunk in chunks:
            stream.write(chunk)
            if ret_sum:
                ret_sum.update(chunk)
        stream.close()
    except BrokenPipeError:
        pass


def test_100_mb_through_stdin():
    block, want = os.urandom(MIB), hashlib.sha256()
    process = start_hull("-i", BUSYBOX, "sha256sum", stdin=subprocess.PIPE)
    chunks = (b"%08d" % i + block[8:] for i in range(LARGE // MIB))
    feeder = threading.Thread(target=feed, args=(process.stdin, chunks, want))
    feeder.start()
    out = []
    within(LONG_DEADLINE, process, read_all, process.stdout, out.append)
    feeder.join()
    process.stdin = None
    finish(process).expect(0)
    equal(b"".join(out).decode(), want.hexdigest() + "  -\n", "checksum in the guest")


def test_every_byte_both_ways():
    data = bytes(range(256)) * 64 + b"\r\n\0\x04\x1a" * 1000 + os.urandom(100_000)
    result = hull("-i", BUSYBOX, "cat", stdin=data)
    result.expect(0)
    check(result.out == data, f"sent {len(data)} bytes, got {len(result.out)} others")


def own_memory(pid):
    """Resident KiB of a process without guest RAM, which is mapped without reserve, and its files."""
    total = 0
    row, guest = 0, False
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps:
        for line in smaps:
            word = line.split()[0]
            if "-" in word and not word.endswith(":"):
                total += 0 if guest else row
                row, guest = 0, line.rstrip().endswith(("/vmlinux", "/initramfs"))
            elif word == "Rss:":
                row = int(line.split()[1])
            elif word == "VmFlags:" and "nr" in line.split():
                guest = True
    return total + (0 if guest else row)


def test_slow_reader_is_waited_for():
    needs_root()
    process = start_hull(BUSYBOX, "sh", "-c", BLOCKS % 39)
    blocks = Blocks(39)
    blocks.add(os.read(process.stdout.fileno(), 4096))
    monitor = monitor_of(process)
    # Nobody reads: the guest must stop, and nobody may keep for it what it wants to write.
    time.sleep(4)
    before = own_memory(process.pid), own_memory(monitor)
    time.sleep(4)
    after = own_memory(process.pid), own_memory(monitor)
    check(after[0] < 16 * 1024 and after[1] < 16 * 1024, "resident KiB of hull and hull-vmm:", after)
    check(after[0] - before[0] < 256 and after[1] - before[1] < 256, "KiB grow:", before, after)
    within(LONG_DEADLINE, process, read_all, process.stdout, blocks.add)
    finish(process).expect(0)
    blocks.check()


def test_reader_that_leaves_ends_it():
    # As 'hull run IMAGE yes | head -n 1' in a shell.
    process = start_hull(BUSYBOX, "yes")
    got = process.stdout.read(2)
    process.stdout.close()
    process.stdout = None
    result = finish(process)
    equal(got, b"y\n", "first line")
    equal(result.code, 141, "exit code, SIGPIPE of the guest's writer")
    equal(result.err, b"", "stderr")


def test_pipeline_of_a_shell():
    result = subprocess.run(["bash", "-c", 'set -o pipefail; "$@" | head -n 1', "bash", HULL, "run", BUSYBOX, "yes"],
                            stdin=subprocess.DEVNULL, capture_output=True, env=environment(None), timeout=DEADLINE,
                            check=False)
    equal((result.returncode, result.stdout), (141, b"y\n"), "exit code and output")


def test_stdout_and_stderr_at_once():
    script = NOISE + ("cat /tmp/b; i=0; while [ $i -lt 10 ]; do cat /tmp/b; cat /tmp/b >&2; "
                      "echo $i; echo $i >&2; i=$((i + 1)); done")
    process = start_hull(BUSYBOX, "sh", "-c", script)
    out, err = [], []
    reader = threading.Thread(target=read_all, args=(process.stderr, err.append))
    reader.start()
    within(LONG_DEADLINE, process, read_all, process.stdout, out.append)
    reader.join()
    equal(process.wait(END_DEADLINE), 0, "exit code")
    out, err = b"".join(out), b"".join(err)
    block = out[:MIB]
    want = b"".join(block + b"%d\n" % i for i in range(10))
    check(out[MIB:] == want, "stdout differs")
    check(err == want, "stderr differs")


def test_stdin_is_closed_by_the_process():
    # Its reader goes, the writer here goes on: neither may hang.
    process = start_hull("-i", BUSYBOX, "head", "-c", "5", stdin=subprocess.PIPE)
    feeder = threading.Thread(target=feed, args=(process.stdin, iter(lambda: b"abcdefgh" * 1024, None)))
    feeder.start()
    result = Failed
    try:
        out = []
        within(END_DEADLINE, process, read_all, process.stdout, out.append)
        process.wait(END_DEADLINE)
    finally:
        process.kill()
        feeder.join(END_DEADLINE)
    process.stdin = None
    result = finish(process)
    equal((result.code, b"".join(out)), (0, b"abcde"), "exit code and output")


def test_input_that_never_ends_does_not_hold_the_end():
    process = start_hull("-i", BUSYBOX, "echo", "done", stdin=subprocess.PIPE)
    stdin, process.stdin = process.stdin, None
    finish(process).expect(0, "done\n")
    stdin.close()


def test_conversation():
    """Each answer must come without waiting for the end, in both directions."""
    process = start_hull("-i", BUSYBOX, "sh", "-c", 'while read line; do echo "got $line"; done', stdin=subprocess.PIPE)
    for word in ("one", "two", "three"):
        process.stdin.write(word.encode() + b"\n")
        process.stdin.flush()
        equal(read_until(process.stdout, "\n"), f"got {word}\n".encode(), "answer")
    finish(process).expect(0, "")


def test_stdout_closed_by_the_process():
    process = start_hull(DEBIAN, "python3", "-c",
                         "import os, time; os.write(1, b'last'); os.close(1); time.sleep(3); os.write(2, b'later')")
    out = process.stdout.read()
    equal(out, b"last", "stdout")
    check(process.poll() is None, "the end of stdout came with the end of hull only")
    check([name for name in descendants(process.pid).values() if name == "hull-vmm"], "hull-vmm has ended")
    result = finish(process)
    equal((result.code, result.err), (0, b"later"), "exit code and stderr")

