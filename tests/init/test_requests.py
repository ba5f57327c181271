#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hull-init's tests: freezing, usage, capabilities, further mounts. Arguments as for test_init.py."""
import errno
import os
import shutil
import struct
import subprocess
import tempfile
import time

import harness
from harness import (DISK, FREEZE, READONLY, RESULT, SIGNAL, STATS, STDIN, STDOUT, TIMEOUT, TMPFS, USAGE, Guest, clone_image,
                     failed, read_all, resources_unlimited, run, shell)
from test_exec import Further, sleeping

RO, NOEXEC = 1, 2
FIELDS = ("cpu", "user", "system", "memory", "peak", "cache", "pids", "read_bytes", "write_bytes", "reads", "writes",
          "oom_kills", "memory_total")


def result(guest, number, code=0):
    kind, payload = guest.recv(number)
    assert kind == RESULT, (kind, payload)
    assert struct.unpack("<I", payload[:4])[0] == code, payload
    assert bool(payload[4:]) == bool(code), payload
    return payload[4:].decode()


def freeze(guest, on, number=7):
    guest.send(FREEZE, struct.pack("<I", on), number)
    result(guest, number)


def usage(guest, number=8):
    guest.send(STATS, b"", number)
    kind, payload = guest.recv(number)
    assert kind == USAGE, (kind, payload)
    return dict(zip(FIELDS, struct.unpack("<13Q", payload)))


# Freezing


def test_freeze():
    with Guest().started(["sh", "-c", "while :; do echo x; sleep 0.01; done"]) as guest:
        out = guest.accept(STDOUT)
        assert out.recv(100)
        for _ in range(3):
            freeze(guest, 1)
            freeze(guest, 1)
            out.settimeout(0.3)
            try:
                while out.recv(1 << 16):
                    pass
            except TimeoutError:
                pass
            out.settimeout(TIMEOUT)
            freeze(guest, 0)
            assert out.recv(100)
        guest.shutdown()


def test_freeze_overtaken():
    """Many at once: each is answered, and the last one counts."""
    with sleeping() as guest:
        for number in range(1, 21):
            guest.send(FREEZE, struct.pack("<I", number % 2), number)
        codes = []
        for number in range(1, 21):
            kind, payload = guest.recv(number)
            assert kind == RESULT
            codes.append(struct.unpack("<I", payload[:4])[0])
        assert set(codes) <= {0, errno.ECANCELED} and codes[-1] == 0, codes
        assert Further(guest, 30, ["true"]).result()[:2] == (0, 0)
        guest.shutdown()


def test_kill_while_frozen():
    with sleeping() as guest:
        freeze(guest, 1)
        guest.send(SIGNAL, struct.pack("<II", 9, 0))
        assert guest.exited() == (0, 9)
        guest.shutdown()


def test_end_while_frozen():
    with sleeping() as guest:
        Further(guest, 1, ["sleep", "1000"]).started()
        freeze(guest, 1)
        guest.shutdown()
    with sleeping() as guest:
        freeze(guest, 1)
        guest.control.close()
        assert guest.process.wait(TIMEOUT) == 0


def test_exec_while_frozen():
    """It begins when the container goes on."""
    with sleeping() as guest:
        freeze(guest, 1)
        first = Further(guest, 1, ["sh", "-c", "echo went on"])
        time.sleep(0.3)
        assert not guest.messages.get(1)
        freeze(guest, 0)
        assert first.result()[2] == b"went on\n"


def test_freeze_and_signal():
    with sleeping() as guest:
        freeze(guest, 1)
        guest.send(SIGNAL, struct.pack("<II", 15, 0))
        time.sleep(0.2)
        freeze(guest, 0)
        assert guest.exited() == (9, 0)


def test_malformed_requests():
    for kind, payload, number in (
        (FREEZE, struct.pack("<I", 2), 1),
        (FREEZE, struct.pack("<I", 1), 0),
        (FREEZE, b"", 1),
        (STATS, b"x", 1),
        (STATS, b"", 0),
    ):
        with sleeping() as guest:
            guest.send(kind, payload, number)
            assert guest.process.wait(TIMEOUT) == 0, (kind, payload, number)


