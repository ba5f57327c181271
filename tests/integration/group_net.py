# SPDX-License-Identifier: Apache-2.0
"""virtio-net in a guest: frames over a tap device and over passt, in a network namespace of this group's own."""
import ctypes
import hashlib
import os
import shutil
import socket
import threading

from guest import expect_end
from harness import (DEADLINE, END_DEADLINE, KERNEL, LONG_DEADLINE, VMM, Skip, WorkDir, check, equal, finish, kill, match,
                     read_until, run, short, start, wait_for)
from shell import start_shell, tools

CLONE_NEWNET = 0x40000000
HOST, GUEST = "10.9.0.1", "10.9.0.2"
MAC = "02:00:00:00:00:09"
BIG = 6 << 20
# Less than passt's socket holds: where its reader is slow, passt of Debian 12 lets data fall, counts on the guest to send
# it again, and resets the connection when that takes two seconds.
SMALLER = 1 << 20
isolated = False


def ip(*words):
    result = run("ip", *words)
    check(result.code == 0, "ip", *words, result)


def isolate():
    """Nothing here is to touch the network of the machine itself."""
    global isolated
    if isolated:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) < 0:
        raise Skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    isolated = True
    ip("link", "set", "lo", "up")


class Tap:
    """A tap device with the host's address, as a context."""

    def __init__(self, name="tap9", *words, mtu=1500):
        self.name, self.words, self.mtu = name, words, mtu

    def __enter__(self):
        isolate()
        ip("tuntap", "add", "dev", self.name, "mode", "tap", *self.words)
        ip("addr", "add", f"{HOST}/24", "dev", self.name)
        ip("link", "set", self.name, "mtu", str(self.mtu), "up")
        return self.name

    def __exit__(self, *_):
        run("ip", "link", "del", self.name)


UP = f"ip addr add {GUEST}/24 dev eth0; ip link set lo up; ip link set eth0 up\n"


def console(process, timeout=DEADLINE, code=0, error=None):
    result = expect_end(finish(process, timeout), code, error)
    return result.out.decode(errors="replace").replace("\r", "")


class Server:
    """Serves one TCP connection: sends the data, or reads to the end; as a context."""

    def __init__(self, port, data=None, address=HOST):
        self.socket = socket.create_server((address, port))
        self.socket.settimeout(DEADLINE)
        self.data, self.sum, self.error = data, None, None
        self.thread = threading.Thread(target=self.serve)

    def serve(self):
        try:
            conn, _ = self.socket.accept()
            conn.settimeout(DEADLINE)
            with conn:
                if self.data is not None:
                    conn.sendall(self.data)
                    return
                got = hashlib.sha256()
                while True:
                    more = conn.recv(1 << 20)
                    if not more:
                        break
                    got.update(more)
                self.sum = got.hexdigest()
        except OSError as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(DEADLINE)
        self.socket.close()


def disk_data(size):
    with open(tools(), "rb") as file:
        return file.read(size)


# The guest has the same bytes on its disk; it ends when the host has taken all, and closes.
TRANSFER = """
socat -u TCP:{peer}:5001 - | sha256sum | sed 's/^/from-host /'
head -c {size} /dev/vda | socat -t 100 - TCP:{peer}:5002 && echo sent
"""


def transfers(work, before, *options, peer=HOST, listen=HOST, size=BIG, cpus="1"):
    data = disk_data(size)
    expected = hashlib.sha256(data).hexdigest()
    with Server(5001, data, listen) as server, Server(5002, None, listen) as sink:
        process = start_shell(work, before + TRANSFER.format(size=size, peer=peer), *options, "--cpus", cpus)
        out = console(process, LONG_DEADLINE)
    check(not server.error and not sink.error, server.error, sink.error, short(out))
    match(f"^from-host {expected}", out, "console")
    match("^sent$", out, "console")
    equal(sink.sum, expected, "what the guest sent")
    return out


