# SPDX-License-Identifier: Apache-2.0
"""hull run with a network: what the container finds, over a tap device and over passt, in a network namespace of this
group's own."""
import hashlib
import os
import re
import shutil
import signal
import socket
import threading

from group_net import HOST, MAC, Server, Tap, ip, isolate
from harness import (BUSYBOX, DEADLINE, END_DEADLINE, TOP, Skip, check, descendants, equal, finish, hull, kill, match,
                     monitor_of, read_until, run, start_hull, wait_for)

TOOLS = os.path.join(TOP, "build", "images", "tools")
HOST6, GUEST, GUEST6 = "fd09::1", "10.9.0.2", "fd09::2"
# The host's own address as passt's containers reach it; the addresses that passt gives.
OUTSIDE = "192.0.2.5"
PASST_GUEST, PASST_GATEWAY, PASST_DNS = "10.0.2.15", "10.0.2.2", "10.0.2.3"


def sh(script, *options, image=BUSYBOX, **kwargs):
    """Run a script in a container; return what it said."""
    return hull(*options, image, "sh", "-c", script, **kwargs).expect(0).out.decode()


def sections(text):
    """{name: lines} of a script's output in which '= NAME' begins a part."""
    found = {}
    for part in re.split("^= ", text, flags=re.M)[1:]:
        name, *lines = part.splitlines()
        found[name] = [line.strip() for line in lines]
    return found


SHOW = """echo = links; ls /sys/class/net; echo = mtu; cat /sys/class/net/eth0/mtu
echo = mac; cat /sys/class/net/eth0/address; echo = addresses; ip addr show dev eth0 | grep 'scope global'
echo = routes; ip route | sort; echo = routes6; ip -6 route | grep default
echo = resolv; cat /etc/resolv.conf; echo = hosts; cat /etc/hosts
"""


class Outside:
    """A network device that leads nowhere, whose address is the way out of this namespace; as a context."""

    def __enter__(self):
        if not shutil.which("passt"):
            raise Skip("passt is not installed")
        isolate()
        ip("tuntap", "add", "dev", "out0", "mode", "tap")
        ip("addr", "add", f"{OUTSIDE}/24", "dev", "out0")
        ip("link", "set", "out0", "up")
        ip("route", "add", "default", "via", "192.0.2.1")
        return self

    def __exit__(self, *_):
        run("ip", "link", "del", "out0")


def test_none_has_only_itself():
    said = sections(sh("echo = links; ls /sys/class/net; echo = route; ip route; echo = hosts; cat /etc/hosts; "
                       "echo = ping; ping -c 1 -q 127.0.0.1 | grep -c ' 0% packet loss'",
                       "--network", "none", "--add-host", "db:10.0.0.9"))
    equal(said["links"], ["lo"], "interfaces")
    equal(said["route"], [], "routes")
    equal(said["ping"], ["1"], "pings of itself")
    check("10.0.0.9\tdb" in said["hosts"], "hosts:", said["hosts"])


def test_a_tap_as_configured():
    with Tap(mtu=1400) as tap:
        ip("addr", "add", f"{HOST6}/64", "dev", tap, "nodad")
        said = sections(sh(
            SHOW + f"echo = ping; ping -c 2 -q {HOST} | grep -c ' 0% packet loss'; ping -c 2 -q {HOST6} | grep -c ' 0% packet loss'",
            "--network", f"tap={tap},ip={GUEST}/24,ip={GUEST6}/64,gateway={HOST},gateway={HOST6},mtu=1400,mac={MAC}",
            "--dns", "10.9.0.53", "--dns", "fd09::53", "--dns-search", "example.org", "--dns-search", "test",
            "--add-host", "db:10.9.0.7", "--add-host", "six:fd09::7"))
    equal(said["links"], ["eth0", "lo"], "interfaces")
    equal(said["mtu"], ["1400"], "MTU")
    equal(said["mac"], [MAC], "MAC")
    match(f"inet {GUEST}/24", "\n".join(said["addresses"]), "addresses")
    match(f"inet6 {GUEST6}/64", "\n".join(said["addresses"]), "addresses")
    match(f"^default via {HOST} dev eth0", "\n".join(said["routes"]), "routes")
    match(f"^default via {HOST6} dev eth0", "\n".join(said["routes6"]), "routes")
    equal(said["resolv"], ["nameserver 10.9.0.53", "nameserver fd09::53", "search example.org test"], "resolv.conf")
    for line in ("127.0.0.1\tlocalhost", "10.9.0.7\tdb", "fd09::7\tsix"):
        check(any(line.split() == got.split()[:2] for got in said["hosts"]), f"no '{line}' in", said["hosts"])
    equal(said["ping"], ["1", "1"], "pings of the host")


