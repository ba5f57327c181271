# SPDX-License-Identifier: Apache-2.0
"""Balloon, free page reporting, random numbers; and that all devices together are idle when the guest is."""
import contextlib
import os
import subprocess
import time

from group_net import ip, isolate
from guest import expect_end, said, start_vmm, vmm
from harness import END_DEADLINE, WorkDir, check, equal, finish, match, read_until, wait_for

USED_MIB = 160  # what the probe uses and frees


def rss_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(match(r"^VmRSS:\s+(\d+) kB$", file.read(), "status").group(1)) >> 10


def answer(process):
    process.stdin.write(b"\n")
    process.stdin.flush()


def use_and_free(process, before, reused=16):
    """reused: MiB that may have been resident already, free but not given back."""
    read_until(process.stdout, "probe: used")
    used = rss_mib(process.pid)
    check(used >= before + USED_MIB - reused, "the guest used", USED_MIB, "MiB: resident", before, "then", used)
    answer(process)
    read_until(process.stdout, "probe: freed")
    return used


def test_free_pages_are_reported():
    with WorkDir() as work:
        process = start_vmm(work, "free-pages", "--balloon", "size=0,reporting", stdin=subprocess.PIPE, memory="256M")
        used = use_and_free(process, 0)
        # Linux reports 2 s after pages are freed, and in steps.
        low = wait_for(lambda: (now := rss_mib(process.pid)) < used - USED_MIB + 32 and now, "memory given back")
        answer(process)
        use_and_free(process, low, 64)
        equal(finish(process).code, 0, "exit code")


def test_without_reporting_memory_stays():
    with WorkDir() as work:
        process = start_vmm(work, "free-pages", "--balloon", "size=0", stdin=subprocess.PIPE, memory="256M")
        used = use_and_free(process, 0)
        time.sleep(3)
        check(rss_mib(process.pid) >= used - 8, "memory went without being asked for")
        process.kill()
        finish(process)


def test_inflating_gives_memory_back():
    with WorkDir() as work:
        process = start_vmm(work, "balloon", "--balloon", "size=120", stdin=subprocess.PIPE, memory="256M")
        read_until(process.stdout, "probe: unbound")
        used = use_and_free(process, 0)
        answer(process)
        read_until(process.stdout, "probe: bound")
        low = wait_for(lambda: (now := rss_mib(process.pid)) <= used - 112 and now, "memory given back")
        answer(process)
        out = read_until(process.stdout, "probe: used")
        inflated = int(match(r"inflated, free (\d+) MiB", out, "console").group(1))
        deflated = int(match(r"deflated, free (\d+) MiB", out, "console").group(1))
        # Of 120 MiB; what the kernel has on its way is not told as free.
        check(inflated < deflated - 64, "free memory: inflated", inflated, "deflated", deflated)
        # What it got back is good for something.
        check(rss_mib(process.pid) >= low + USED_MIB - 64, "resident after use: only", rss_mib(process.pid))
        answer(process)
        equal(finish(process).code, 0, "exit code")


def test_balloon_larger_than_memory():
    with WorkDir() as work:
        result = vmm(work, "poweroff", "--balloon", "size=129", memory="128M")
        expect_end(result, 152, "balloon: 129 MiB is more than the guest's memory")


def test_random_numbers():
    with WorkDir() as work:
        result = expect_end(vmm(work, "rng", "--rng"), 0)
        said(result, r"rng virtio_rng\.0")
        bits = int(said(result, r"bits (\d+) of 512").group(1))
        check(150 < bits < 362, "random bits that are set:", bits)


def test_limited_random_numbers():
    with WorkDir() as work:
        result = expect_end(vmm(work, "rng", "--rng=rate=bw:32/500"), 0)
        said(result, r"bits (\d+) of 512")


def switches(pid):
    with open(f"/proc/{pid}/task/{pid}/status", encoding="utf-8") as file:
        return int(match(r"^voluntary_ctxt_switches:\s+(\d+)$", file.read(), "status").group(1))


@contextlib.contextmanager
def silent_tap(name="tap8"):
    """A tap device to which the host itself sends nothing."""
    isolate()
    ip("tuntap", "add", "dev", name, "mode", "tap")
    ip("link", "set", name, "addrgenmode", "none")
    ip("link", "set", name, "up")
    try:
        yield name
    finally:
        ip("link", "del", name)


def test_idle_devices_cost_nothing():
    with WorkDir() as work, silent_tap() as tap:
        disk, sock = os.path.join(work, "disk"), os.path.join(work, "vsock")
        for path in (disk, disk + "2"):
            with open(path, "wb") as file:
                file.truncate(1 << 20)
        process = start_vmm(work, "idle", "--disk", disk, "--disk", disk + "2,io=sync,rate=ops:1000/1000", "--net",
                            f"tap={tap}", "--vsock", f"cid=5,uds={sock}", "--rng=rate=bw:1M/1000", "--balloon",
                            "size=0,reporting,deflate-on-oom", "--serial", "stdio", "--api-sock",
                            os.path.join(work, "api"))
        match("probe: eth0 up", read_until(process.stdout, "probe: idle"), "console")
        # What the start leaves to do: the console's last bytes, the first report of free pages.
        quiet = [switches(process.pid), time.monotonic()]

        def settled():
            now = switches(process.pid)
            if now != quiet[0]:
                quiet[:] = [now, time.monotonic()]
            return time.monotonic() - quiet[1] > 5
        wait_for(settled, "a loop that sleeps", END_DEADLINE)
        before = switches(process.pid)
        time.sleep(5)
        equal(switches(process.pid) - before, 0, "wakeups of the loop in 5 s")
        process.terminate()
        equal(finish(process).code, 1, "exit code")
