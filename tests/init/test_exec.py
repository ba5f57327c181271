#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hull-init's tests: further commands in a running container. Arguments as for test_init.py."""
import os
import socket
import struct
import time

import harness
from harness import (EXEC, EXITED, FAILED, READONLY, RESIZE, SIGNAL, START, STARTED, STDERR, STDIN, STDOUT, TIMEOUT, TTY,
                     Guest, read_all, read_until, spec)

IDS_MAX = 64


class Further:
    """A further command: `number` is its id, its ports are those of the container's own plus ten times that."""

    def __init__(self, guest, number, *args, **kwargs):
        self.guest, self.number = guest, number
        guest.send(EXEC, spec(*args, base=number * 10, **kwargs), number)

    def started(self):
        kind, payload = self.guest.recv(self.number)
        assert kind == STARTED, (kind, payload)
        assert struct.unpack("<IIQ", payload)[1] == 0
        return self

    def accept(self, port):
        return self.guest.accept(port + self.number * 10)

    def send(self, kind, payload):
        self.guest.send(kind, payload, self.number)

    def exited(self):
        return self.guest.exited(self.number)

    def failed(self, code, *words):
        kind, payload = self.guest.recv(self.number)
        assert kind == FAILED, (kind, payload)
        assert struct.unpack("<I", payload[:4])[0] == code, payload
        for word in words:
            assert word.encode() in payload[4:], payload

    def result(self, stdin=b""):
        """Its code, signal, stdout, stderr."""
        self.started()
        sock = self.accept(STDIN)
        try:
            sock.sendall(stdin)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        out, err = read_all(self.accept(STDOUT)), read_all(self.accept(STDERR))
        return *self.exited(), out, err


def sleeping(**kwargs):
    """A container whose own command does nothing, for as long as it takes."""
    guest = Guest().started(["sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"], **kwargs)
    assert guest.accept(STDOUT).recv(10) == b"ready\n"
    return guest


def further(script, number=1, stdin=b"", **kwargs):
    with sleeping() as guest:
        result = Further(guest, number, ["sh", "-c", script], **kwargs).result(stdin)
        guest.shutdown()
        return result


def shell(script, **kwargs):
    code, sig, out, err = further(script, **kwargs)
    assert (code, sig, err) == (0, 0, b""), (code, sig, out, err)
    return out.decode()