# Usage


def test_usage():
    script = "read x; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; head -c 20000000 /dev/zero > /tmp/file; echo y; read x"
    with Guest().started(["sh", "-c", script]) as guest:
        before = usage(guest)
        guest.accept(STDIN).sendall(b"\n")
        assert guest.accept(STDOUT).recv(10) == b"y\n"
        after = usage(guest)
        assert after["cpu"] > before["cpu"] + 10000, (before, after)
        assert abs(after["cpu"] - after["user"] - after["system"]) <= 1000, after
        assert before["memory_total"] == after["memory_total"] > 1 << 24
        if not harness.in_vm:
            return  # this machine may have given its controllers away
        assert after["memory"] > before["memory"] + 19000000, (before, after)
        assert after["cache"] > 19000000 and after["peak"] >= after["memory"], after
        assert after["pids"] == 2 and after["oom_kills"] == 0, after
        assert before["reads"] > 0 and before["read_bytes"] > 100000, before


def test_usage_of_a_disk():
    if not harness.in_vm:
        return
    disk = tempfile.mkdtemp()
    path = harness.make_ext4(disk)
    with Guest(disk=path).started(["sh", "-c", "head -c 9000000 /dev/zero > /file; sync; echo y; read x"], root=DISK) as guest:
        assert guest.accept(STDOUT).recv(10) == b"y\n"
        after = usage(guest)
        assert after["write_bytes"] >= 9000000 and after["writes"] > 0, after


def test_usage_after_the_end():
    with Guest().started(["true"]) as guest:
        guest.exited()
        guest.send(STATS, b"", 1)
        guest.send(FREEZE, struct.pack("<I", 1), 2)
        guest.shutdown()
        assert not guest.control.recv(100)


# Capabilities


def caps_of(runner, **kwargs):
    out = runner("grep -e Cap /proc/self/status", **kwargs)
    return dict(line.split(":\t") for line in out.splitlines())


def exec_shell(script, **kwargs):
    with sleeping() as guest:
        code, sig, out, err = Further(guest, 1, ["sh", "-c", script], **kwargs).result()
        assert (code, sig, err) == (0, 0, b""), (code, sig, out, err)
        return out.decode()


def test_capabilities():
    none = "0" * 16
    for runner in shell, exec_shell:
        for caps in 0, 1 << 21 | 1 << 7 | 1 << 6, 1 << 0:
            given = f"{caps:016x}"
            assert caps_of(runner, caps=caps, user="0:0") == {
                "CapInh": none, "CapPrm": given, "CapEff": given, "CapBnd": given, "CapAmb": none}, (runner, caps)
    assert caps_of(shell, caps=1 << 21 | 1 << 7 | 1 << 6, user="alice")["CapBnd"] == "00000000002000c0"
    assert caps_of(shell, caps=1 << 21 | 1 << 7 | 1 << 6, user="alice")["CapEff"] == none


def test_all_capabilities():
    got = int(caps_of(shell, caps=(1 << 41) - 1)["CapEff"], 16)
    assert got | 1 << 24 == (1 << 41) - 1, hex(got)
    assert got & 1 << 24 or not resources_unlimited()


def test_privileged_capability_works():
    assert run(["sh", "-c", "mkdir /m && mount -t tmpfs t /m"], caps=1 << 21)[0] == 0
    assert run(["sh", "-c", "mkdir /m && mount -t tmpfs t /m"])[0] != 0


# Further mounts


def options(path, **kwargs):
    """Its file system and options."""
    out = shell("cat /proc/mounts", **kwargs)
    rows = [line.split()[2:4] for line in out.splitlines() if line.split()[1] == path]
    return rows[-1][0], set(rows[-1][1].split(","))


