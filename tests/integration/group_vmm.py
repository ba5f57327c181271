# SPDX-License-Identifier: Apache-2.0
"""hull-vmm alone: how guests end, what they see, disks, serial port, vsock, Debian's kernel."""
import os
import select
import signal
import socket
import subprocess
import time

from guest import CMDLINE, debian_kernel, expect_end, said, start_vmm, vmm
from harness import (DEADLINE, END_DEADLINE, KERNEL, LONG_DEADLINE, VMM, Failed, WorkDir, as_bytes, check, equal, file_text, finish, kill, match,
                     read_until, run)

MIB = 1 << 20


def test_power_off():
    with WorkDir() as work:
        expect_end(vmm(work, "poweroff"), 0)


def test_reboot():
    with WorkDir() as work:
        expect_end(vmm(work, "reboot"), 16)


def test_reboot_by_keyboard_controller():
    with WorkDir() as work:
        expect_end(vmm(work, "reboot", cmdline=CMDLINE + " reboot=k"), 16)


def test_triple_fault():
    with WorkDir() as work:
        expect_end(vmm(work, "reboot", cmdline=CMDLINE + " reboot=t"), 17, "triple fault")


def test_panic():
    with WorkDir() as work:
        result = expect_end(vmm(work, "panic"), 18, "panicked")
        match("Kernel panic - not syncing: Attempted to kill init", result.out, "console")


def test_panic_without_acpi():
    # Nothing tells of pvpanic then; the kernel reboots after it, which must end the VM all the same.
    with WorkDir() as work:
        result = vmm(work, "panic", "--acpi", "off")
        check(result.code in (16, 17, 18), "exit code:", result)


def test_one_cpu():
    with WorkDir() as work:
        result = expect_end(vmm(work, "info"), 0)
        said(result, "cpus 1")
        said(result, "acpi yes")
        mib = int(said(result, r"memory (\d+) MiB").group(1))
        check(90 <= mib <= 128, "MiB of 128:", mib)


def test_four_cpus():
    with WorkDir() as work:
        said(expect_end(vmm(work, "info", "--cpus", "4"), 0), "cpus 4")


def test_without_acpi():
    with WorkDir() as work:
        disk = os.path.join(work, "disk")
        with open(disk, "wb") as file:
            file.truncate(MIB)
        # Power-off is ACPI's: a guest without it can only halt or reset.
        process = start_vmm(work, "info", "--acpi", "off", "--cpus", "2", "--disk", disk)
        out = read_until(process.stdout, "probe: disks").decode()
        out += read_until(process.stdout, "\n").decode()
        process.kill()
        finish(process)
        out = out.replace("\r", "")
        match("^probe: cpus 2$", out, "console")
        match("^probe: acpi no$", out, "console")
        match("^probe: disks vda$", out, "console")


def test_reboot_without_acpi():
    with WorkDir() as work:
        expect_end(vmm(work, "reboot", "--acpi", "off"), 16)


def test_memory_below_the_hole():
    with WorkDir() as work:
        result = expect_end(vmm(work, "memory", memory="1G"), 0)
        wrote, highest = map(int, said(result, r"wrote (\d+) MiB, highest at (\d+) MiB").groups())
        check(wrote > 750 and highest < 1024, result)


def test_debian_kernel_boots():
    kernel = debian_kernel()
    with WorkDir() as work:
        result = expect_end(vmm(work, "info", "--cpus", "2", kernel=kernel, memory="256M", timeout=LONG_DEADLINE), 0)
        said(result, "cpus 2")
        said(result, "acpi yes")


def test_debian_kernel_panics():
    kernel = debian_kernel()
    with WorkDir() as work:
        # Its pvpanic driver is a module that isn't loaded: the reset that follows a panic is what is seen.
        result = vmm(work, "panic", kernel=kernel, memory="256M", timeout=LONG_DEADLINE)
        check(result.code in (16, 17, 18), "exit code:", result)
        match("Kernel panic - not syncing", result.out, "console")


def test_disks():
    with WorkDir() as work:
        writable, readonly = os.path.join(work, "rw"), os.path.join(work, "ro")
        with open(writable, "wb") as file:
            file.truncate(4 * MIB)
        with open(readonly, "wb") as file:
            file.write(b"read-only disk".ljust(MIB, b"\0"))
        before = file_text(readonly)
        result = expect_end(vmm(work, "disk", "--disk", writable, "--disk", readonly + ",ro"), 0)
        said(result, "vda write good")
        said(result, "vda read good")
        said(result, "vdb begins read-only disk")
        said(result, "vdb write: (Read-only file system|Permission denied|Operation not permitted)")
        check(file_text(readonly) == before, "the read-only disk was changed")
        equal(written(writable), pattern(), "what is on the disk")


