#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hull-init's tests: archives out of and into a container. Arguments as for test_init.py."""
import errno
import hashlib
import io
import os
import shutil
import socket
import struct
import subprocess
import tarfile
import tempfile

import harness
from harness import ARCHIVE, READONLY, RESULT, TIMEOUT, Guest, clone_image, read_all
from test_exec import Further, sleeping
from test_requests import freeze, result

PORT = 9000


def send(guest, number, path, put=False):
    guest.send(ARCHIVE, struct.pack("<II", PORT + number, int(put)) + path.encode(), number)
    return guest.accept(PORT + number)


def get(guest, path, number=1):
    data = read_all(send(guest, number, path))
    result(guest, number)
    guest.ports.pop(PORT + number).close()
    return data


def put(guest, path, data, number=1, code=0):
    """What the RESULT says; the stream may be closed early when it fails."""
    sock = send(guest, number, path, put=True)
    try:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        assert code
    text = result(guest, number, code)
    guest.ports.pop(PORT + number).close()
    return text


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: member for member in archive}


def archive(*entries, kind=tarfile.PAX_FORMAT):
    """A tar archive of (name, type, content or target, attributes...)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as tar:
        for name, type_, data, *attributes in entries:
            info = tarfile.TarInfo(name)
            info.type = type_
            info.mode = 0o644
            for key, value in dict(*attributes).items():
                setattr(info, key, value)
            if type_ in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = data
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def sh(guest, script, number=500):
    code, sig, out, err = Further(guest, number, ["sh", "-c", script]).result()
    assert (code, sig, err) == (0, 0, b""), (code, sig, out, err)
    for port in [port for port in guest.ports if port >= 10000]:
        guest.ports.pop(port).close()
    return out.decode()


MAKE_TREE = """
mkdir -p /tree/dir/empty; cd /tree; echo content > dir/file; ln -s ../file dir/link; ln dir/file hard; mkfifo fifo
mknod null c 1 3; chmod 4711 dir/file; chown 1000:44 dir; head -c 300000 /dev/urandom > big; : > none
touch -d '2001-02-03 04:05:06' dir/empty; mkdir -p $(for i in $(seq 30); do printf long-name-number-$i/; done)
: > $(head -c 200 /dev/zero | tr '\\0' x); sha256sum big
"""


def test_get():
    with sleeping() as guest:
        digest = sh(guest, MAKE_TREE).split()[0]
        data = get(guest, "/tree")
        found = members(data)
        file, hard = found["tree/dir/file"], found["tree/hard"]
        if file.islnk():
            file, hard = hard, file
        assert file.isreg() and file.mode == 0o4711 and file.size == 8, file
        assert hard.islnk() and hard.linkname == file.name, hard
        assert found["tree/dir"].isdir() and (found["tree/dir"].uid, found["tree/dir"].gid) == (1000, 44)
        assert found["tree/dir/link"].issym() and found["tree/dir/link"].linkname == "../file"
        assert found["tree/fifo"].isfifo()
        assert found["tree/null"].ischr() and (found["tree/null"].devmajor, found["tree/null"].devminor) == (1, 3)
        assert found["tree/dir/empty"].mtime == 981173106, found["tree/dir/empty"].mtime
        assert "tree/" + "/".join(f"long-name-number-{i}" for i in range(1, 31)) in found
        assert "tree/" + "x" * 200 in found and found["tree/none"].size == 0
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            assert hashlib.sha256(tar.extractfile("tree/big").read()).hexdigest() == digest
        if shutil.which("tar"):
            listing = subprocess.run(["tar", "-tf", "-"], input=data, check=True, capture_output=True)
            assert not listing.stderr and len(listing.stdout.split()) == len(found), listing.stderr


def test_get_one():
    with sleeping() as guest:
        sh(guest, "echo x > /tmp/file; ln -s tmp/file /link; ln -s /tmp /up; mkfifo /fifo")
        assert list(members(get(guest, "/tmp/file"))) == ["file"]
        assert members(get(guest, "/link"))["link"].isreg()
        assert set(members(get(guest, "/up/"))) == {"up", "up/kept", "up/file"}
        assert set(members(get(guest, "/tmp/."))) == {".", "./kept", "./file"}
        assert members(get(guest, "/fifo"))["fifo"].isfifo()
        assert members(get(guest, "/up/../usr/data/script"))["script"].mode == 0o755


def test_get_everything():
    """The whole root; what the kernel shows is left out."""
    with sleeping() as guest:
        found = members(get(guest, "/"))
        assert "./bin/busybox" in found and "./proc" in found and "./sys" in found, list(found)[:20]
        assert not [name for name in found if name.startswith(("./proc/", "./sys/", "./dev/pts/"))]


def test_get_fails():
    with sleeping() as guest:
        for path, code in ("/none", errno.ENOENT), ("/etc/passwd/x", errno.ENOTDIR), ("/proc/1/root", errno.ELOOP):
            assert read_all(send(guest, 1, path)) == b""
            assert path in result(guest, 1, code)
            guest.ports.pop(PORT + 1)


def test_get_while_frozen():
    with sleeping() as guest:
        freeze(guest, 1)
        assert "data/script" in members(get(guest, "/usr/data"))
        put(guest, "/tmp", archive(("new", tarfile.REGTYPE, b"x")))
        freeze(guest, 0)
        assert sh(guest, "cat /tmp/new") == "x"


def test_host_closes_get():
    with sleeping() as guest:
        sh(guest, "head -c 20000000 /dev/zero > /tmp/big")
        sock = send(guest, 1, "/tmp/big")
        sock.recv(100)
        sock.close()
        assert result(guest, 1, errno.EPIPE)


def test_there_and_back():
    with sleeping() as guest:
        sh(guest, MAKE_TREE)
        data = get(guest, "/tree")
        sh(guest, "mkdir /copy")
        put(guest, "/copy", data)
        script = "cd %s; find . | sort | xargs stat -c '%%n %%f %%u %%g %%h %%t %%T %%Y'; find . -type f | sort | xargs sha256sum"
        assert sh(guest, script % "/tree") == sh(guest, script % "/copy/tree")
        assert members(data).keys() == members(get(guest, "/copy/tree")).keys()


def test_put():
    with sleeping() as guest:
        attributes = {"uid": 1000, "gid": 44, "mode": 0o4750, "mtime": 981173106}
        for kind in tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT:
            data = archive(
                ("dir", tarfile.DIRTYPE, b"", {"mode": 0o700, "mtime": 981173106}),
                ("dir/file", tarfile.REGTYPE, b"content", attributes),
                ("./missing//parent/file", tarfile.REGTYPE, b""),
                ("/absolute", tarfile.REGTYPE, b"abs"),
                ("link", tarfile.SYMTYPE, "/etc/passwd"),
                ("hard", tarfile.LNKTYPE, "dir/file"),
                ("fifo", tarfile.FIFOTYPE, b""),
                ("n" * 90 + "/" + "m" * 90, tarfile.REGTYPE, b"long"),
                kind=kind)
            if kind != tarfile.USTAR_FORMAT:
                data = data.rstrip(b"\0") + b"\0" * (-len(data.rstrip(b"\0")) % 512)
                data += archive((("d" * 200 + "/") * 5 + "e" * 200, tarfile.REGTYPE, b"deep"),
                                ("symlink", tarfile.SYMTYPE, "t" * 1000), kind=kind)
            sh(guest, "rm -rf /put; mkdir /put")
            put(guest, "/put", data)
            assert sh(guest, "cd /put; stat -c '%a %u %g %Y %h' dir/file; stat -c '%a %Y' dir; cat dir/file absolute; readlink link; "
                             "stat -c '%F %a %u' missing fifo; cat n*/m*") == \
                "4750 1000 44 981173106 2\n700 981173106\ncontentabs/etc/passwd\ndirectory 755 0\nfifo 644 0\nlong", kind
            if kind != tarfile.USTAR_FORMAT:
                assert sh(guest, "cd /put; cat d*/d*/d*/d*/d*/e*; readlink symlink | wc -c") == "deep1001\n"


def test_put_gnu_tar():
    """What GNU tar writes, in each of its formats."""
    if not shutil.which("tar"):
        return
    folder = tempfile.mkdtemp()
    os.makedirs(folder + "/" + "deep/" * 40)
    os.mkdir(folder + "/" + "n" * 150)
    with open(folder + "/" + "n" * 150 + "/" + "m" * 150, "wb") as file:
        file.write(os.urandom(100000))
    os.link(folder + "/" + "n" * 150 + "/" + "m" * 150, folder + "/hard")
    os.symlink("s" * 150, folder + "/symlink")
    os.mkfifo(folder + "/fifo")
    os.utime(folder + "/deep", (1, -1.5))
    os.utime(folder + "/hard", (1, 981173106))
    if not harness.in_vm:
        os.setxattr(folder + "/hard", "user.test", b"value\0\n=")
    with sleeping() as guest:
        for kind in "gnu", "oldgnu", "pax", "posix":
            data = subprocess.run(["tar", "-C", folder, f"--format={kind}", "--xattrs", "-cf", "-", "."], check=True,
                                  capture_output=True).stdout
            sh(guest, "rm -rf /put; mkdir /put")
            put(guest, "/put", data)
            out = sh(guest, "cd /put; sha256sum < hard; stat -c '%h' hard n*/m*; readlink symlink; find deep | wc -l; stat -c %Y deep")
            with open(folder + "/hard", "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
            assert out == f"{digest}  -\n2\n2\n{'s' * 150}\n40\n-2\n", (kind, out)
            # And back: all of it is the same to GNU tar.
            back = get(guest, "/put/.")
            check = subprocess.run(["tar", "-C", folder, "-df", "-"], input=back, capture_output=True)
            assert check.returncode == 0 and not check.stdout, (kind, check)
    shutil.rmtree(folder)


def test_attributes():
    """Extended attributes go both ways; a capability survives."""
    capability = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
    info = tarfile.TarInfo("file")
    info.pax_headers = {"SCHILY.xattr.security.capability": capability.decode("latin1"),
                        "SCHILY.xattr.user.hull": "text"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, encoding="latin1") as tar:
        info.pax_headers["hdrcharset"] = "BINARY"
        tar.addfile(info)
    with sleeping() as guest:
        put(guest, "/tmp", out.getvalue())
        back = get(guest, "/tmp/file")
        assert b"SCHILY.xattr.security.capability=" + capability + b"\n" in back, back[:1500]


def test_put_replaces():
    with sleeping() as guest:
        sh(guest, "mkdir -p /put/dir /put/full/x; echo old > /put/file; echo kept > /target; ln -s /target /put/link; ln -s dir /put/todir")
        put(guest, "/put", archive(("file", tarfile.REGTYPE, b"new"), ("link", tarfile.REGTYPE, b"new"),
                                   ("todir/x", tarfile.REGTYPE, b"in"), ("todir", tarfile.DIRTYPE, b"", {"mode": 0o711})))
        assert sh(guest, "cd /put; cat file link dir/x /target; test -L todir; stat -c %a dir") == "newnewinkept\n711\n"
        assert "full" in put(guest, "/put", archive(("full", tarfile.REGTYPE, b"x")), code=errno.EISDIR)


def test_put_into_the_root():
    """There, an absolute link is as good as another."""
    with sleeping() as guest:
        sh(guest, "mkdir /real; ln -s /real /alias")
        put(guest, "/", archive(("alias/file", tarfile.REGTYPE, b"x"), ("tmp/file", tarfile.REGTYPE, b"y")))
        assert sh(guest, "cat /real/file /tmp/file") == "xy"


def test_hostile_archives():
    """Nothing outside of the directory is touched."""
    with sleeping() as guest:
        sh(guest, "mkdir /put /outside; echo kept > /outside/file; cp -a /outside /before")
        up, file, link, hard = "../outside/x", tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
        for code, entries in (
            (errno.EINVAL, [(up, file, b"x")]),
            (errno.EINVAL, [("a/../../outside/x", file, b"x")]),
            (errno.EINVAL, [("x", hard, "../outside/file")]),
            (errno.EINVAL, [("x", hard, "x")]),
            (errno.EXDEV, [("l", link, "/outside"), ("l/x", file, b"x")]),
            (errno.EXDEV, [("l", link, "../outside"), ("l/x", file, b"x")]),
            (errno.EXDEV, [("l", link, "/outside"), ("l/d/e/x", file, b"x")]),
            (errno.EXDEV, [("l", link, "/outside"), ("l/d", tarfile.DIRTYPE, b"")]),
            (errno.EXDEV, [("l", link, "/outside"), ("l", tarfile.DIRTYPE, b"")]),
            (errno.EXDEV, [("l", link, "/outside"), ("x", hard, "l/file")]),
            (errno.ELOOP, [("l", link, "l"), ("l/x", file, b"x")]),
            (errno.ENOENT, [("x", hard, "missing")]),
            (0, [("l", link, "/outside/file"), ("l", file, b"x")]),
            (0, [("l", link, "/outside/file"), ("h", hard, "l"), ("h", file, b"x")]),
        ):
            text = put(guest, "/put", archive(*entries), code=code)
            assert bool(text) == bool(code)
            assert sh(guest, "diff -r /before /outside; ls / | grep -c '^x$' || true") == "0\n", entries
            sh(guest, "rm -rf /put; mkdir /put")
        assert put(guest, "/put/none", archive(), code=errno.ENOENT)
        assert put(guest, "/etc/passwd", archive(), code=errno.ENOTDIR)


def test_broken_archives():
    good = archive(("file", tarfile.REGTYPE, b"x" * 2000))
    with sleeping() as guest:
        for data in (good[:100], good[:700], good[:513], b"x" * 512, good[:3] + b"\1" + good[4:], os.urandom(5000),
                     b"\0" * 512 + good):
            assert put(guest, "/tmp", data, code=errno.EINVAL)
        for data in b"", b"\0" * 512, b"\0" * 20000, good[:-1024], good[:512 + 2048] + b"\0" * 512:
            assert not put(guest, "/tmp", data)
        assert sh(guest, "wc -c < /tmp/file") == "2000\n"


def test_no_space():
    mounts = [(0, 0, 0, 1 << 20, "/small")]
    with sleeping(mounts=mounts, root=READONLY) as guest:
        assert "file" in put(guest, "/small", archive(("file", tarfile.REGTYPE, b"x" * 3000000)), code=errno.ENOSPC)
        assert put(guest, "/usr", archive(("file", tarfile.REGTYPE, b"x")), code=errno.EROFS)
        put(guest, "/small", archive(("file", tarfile.REGTYPE, b"y" * 3000)))
        assert sh(guest, "wc -c < /small/file") == "3000\n"


def test_many_and_the_end():
    """Archives under way are no reason for a container not to end."""
    with sleeping() as guest:
        sh(guest, "head -c 20000000 /dev/zero > /tmp/big")
        for number in range(1, 11):
            send(guest, number, "/tmp/big")
        for number in range(11, 21):
            send(guest, number, "/tmp", put=True)
        assert "data/script" in members(get(guest, "/usr/data", 30))
        guest.shutdown()


def test_malformed_requests():
    for payload in (struct.pack("<II", 5, 0), struct.pack("<II", 5, 2) + b"/", struct.pack("<II", 0, 0) + b"/",
                    struct.pack("<II", 5, 0) + b"relative", struct.pack("<II", 5, 0) + b"/a\0b"):
        with sleeping() as guest:
            guest.send(ARCHIVE, payload, 1)
            assert guest.process.wait(TIMEOUT) == 0, payload


if __name__ == "__main__":
    harness.main(globals())