def test_tmpfs():
    kind, flags = options("/data/here", mounts=[(0, 0, NOEXEC, 1 << 20, "/data/here")])
    assert kind == "tmpfs" and flags >= {"rw", "nosuid", "nodev", "noexec", "size=1024k"}, flags
    kind, flags = options("/data", mounts=[(0, 0, RO, 0, "/data")])
    assert flags >= {"ro", "nosuid", "nodev"} and "noexec" not in flags, flags
    code, _, out, err = run(["sh", "-c", "head -c 2000000 /dev/zero > /m/file; wc -c < /m/file; stat -c %a /m"],
                            mounts=[(0, 0, 0, 1 << 20, "/m")])
    assert (code, out) == (0, b"1048576\n1777\n") and b"head" in err, (out, err)


def test_mounts_in_order():
    assert shell("ls /a; ls /a/b", mounts=[(0, 0, 0, 0, "/a"), (0, 0, 0, 0, "/a/b")]) == "b\n"
    assert shell("ls /a", mounts=[(0, 0, 0, 0, "/a/b"), (0, 0, 0, 0, "/a")]) == ""


def test_mounts_under_a_readonly_root():
    script = "for i in /a /a/b /tmp/c /tmp; do touch $i/x && echo ok; done; touch /x 2>/dev/null || echo closed; pwd"
    mounts = [(0, 0, 0, 0, "/a"), (0, 0, 0, 0, "/a/b"), (0, 0, NOEXEC, 0, "/tmp/c")]
    out = shell(script, mounts=mounts, root=READONLY, cwd="/a/work")
    assert out == "ok\n" * 4 + "closed\n/a/work\n", out
    script = "touch /tmp/x 2>/dev/null || echo closed; stat -f -c %T /tmp"
    assert shell(script, mounts=[(0, 0, NOEXEC | RO, 0, "/tmp")], root=READONLY) == "closed\ntmpfs\n"


def test_mount_path_stays_inside():
    """Links lead somewhere in the container, or nowhere."""
    outside = tempfile.mkdtemp()

    def change(root):
        os.symlink("../../../../../../../.." + outside, root + "/out")
        os.makedirs(root + outside)
        os.symlink("/proc/self/fd/0", root + "/magic")
        os.symlink("/proc/1/root", root + "/top")

    copy = clone_image(change)
    assert shell(f"touch /out/x; ls {outside}; readlink /out", image_dir=copy, mounts=[(0, 0, 0, 0, "/out")]).startswith("x\n")
    assert not os.listdir(outside)
    for path in "/magic", "/top/x", "/", "/usr/..", "/etc/passwd":
        failed(["true"], 125, path, image_dir=copy, mounts=[(0, 0, 0, 0, path)])
    shutil.rmtree(copy)
    shutil.rmtree(outside)


def test_disks():
    disks = [tempfile.mkdtemp(), tempfile.mkdtemp()]
    for disk in disks:
        with open(disk + "/name", "w", encoding="ascii") as file:
            file.write(os.path.basename(disk))
    mounts = [(1, 2, 0, 0, "/one"), (1, 3, RO | NOEXEC, 0, "/two/three")]
    with Guest(more_disks=disks).started(["sh", "-c", "cat /one/name /two/three/name; echo new > /one/new; cat /proc/mounts"],
                                         mounts=mounts) as guest:
        out = read_all(guest.accept(STDOUT)).decode()
        assert guest.exited() == (0, 0)
        guest.shutdown()
    names = "".join(map(os.path.basename, disks))
    assert out.startswith(names), out
    rows = {line.split()[1]: line.split()[3].split(",") for line in out[len(names):].splitlines()}
    assert {"rw", "nosuid", "nodev"} <= set(rows["/one"]), rows
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(rows["/two/three"]), rows
    if harness.in_vm:
        path = disks[0] + ".ext4"
        check = subprocess.run(["dumpe2fs", "-h", path], check=True, capture_output=True, text=True)
        assert "clean" in [line.split()[-1] for line in check.stdout.splitlines() if "state:" in line], check
        shown = subprocess.run(["debugfs", "-R", "cat /new", path], check=True, capture_output=True)
        assert shown.stdout == b"new\n", shown
    else:
        assert os.path.exists(disks[0] + "/new")
    for disk in disks:
        shutil.rmtree(disk)


def test_no_such_disk():
    failed(["true"], 125, "disk", mounts=[(1, 25, 0, 0, "/one")])


if __name__ == "__main__":
    harness.main(globals())