def pattern():
    return bytes((i * 2654435761 & 0xffffffff) >> 24 for i in range(MIB))


def written(path):
    with open(path, "rb") as file:
        file.seek(MIB)
        return file.read(MIB)


def test_flushed_data_survives_a_kill():
    with WorkDir() as work:
        path, other = os.path.join(work, "disk"), os.path.join(work, "other")
        for name in (path, other):
            with open(name, "wb") as file:
                file.truncate(4 * MIB)
        process = start_vmm(work, "disk-hold", "--disk", path, "--disk", other + ",ro")
        read_until(process.stdout, "probe: flushed")
        process.kill()
        finish(process)
        equal(written(path), pattern(), "what is on the disk")


def test_disk_by_descriptor():
    with WorkDir() as work:
        path = os.path.join(work, "disk")
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.truncate(fd, 4 * MIB)
        os.unlink(path)
        result = finish(start_vmm(work, "disk", "--disk", f"fd={fd}", pass_fds=(fd,)))
        expect_end(result, 0)
        equal(os.pread(fd, MIB, MIB), pattern(), "what is on the disk")
        os.close(fd)


def test_serial_none():
    with WorkDir() as work:
        result = vmm(work, "info", "--serial", "none")
        equal((result.code, result.out, result.err), (0, b"", b""), "exit code and output")


def test_serial_to_a_file():
    with WorkDir() as work:
        path = os.path.join(work, "console")
        result = vmm(work, "info", "--serial", "file=" + path)
        equal((result.code, result.out), (0, b""), "exit code and stdout")
        match("^probe: cpus 1", file_text(path), "console file")


def test_serial_to_a_descriptor():
    with WorkDir() as work:
        reader, writer = os.pipe()
        process = start_vmm(work, "info", "--serial", f"fd={writer}", pass_fds=(writer,))
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            out = file.read()
        finish(process).expect(0, "")
        match("^probe: cpus 1", out, "console")


def test_serial_that_nobody_reads():
    # Output is dropped then; the guest must neither stop nor end the monitor.
    with WorkDir() as work:
        reader, writer = os.pipe()
        process = start_vmm(work, "info", "--serial", f"fd={writer}", pass_fds=(writer,),
                            cmdline="console=ttyS0 panic=-1 ignore_loglevel")
        os.close(writer)
        os.set_blocking(reader, False)
        # Fill the pipe beforehand: it has no room from the first byte on.
        process.wait(END_DEADLINE)
        os.close(reader)
        equal(finish(process).code, 0, "exit code")


def test_serial_input():
    with WorkDir() as work:
        process = start_vmm(work, "console", stdin=subprocess.PIPE)
        read_until(process.stdout, "probe: type")
        process.stdin.write(b"some words\n")
        process.stdin.flush()
        read_until(process.stdout, "probe: typed some words")
        equal(finish(process).code, 0, "exit code")


def talk(sock, text, seconds=END_DEADLINE):
    sock.settimeout(seconds)
    sock.sendall(as_bytes(text))


def receive(sock, count, seconds=END_DEADLINE):
    sock.settimeout(seconds)
    got = b""
    while len(got) < count:
        more = sock.recv(min(65536, count - len(got)))
        if not more:
            raise Failed(f"the connection ended after {len(got)} of {count} bytes: {got[:200]!r}")
        got += more
    return got


def receive_line(sock):
    got = b""
    while not got.endswith(b"\n"):
        got += receive(sock, 1)
    return got.decode()


def connect(path, port):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(END_DEADLINE)
    sock.connect(path)
    sock.sendall(b"CONNECT %d\n" % port)
    return sock