def test_a_guest_on_a_tap():
    with WorkDir() as work, Tap() as tap:
        out = console(start_shell(work, UP + f"""
            cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu | sed 's/^/is /'
            ping -q -c 3 -i 0.2 {HOST}
            ethtool -k eth0
            ip link set eth0 promisc on && echo promiscuous
            ip link set eth0 address 02:00:00:00:00:0a && ping -q -c 1 {HOST} && echo renamed""",
                                  "--net", f"tap={tap},mac={MAC},mtu=1400"))
        match(f"^is {MAC}$", out, "console")
        match("^is 1400$", out, "console")
        match("3 received, 0% packet loss", out, "console")
        for feature in ("tx-checksumming", "rx-checksumming", "tcp-segmentation-offload", "tx-tcp6-segmentation"):
            match(f"{feature}: on", out, "console")
        match("^promiscuous$", out, "console")
        match("^renamed$", out, "console")


def test_big_transfers():
    with WorkDir() as work, Tap() as tap:
        transfers(work, UP, "--net", f"tap={tap}")


def test_big_transfers_without_offloads():
    with WorkDir() as work, Tap() as tap:
        transfers(work, UP + "ethtool -K eth0 tx off tso off gro off lro off rx-gro-hw off\n", "--net", f"tap={tap}")


def test_jumbo_frames():
    with WorkDir() as work, Tap(mtu=9000) as tap:
        out = transfers(work, UP + f"ping -q -c 2 -i 0.2 -M do -s 8972 {HOST}\n"
                        "ethtool -K eth0 tso off gro off lro off rx-gro-hw off\n", "--net", f"tap={tap},mtu=9000")
        match("2 received, 0% packet loss", out, "console")


def test_several_queues():
    with WorkDir() as work, Tap("tap9", "multi_queue") as tap:
        out = transfers(work, UP + "ethtool -L eth0 combined 3 && ethtool -l eth0\n", "--net",
                        f"tap={tap},queues=4", size=SMALLER, cpus="2")
        match(r"Combined:\s+4.*Combined:\s+3", out, "console")
    # One made for several, used with one.
    with WorkDir() as work, Tap("tap9", "multi_queue") as tap:
        out = console(start_shell(work, UP + f"ping -q -c 2 -i 0.2 {HOST}", "--net", f"tap={tap}"))
        match("2 received", out, "console")


def test_two_devices():
    with WorkDir() as work, Tap() as tap:
        ip("tuntap", "add", "dev", "tap8", "mode", "tap")
        ip("addr", "add", "10.8.0.1/24", "dev", "tap8")
        ip("link", "set", "tap8", "up")
        try:
            out = console(start_shell(work, UP + f"""
                ip addr add 10.8.0.2/24 dev eth1; ip link set eth1 up
                ping -q -c 2 -i 0.2 {HOST}; ping -q -c 2 -i 0.2 10.8.0.1""", "--net", f"tap={tap}", "--net", "tap=tap8"))
            equal(out.count("2 received"), 2, "pings answered")
        finally:
            ip("link", "del", "tap8")


def test_the_tap_is_deleted():
    with WorkDir() as work, Tap() as tap:
        process = start_shell(work, UP + f"""
            ping -q -c 1 {HOST} && echo guest up
            while [ "$(cat /sys/class/net/eth0/carrier)" = 1 ]; do sleep 0.1; done
            echo guest down
            ping -q -c 1 -W 1 {HOST} || echo unreachable""", "--net", f"tap={tap}")
        read_until(process.stdout, "guest up")
        ip("link", "del", tap)
        out = console(process, error=f"{tap}.*link down")
        match("^guest down$", out, "console")
        match("^unreachable$", out, "console")


