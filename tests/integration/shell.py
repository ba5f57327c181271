# SPDX-License-Identifier: Apache-2.0
"""hull-vmm alone, with a guest that runs a shell script in the image of tools. Its other disks begin at /dev/vdc."""
import os

from guest import SHELL_INIT, expect_end, initramfs, start_vmm
from harness import HULL, LONG_DEADLINE, TOP, Result, check, finish, run

MIB = 1 << 20


def tools():
    """The image of tools as the one file that a guest reads."""
    return run(HULL, "pull", "--path", os.path.join(TOP, "build", "images", "tools")).expect(0).out.decode().strip()


def disk_args(work, script):
    initramfs(os.path.join(work, "initramfs"), program=SHELL_INIT)
    path = os.path.join(work, "script")
    text = ("exec >/dev/console 2>&1\n" + script + "\necho the end\nexit\n").encode()
    with open(path, "wb") as file:
        file.write(text + b"\n" * (-len(text) % 512))
    return ["--disk", tools() + ",ro", "--disk", path + ",ro"]


def start_shell(work, script, *options, memory="192M"):
    return start_vmm(work, "none", *disk_args(work, script), *options, memory=memory)


def shell(work, script, *options, timeout=LONG_DEADLINE, **kwargs):
    """Run a script to its end. Return: the lines it wrote."""
    return ended(finish(start_shell(work, script, *options, **kwargs), timeout))


def ended(result):
    result = expect_end(Result(result.code, result.out.replace(b"\r", b""), result.err), 0)
    lines = result.out.decode(errors="replace").splitlines()
    check("the end" in lines, "the script did not come to its end:", result)
    return lines


def make_file(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    return path