def test_output():
    assert further("echo out; echo err >&2; exit 7") == (7, 0, b"out\n", b"err\n")
    assert further("wc -c", stdin=b"x" * 200000)[2] == b"200000\n"
    assert further("kill -9 $$", number=65535 // 10)[:2] == (0, 9)


def test_no_streams():
    with sleeping() as guest:
        first = Further(guest, 1, ["sh", "-c", "read x; test -c /proc/self/fd/1"], streams=(0, 0, 0)).started()
        assert first.exited() == (0, 0)
        assert not [port for port in guest.ports if port >= 5010]


def test_same_namespaces():
    script = "for i in pid mnt uts ipc net cgroup; do test /proc/$$/ns/$i -ef /proc/2/ns/$i && echo $i; done"
    assert shell(script) == "pid\nmnt\nuts\nipc\nnet\ncgroup\n"
    assert shell("hostname; grep ^0: /proc/self/cgroup") == "hull\n0::/\n"
    assert "2 " in shell("echo $(cat /sys/fs/cgroup/cgroup.procs) | grep -w $$")


def test_sees_the_container():
    with Guest().started(["sh", "-c", "echo x > /tmp/file; while ! test -e /tmp/go; do sleep 0.1; done; cat /tmp/go"]) as guest:
        code, sig, out, _ = Further(guest, 1, ["sh", "-c", "cat /tmp/file; ps -o args= | grep -c 'while !'"]).result()
        assert (code, sig, out[:2]) == (0, 0, b"x\n"), out
        Further(guest, 2, ["sh", "-c", "echo done > /tmp/next; mv /tmp/next /tmp/go"]).result()
        assert read_all(guest.accept(STDOUT)) == b"done\n"
        assert guest.exited() == (0, 0)


def test_user_directory_environment():
    assert shell("id -u; id -g; id -G; echo $HOME", user="alice") == "1000\n1000\n1000 27 44\n/home/alice\n"
    assert shell("pwd", cwd="/usr/data") == "/usr/data\n"
    assert shell("pwd", cwd="/made/by/exec") == "/made/by/exec\n"
    assert shell("echo $A $HOSTNAME $HOME", env=["A=x y"]) == "x y hull /root\n"
    assert shell("ulimit -Sn; umask", rlimits=[(7, 100, 200)]) == "100\n0022\n"
    assert shell("exec grep -e SigIgn /proc/self/status") == "SigIgn:\t0000000000000000\n"
    with sleeping(hostname="box") as guest:
        assert Further(guest, 1, ["sh", "-c", "echo $HOSTNAME; hostname"]).result()[2] == b"box\nbox\n"


def test_descriptors():
    out = shell("for i in $(seq 0 100); do test -e /proc/self/fd/$i && echo $i || true; done")
    assert out == "0\n1\n2\n", out


def test_failures():
    with sleeping() as guest:
        Further(guest, 1, ["nope"]).failed(127, "nope: not found")
        Further(guest, 1, ["/etc/passwd"]).failed(126, "denied")
        Further(guest, 1, ["true"], user="nobodyknows").failed(125, "nobodyknows")
        Further(guest, 1, ["true"], cwd="/etc/passwd").failed(125, "not a directory")
        for tty in None, (24, 80):
            Further(guest, 2, ["nope"], tty=tty).failed(127, "nope: not found")
        guest.send(EXEC, b"\x63\0\0\0\0\0\0\0" + spec(["true"]), 3)
        kind, payload = guest.recv(3)
        assert kind == FAILED and b"malformed" in payload, payload
        # All ids are free again, and the container is as it was.
        assert Further(guest, 1, ["true"]).result()[:2] == (0, 0)
        guest.shutdown()


def test_directory_outside():
    """Whatever PID 1 has open can't be entered by its number."""
    with sleeping() as guest:
        for fd in range(3, 24):
            Further(guest, fd, ["true"], cwd=f"/proc/self/fd/{fd}").failed(125, f"/proc/self/fd/{fd}")


def test_readonly_root():
    with sleeping(root=READONLY) as guest:
        assert Further(guest, 1, ["sh", "-c", "echo x > /tmp/x && cat /tmp/x"]).result()[2] == b"x\n"
        Further(guest, 2, ["true"], cwd="/missing").failed(125, "Read-only")


def test_signal():
    with sleeping() as guest:
        first = Further(guest, 1, ["sh", "-c", "trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.05; done"])
        first.started()
        out = first.accept(STDOUT)
        assert out.recv(100) == b"ready\n"
        first.send(SIGNAL, struct.pack("<II", 15, 0))
        assert read_all(out) == b"got\n"
        assert first.exited() == (3, 0)
        # Both are late, which is no fault.
        first.send(SIGNAL, struct.pack("<II", 15, 0))
        first.send(RESIZE, struct.pack("<HH", 1, 1))
        second = Further(guest, 2, ["sleep", "100"]).started()
        second.send(SIGNAL, struct.pack("<II", 9, 0))
        assert second.exited() == (0, 9)
        guest.send(SIGNAL, struct.pack("<II", 15, 0))
        assert guest.exited() == (9, 0)
        guest.shutdown()


def test_signal_group():
    with sleeping() as guest:
        first = Further(guest, 1, ["sh", "-c", "trap 'echo parent' USR1; sleep 100; echo $?"]).started()
        time.sleep(5 if harness.in_vm else 0.3)
        first.send(SIGNAL, struct.pack("<II", 10, 1))
        assert sorted(read_all(first.accept(STDOUT)).split()) == [b"138", b"parent"]
        assert first.exited() == (0, 0)


def test_terminal():
    with sleeping() as guest:
        first = Further(guest, 1, ["sh", "-c", "tty; stty size; read x; stty size; echo got $x > /dev/tty"], tty=(33, 101))
        first.started()
        sock = first.accept(TTY)
        read_until(sock, b"/dev/pts/0\r\n33 101\r\n")
        first.send(RESIZE, struct.pack("<HH", 50, 132))
        sock.sendall(b"hello\n")
        read_until(sock, b"50 132\r\ngot hello\r\n")
        assert read_all(sock) == b""
        assert first.exited() == (0, 0)


def test_terminal_beside_terminal():
    with Guest().started(["sh", "-c", "tty; read x; echo end $x"], tty=(24, 80)) as guest:
        read_until(guest.accept(TTY), b"/dev/pts/0\r\n")
        first = Further(guest, 1, ["sh", "-c", "tty; read x; exit 5"], tty=(24, 80), user="alice").started()
        read_until(first.accept(TTY), b"/dev/pts/1\r\n")
        first.accept(TTY).sendall(b"\x03")
        assert first.exited() == (0, 2)
        guest.accept(TTY).sendall(b"now\n")
        read_until(guest.accept(TTY), b"end now\r\n")
        assert guest.exited() == (0, 0)


def test_terminal_hangup():
    with sleeping() as guest:
        first = Further(guest, 1, ["sh", "-c", "echo ready; sleep 100"], tty=(24, 80)).started()
        read_until(first.accept(TTY), b"ready\r\n")
        first.accept(TTY).close()
        assert first.exited()[1] == 1


def test_many_at_once():
    with sleeping() as guest:
        many = [Further(guest, number, ["sh", "-c", f"read x; echo $x {number}; exit {number}"])
                for number in range(1, IDS_MAX + 1)]
        for one in many:
            one.started()
        Further(guest, 1000, ["true"]).failed(125, "too many")
        for one in reversed(many):
            one.accept(STDIN).sendall(b"got\n")
            assert read_all(one.accept(STDOUT)) == f"got {one.number}\n".encode()
            assert one.exited() == (one.number, 0)
        assert Further(guest, 1000, ["true"]).result()[:2] == (0, 0)
        guest.shutdown()


def test_again_and_again():
    """Nothing is left of each: hull-init's descriptors stay as many."""
    with sleeping() as guest:
        for number in range(1, 300):
            one = Further(guest, number, ["true"], streams=(0, 1, 0)).started()
            assert read_all(one.accept(STDOUT)) == b"" and one.exited() == (0, 0)
            one.accept(STDOUT).close()
        assert Further(guest, 1000, ["sh", "-c", "ps | wc -l"]).result()[2].strip() in (b"5", b"6", b"7")
        guest.shutdown()


def test_background_keeps_it():
    """It ends with its output, not with its first process."""
    with sleeping() as guest:
        first = Further(guest, 1, ["sh", "-c", "(sleep 0.5; echo late) & echo early; exit 4"]).started()
        assert read_all(first.accept(STDOUT)) == b"early\nlate\n"
        assert first.exited() == (4, 0)
        second = Further(guest, 2, ["sh", "-c", "sleep 0.5 >/dev/null 2>&1 & exit 5"]).started()
        assert second.exited() == (5, 0)


def test_orphans_are_reaped():
    with sleeping() as guest:
        Further(guest, 1, ["sh", "-c", "sleep 0.2 >/dev/null 2>&1 &"]).result()
        time.sleep(0.5)
        assert Further(guest, 2, ["sh", "-c", "ps -o stat= | grep -c Z"]).result()[2] == b"0\n"


def test_host_closes_stdout():
    with sleeping() as guest:
        first = Further(guest, 1, ["yes"]).started()
        first.accept(STDOUT).recv(100)
        first.accept(STDOUT).close()
        assert first.exited() == (0, 13)


def test_container_ends_first():
    """It dies with the container, and nothing can be begun any more."""
    with Guest().started(["sh", "-c", "read x; exit 6"]) as guest:
        first = Further(guest, 1, ["sh", "-c", "trap '' TERM HUP INT; echo ready; sleep 1000"]).started()
        assert first.accept(STDOUT).recv(100) == b"ready\n"
        guest.accept(STDIN).sendall(b"\n")
        assert guest.exited() == (6, 0)
        assert read_all(first.accept(STDOUT)) == b""
        # Too late, and no fault: the host can't know yet.
        Further(guest, 2, ["true"])
        first.send(SIGNAL, struct.pack("<II", 9, 0))
        guest.shutdown()
        assert not guest.control.recv(1) and not guest.messages.get(2)
        assert guest.messages[1] in ([], [(EXITED, struct.pack("<II", 0, 9))])


def test_shutdown_with_commands():
    with sleeping() as guest:
        for number in range(1, 10):
            Further(guest, number, ["sh", "-c", "trap '' TERM; sleep 1000"]).started()
        guest.shutdown()


def test_stream_refused():
    """The host doesn't take the connection: the command fails, the container goes on."""
    if harness.in_vm:
        return
    with sleeping() as guest:
        first = Further(guest, 1, ["sleep", "1000"]).started()
        for port in STDIN, STDOUT, STDERR:
            first.accept(port).close()
        first.send(SIGNAL, struct.pack("<II", 9, 0))
        assert first.exited() == (0, 9)
        assert Further(guest, 2, ["true"]).result()[:2] == (0, 0)


def fault(act, **kwargs):
    """hull-init ends the connection, and itself."""
    with sleeping(**kwargs) as guest:
        act(guest)
        assert guest.process.wait(TIMEOUT) == 0


def test_faults_of_the_host():
    def twice(guest):
        Further(guest, 1, ["sleep", "100"]).started()
        Further(guest, 1, ["true"])

    fault(twice)
    fault(lambda guest: guest.send(SIGNAL, struct.pack("<II", 15, 0), 77))
    fault(lambda guest: guest.send(RESIZE, struct.pack("<HH", 1, 1), 77))
    fault(lambda guest: guest.send(EXEC, spec(["true"]), 0))
    fault(lambda guest: guest.send(START, spec(["true"]), 1))
    fault(lambda guest: guest.send(EXITED, struct.pack("<II", 0, 0), 1))


def test_too_early():
    """Before the container's own command runs."""
    with Guest() as guest:
        guest.hello()
        guest.send(EXEC, spec(["true"]), 1)
        assert guest.process.wait(TIMEOUT) == 0


if __name__ == "__main__":
    harness.main(globals())
