# SPDX-License-Identifier: Apache-2.0
"""hull-vmm alone, with the probe of tests/guest as the guest's PID 1."""
import os
import shutil
import stat
import subprocess

from harness import DEADLINE, KERNEL, STAGE, TOP, VMM, Result, Skip, check, finish, match, short, start

PROBE = os.path.join(TOP, "build", "release", "tests", "guest", "probe-init")
SHELL_INIT = os.path.join(STAGE, "lib", "hull", "bench", "bench-shell-init")
VSOCK_INIT = os.path.join(TOP, "build", "release", "tests", "guest", "vsock-init")
CMDLINE = "console=ttyS0 quiet panic=-1"


def newc(number, name, mode, data=b"", device=(0, 0)):
    """A member of a cpio archive of the kind that the kernel unpacks."""
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def initramfs(path, word=None, program=PROBE):
    """Write an initramfs whose init is the probe; word is what it does when the command line doesn't say."""
    with open(program, "rb") as file:
        init = file.read()
    data = newc(1, "dev", stat.S_IFDIR | 0o755) + newc(2, "dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    data += newc(3, "init", stat.S_IFREG | 0o755, init)
    if word:
        data += newc(4, "probe", stat.S_IFREG | 0o644, word.encode())
    with open(path, "wb") as file:
        file.write(data + newc(0, "TRAILER!!!", 0))
    return path


def stage_with(work, word):
    """A copy of the installed tree with the probe instead of hull-init; return its hull."""
    top = os.path.join(work, "stage")
    os.makedirs(os.path.join(top, "bin"))
    os.makedirs(os.path.join(top, "lib", "hull"))
    for name in ("bin/hull", "bin/hull-vmm", "lib/hull/vmlinux"):
        shutil.copy(os.path.join(STAGE, name), os.path.join(top, name))
    initramfs(os.path.join(top, "lib", "hull", "initramfs"), word)
    return os.path.join(top, "bin", "hull")


def vmm_args(work, word, *options, kernel=KERNEL, cmdline=CMDLINE, memory="128M"):
    image = os.path.join(work, "initramfs")
    if not os.path.exists(image):
        initramfs(image)
    return [VMM, "--kernel", kernel, "--initrd", image, "--memory", memory, "--cmdline", f"{cmdline} probe={word}",
            *options]


def start_vmm(work, word, *options, stdin=subprocess.DEVNULL, pass_fds=(), **kwargs):
    """Start a guest whose console is hull-vmm's stdout."""
    options = ("--serial", "stdio", *options) if "--serial" not in options else options
    return start(*vmm_args(work, word, *options, **kwargs), stdin=stdin, pass_fds=pass_fds)


def vmm(work, word, *options, timeout=DEADLINE, **kwargs):
    """Boot a guest and wait for its end. The console's line ends come back as bare newlines."""
    result = finish(start_vmm(work, word, *options, **kwargs), timeout)
    return Result(result.code, result.out.replace(b"\r", b""), result.err)


def said(result, pattern):
    """What the probe said of something, as a regular expression's match."""
    return match("^probe: " + pattern + "$", result.out, "console")


def expect_end(result, code, error=None):
    check(result.code == code, f"expected exit code {code}:", short(result.out), short(result.err))
    if error is None:
        check(result.err == b"", "expected nothing on stderr:", result)
    else:
        check(result.err.startswith(b"hull-vmm: ") and result.err.count(b"\n") == 1, "expected one line:", result)
        match(error, result.err, "stderr")
    return result


def debian_kernel():
    path = os.environ.get("HULL_TEST_DEBIAN_KERNEL")
    if not path or not os.path.exists(path):
        raise Skip("HULL_TEST_DEBIAN_KERNEL names no kernel (scripts/debian-kernel fetches it)")
    return path


def debian_disk():
    path = os.environ.get("HULL_TEST_DEBIAN_DISK")
    if not path or not os.path.exists(path):
        raise Skip("HULL_TEST_DEBIAN_DISK names no folder (scripts/debian-disk makes it)")
    return path