def iperf(work, net, *args):
    """Run iperf3 between guest and host; return the bytes a second that arrived."""
    server = start("iperf3", "-s", "-1", "-B", HOST)
    try:
        out = console(start_shell(work, UP + f"sleep 0.5; iperf3 -f k -c {HOST} {' '.join(args)}", "--net", net))
        finish(server)
        return int(match(r"([0-9]+) Kbits/sec +receiver", out, "console").group(1)) * 1000 / 8
    finally:
        if server.poll() is None:
            kill(server.pid, 9)
            server.wait()


def test_rate_limits():
    # A second's worth, so that pauses of a slow computer are made up for; the first two seconds spend what is there. A
    # pause among these leaves a second's worth more to the sixteen.
    limit = 3 << 20
    for name, args in (("tx-rate", ()), ("rx-rate", ("-R",))):
        with WorkDir() as work, Tap() as tap:
            got = iperf(work, f"tap={tap},{name}=bw:{limit}/1000", "-O", "2", "-t", "16", *args)
            check(0.9 * limit < got < 1.1 * limit, name, f"{got:.0f} bytes a second instead of {limit}")


def refused(net, pattern, pass_fds=()):
    result = finish(start(VMM, "--kernel", KERNEL, "--net", net, pass_fds=pass_fds), END_DEADLINE)
    expect_end(result, 152, pattern)


def test_bad_taps():
    isolate()
    refused("tap=nosuch0", "'nosuch0'.*no such device")
    refused("tap=lo", "'lo'.*not a tap device")
    with Tap() as tap, WorkDir() as work:
        refused(f"tap={tap},queues=2", f"'{tap}'.*multi_queue")
        process = start_shell(work, "echo here; sleep 1000", "--net", f"tap={tap}")
        read_until(process.stdout, "here")
        refused(f"tap={tap}", f"'{tap}'.*in use")
        process.kill()
        finish(process)
    reader, writer = os.pipe()
    refused(f"tapfd={reader}", f"fd={reader}.*not attached", (reader,))
    refused(f"passtfd={reader}", f"fd={reader}.*stream socket", (reader,))
    os.close(reader)
    os.close(writer)
    refused("passt=/no/socket", "/no/socket.*No such file")
    refused("passt=/" + "x" * 200, "longer")


class Passt:
    """passt, whose way out is a tap device that leads nowhere; as a context."""

    def __init__(self, work):
        self.path = os.path.join(work, "passt.socket")

    def __enter__(self):
        if not shutil.which("passt"):
            raise Skip("passt is not installed")
        isolate()
        os.chmod(os.path.dirname(self.path), 0o777)
        ip("tuntap", "add", "dev", "out0", "mode", "tap")
        ip("addr", "add", "192.0.2.5/24", "dev", "out0")
        ip("link", "set", "out0", "up")
        ip("route", "add", "default", "via", "192.0.2.1")
        self.process = start("passt", "-f", "-s", self.path)
        wait_for(lambda: self.process.poll() is not None or os.path.exists(self.path), "passt's socket", END_DEADLINE)
        check(self.process.poll() is None, "passt ended:", self.process.poll() is not None and finish(self.process))
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.said = finish(self.process)
        run("ip", "link", "del", "out0")


PASST_UP = "ip addr add 192.0.2.5/24 dev eth0; ip link set eth0 up; ip route add default via 192.0.2.1; sleep 0.5\n"


def test_passt():
    with WorkDir() as work, Passt(work) as passt:
        # passt gives its gateway's address to this host's loopback.
        transfers(work, PASST_UP, "--net", f"passt={passt.path}", peer="192.0.2.1", listen="127.0.0.1",
                  size=SMALLER)


def test_passt_ends():
    with WorkDir() as work, Passt(work) as passt:
        process = start_shell(work, PASST_UP + """
            echo guest up
            while [ "$(cat /sys/class/net/eth0/carrier)" = 1 ]; do sleep 0.1; done
            echo guest down""", "--net", f"passt={passt.path}")
        read_until(process.stdout, "guest up")
        passt.process.kill()
        match("^guest down$", console(process, error="passt.*link down"), "console")