def test_a_tap_with_the_least():
    """Without an address, and without a name server."""
    with Tap() as tap:
        said = sections(sh(SHOW, "--network", f"tap={tap}"))
    equal(said["mtu"], ["1500"], "MTU")
    match("^[0-9a-f][26ae]:", said["mac"][0], "MAC")
    equal(said["addresses"], [], "addresses")
    equal(said["routes"], [], "routes")
    check(not any(line.startswith("nameserver") for line in said["resolv"]), "resolv.conf:", said["resolv"])


def transfer(peer, listen, *options):
    """TCP both ways, every byte checked. What the container sends is waited for until the other side has closed, too: what
    is on its way when a container ends is lost."""
    data = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(1 << 15))
    expected = hashlib.sha256(data).hexdigest()
    with Server(5001, data, listen) as server, Server(5002, None, listen) as sink:
        out = sh(f"socat -u TCP:{peer}:5001 - >/tmp/data && sha256sum </tmp/data && "
                 f"socat -t {DEADLINE} - TCP:{peer}:5002 </tmp/data",
                 *options, image=TOOLS)
    check(not server.error and not sink.error, server.error, sink.error)
    match(f"^{expected}", out, "what the container got")
    equal(sink.sum, expected, "what the container sent")


def test_tcp_over_a_tap():
    with Tap() as tap:
        transfer(HOST, HOST, "--network", f"tap={tap},ip={GUEST}/24")


def test_passt_as_configured():
    with Outside():
        said = sections(sh(SHOW, "--network", "passt,mtu=1400"))
    equal(said["links"], ["eth0", "lo"], "interfaces")
    equal(said["mtu"], ["1400"], "MTU")
    match(f"inet {PASST_GUEST}/24", "\n".join(said["addresses"]), "addresses")
    match(f"default via {PASST_GATEWAY} dev eth0", "\n".join(said["routes"]), "routes")
    equal(said["resolv"], [f"nameserver {PASST_DNS}"], "resolv.conf")


def test_tcp_over_passt():
    with Outside():
        transfer(OUTSIDE, OUTSIDE, "--network", "passt")


class Echo:
    """Answers datagrams, upside down; as a context."""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((OUTSIDE, 5003))
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self

    def serve(self):
        while True:
            data, peer = self.socket.recvfrom(2000)
            if data == b"end":
                return
            self.socket.sendto(data[::-1], peer)

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", (OUTSIDE, 5003))
        self.thread.join(DEADLINE)
        self.socket.close()


def test_udp_and_ping_over_passt():
    """passt passes pings on where the kernel allows sockets for them to its group."""
    with Outside(), Echo():
        with open("/proc/sys/net/ipv4/ping_group_range", "w", encoding="ascii") as file:
            file.write("0 2147483647")
        out = sh(f"for i in 1 2 3 4 5; do printf 'abc' | timeout 20 socat -t 3 - UDP:{OUTSIDE}:5003 && break; done; echo\n"
                 f"ping -c 3 -q {OUTSIDE}", "--network", "passt", image=TOOLS)
    match("^cba$", out, "the answer")
    match("[123] received", out, "pings")