def test_vsock_by_unix_sockets():
    with WorkDir() as work:
        path = os.path.join(work, "vsock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path + "_6000")
        listener.listen()
        listener.settimeout(END_DEADLINE)
        process = start_vmm(work, "vsock", "--vsock", f"cid=7,uds={path}")
        # The guest calls.
        guest, _ = listener.accept()
        equal(receive(guest, 11), b"hello host\n", "the guest's greeting")
        talk(guest, "hello guest")
        read_until(process.stdout, "probe: the host said hello guest")
        equal(guest.recv(1), b"", "after the guest's close")
        read_until(process.stdout, "probe: nobody there: Connection reset by peer")
        # Nobody listens at that port of the guest's.
        with connect(path, 4999) as sock:
            equal(sock.recv(100), b"", "answer of a port where nobody listens")
        # We call the guest: 4 MiB there and back at once.
        with connect(path, 5000) as sock:
            match(r"^OK \d+\n$", receive_line(sock), "answer")
            data = os.urandom(4 * MIB)
            got, sent = bytearray(), 0
            sock.setblocking(False)
            end = time.monotonic() + DEADLINE
            while len(got) < len(data):
                check(time.monotonic() < end, "echo stops: sent", sent, "got", len(got))
                readable, writable, _ = select.select([sock], [sock] if sent < len(data) else [], [], 1)
                if readable:
                    more = sock.recv(65536)
                    check(more, "the connection ended after", len(got))
                    got += more
                if writable:
                    sent += sock.send(data[sent:sent + 65536])
            check(got == data, "the echo differs")
        equal(finish(process).code, 0, "exit code")
        listener.close()
        check(not os.path.exists(path), "the socket is left behind")


def test_vsock_path_taken():
    with WorkDir() as work:
        path = os.path.join(work, "vsock")
        with open(path, "wb"):
            pass
        result = vmm(work, "poweroff", "--vsock", f"cid=7,uds={path}")
        expect_end(result, 152, "vsock")
        check(os.path.exists(path), "the file in the way was removed")


def test_vsock_channel_closed_ends_it():
    with WorkDir() as work:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = start_vmm(work, "hang", "--vsock", f"cid=3,fd={theirs.fileno()}", pass_fds=(theirs.fileno(),))
        theirs.close()
        read_until(process.stdout, "probe: hanging")
        ours.close()
        equal(finish(process).code, 1, "exit code")


def test_terminated():
    with WorkDir() as work:
        path = os.path.join(work, "vsock")
        process = start_vmm(work, "hang", "--vsock", f"cid=7,uds={path}")
        read_until(process.stdout, "probe: hanging")
        kill(process.pid, signal.SIGTERM)
        equal(finish(process).code, 1, "exit code")
        check(not os.path.exists(path), "the socket is left behind")


def test_events():
    with WorkDir() as work:
        reader, writer = os.pipe()
        process = start_vmm(work, "poweroff", "--events-fd", str(writer), pass_fds=(writer,))
        os.close(writer)
        with os.fdopen(reader, "r", encoding="utf-8") as file:
            lines = file.read().splitlines()
        finish(process).expect(0)
        phases = [line.split() for line in lines if line.startswith("phase ")]
        equal([phase[1] for phase in phases], ["start", "kvm", "memory", "devices", "kernel", "run"], "phases")
        times = [int(phase[2]) for phase in phases]
        equal(times, sorted(times), "times")
        equal(lines[-1], "exit poweroff", "last line")


def bad(code, *options, error):
    result = run(VMM, *options, timeout=END_DEADLINE)
    check(result.out == b"", "expected nothing on stdout:", result)
    expect_end(result, code, error)


def test_bad_arguments():
    bad(153, error="--kernel is missing")
    bad(153, "--kernel", KERNEL, "--no-such", error="--no-such")
    bad(153, "--kernel", KERNEL, "--cpus", "33", error="33")
    bad(153, "--kernel", KERNEL, "--memory", "much", error="much")
    bad(153, "--kernel", KERNEL, "--serial", "tape", error="tape")
    bad(153, "--kernel", KERNEL, "--vsock", "cid=2,uds=/x", error="2")
    bad(153, "--kernel", KERNEL, "extra", error="extra")


def test_bad_configuration():
    with WorkDir() as work:
        text = os.path.join(work, "text")
        with open(text, "w", encoding="utf-8") as file:
            file.write("no kernel\n" * 10000)
        bad(152, "--kernel", "/no/kernel", error="/no/kernel.*No such file")
        bad(152, "--kernel", text, error=text)
        bad(152, "--kernel", work, error="not a regular file")
        bad(152, "--kernel", KERNEL, "--initrd", "/no/initrd", error="/no/initrd")
        bad(152, "--kernel", KERNEL, "--disk", "/no/disk", error="/no/disk")
        bad(152, "--kernel", KERNEL, "--memory", "9999G", error="more than the host")
        bad(152, "--kernel", KERNEL, "--memory", "8M", error="memory")