def test_published_ports():
    """TCP from another address and over loopback, UDP from another address: --no-map-gw leaves datagrams from loopback
    without a way back. The client speaks first: passt 2023_03_09 acknowledges a SYN, ACK only along with data."""
    serve = """socat TCP-LISTEN:80,fork,reuseaddr PIPE & socat UDP-RECVFROM:81,fork PIPE &
        until grep -q ' 00000000:0050 .* 0A ' /proc/net/tcp; do sleep 0.1; done; echo up; wait"""
    with Outside():
        process = start_hull("--network", "passt", "-p", "5080:80", "-p", "5081:81/udp", TOOLS, "sh", "-c", serve)
        read_until(process.stdout, "up\n")
        for address in OUTSIDE, "127.0.0.1":
            with socket.create_connection((address, 5080), DEADLINE) as client:
                client.sendall(b"over TCP")
                client.shutdown(socket.SHUT_WR)
                with client.makefile("rb") as answer:
                    equal(answer.read(), b"over TCP", f"echo at {address}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            equal(asked(client, b"over UDP", (OUTSIDE, 5081)), b"over UDP", "echo, UDP")
        process.kill()
        finish(process)


def asked(client, data, address):
    """The answer to a datagram, which may need several tries."""
    for _ in range(DEADLINE // 2):
        client.sendto(data, address)
        try:
            return client.recv(100)
        except TimeoutError:
            pass
    return None


def test_a_published_port_that_is_taken():
    with Outside(), socket.create_server(("0.0.0.0", 5080)):
        result = hull("--network", "passt", "-p", "5080:80", BUSYBOX, "true")
    equal(result.code, 125, "exit code")
    match("^hull: .*passt", result.err, "stderr")


def passts():
    return [pid for pid, name in descendants().items() if name.startswith("passt")]


def test_killed_hull_leaves_no_passt():
    with Outside():
        process = start_hull("--network", "passt", BUSYBOX, "sh", "-c", "echo up; exec sleep 1000")
        read_until(process.stdout, "up\n")
        check(passts(), "passt does not run:", descendants())
        process.kill()
        finish(process)
        wait_for(lambda: not descendants(), "the end of all processes", END_DEADLINE)


def test_killed_monitor_leaves_no_passt():
    with Outside():
        process = start_hull("--network", "passt", BUSYBOX, "sh", "-c", "echo up; exec sleep 1000")
        read_until(process.stdout, "up\n")
        kill(monitor_of(process), signal.SIGKILL)
        equal(finish(process).code, 125, "exit code")
        wait_for(lambda: not descendants(), "the end of all processes", END_DEADLINE)


def test_killed_passt_takes_the_link_down():
    script = "echo up; while [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do sleep 0.1; done; echo down"
    with Outside():
        process = start_hull("--network", "passt", BUSYBOX, "sh", "-c", script)
        read_until(process.stdout, "up\n")
        for pid in passts():
            kill(pid, signal.SIGKILL)
        result = finish(process, DEADLINE)
        equal((result.code, result.out), (0, b"down\n"), "exit code and output")


BAD = (
    (("--network", "bridge"), "bridge"), (("--network", ""), "none of"), (("--network", "passt,ip=10.0.0.1/8"), "ip"),
    (("--network", "passt,mtu=67"), "67"), (("--network", "passt,mtu=65536"), "65536"),
    (("--network", "passt,mac=01:00:00:00:00:01"), "group"), (("--network", "passt,mac=2"), "MAC"),
    (("--network", "tap="), "name"), (("--network", "tap=abcdefghijklmnop"), "name"),
    (("--network", "tap=t0,ip=10.0.0.1"), "prefix"), (("--network", "tap=t0,ip=10.0.0.1/33"), "33"),
    (("--network", "tap=t0,ip=10.0.0/8"), "address"), (("--network", "tap=t0,gateway=x"), "address"),
    (("--network", "tap=t0,gateway=10.0.0.1,gateway=10.0.0.2"), "second"), (("--network", "tap=t0,speed=1"), "speed"),
    (("-p", "80"), "--network passt"), (("--network", "none", "-p", "80"), "--network passt"),
    (("--network", "passt", "-p", "0"), "0"), (("--network", "passt", "-p", "65536:1"), "65536"),
    (("--network", "passt", "-p", "80/sctp"), "sctp"), (("--network", "passt", "-p", "a:80"), "a"),
    (("--network", "passt", "--dns", "ns.example"), "ns.example"), (("--dns", "10.0.0.1"), "--network"),
    (("--network", "passt", "--dns-search", "a b"), "a b"), (("--dns-search", "example.org"), "--network"),
    (("--add-host", "db"), "db"), (("--add-host", "db:"), "address"), (("--add-host", "d b:10.0.0.1"), "d b"),
)


def test_bad_options():
    for options, pattern in BAD:
        hull(*options, BUSYBOX, "true").expect_error(125, pattern)


def test_taps_that_cannot_be_had():
    isolate()
    hull("--network", "tap=nosuch0", BUSYBOX, "true").expect_error(125, "'nosuch0'.*no such device", by="hull-vmm")
    equal(run("ip", "link", "show", "nosuch0").code, 1, "is there a device now")
    hull("--network", "tap=lo", BUSYBOX, "true").expect_error(125, "'lo'.*not a tap device", by="hull-vmm")
    with Tap() as tap:
        process = start_hull("--network", f"tap={tap}", BUSYBOX, "sh", "-c", "echo up; exec sleep 1000")
        read_until(process.stdout, "up\n")
        hull("--network", f"tap={tap}", BUSYBOX, "true").expect_error(125, f"'{tap}'.*in use", by="hull-vmm")
        process.send_signal(signal.SIGTERM)
        equal(finish(process).code, 143, "exit code")


def test_without_passt():
    hull("--network", "passt", BUSYBOX, "true", env={"PATH": "/nonexistent"}).expect_error(125, "passt is not installed")
