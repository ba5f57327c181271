# SPDX-License-Identifier: Apache-2.0
"""Disks that fail while a guest uses them: full, truncated; and what can't be a disk."""
import os
import resource
import subprocess

from guest import expect_end, vmm
from harness import LONG_DEADLINE, WorkDir, check, finish, read_until
from shell import MIB, ended, make_file, start_shell

WAYS = ["io=uring", "io=sync"]


def full_disk(work, way):
    """A file system of 6 MiB holds a disk of 16 MiB, and for a while a file in the way."""
    folder = os.path.join(work, "small")
    os.mkdir(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6M", "small", folder], check=True)
    try:
        path = make_file(os.path.join(folder, "disk"), 16 * MIB)
        filler = os.path.join(folder, "filler")
        with open(filler, "wb") as file:
            file.write(bytes(4 * MIB))
        process = start_shell(
            work, "dd if=/dev/urandom of=/tmp/data bs=1M count=4\n"
            "dd if=/tmp/data of=/dev/vdc bs=64k oflag=direct || echo it is full\n"
            "until dd if=/tmp/data of=/dev/vdc bs=64k oflag=direct conv=fsync; do sleep 0.5; done\n"
            "echo 3 >/proc/sys/vm/drop_caches; cmp -n 4M /tmp/data /dev/vdc && echo recovered", "--disk",
            path + "," + way)
        read_until(process.stdout, "it is full")
        os.unlink(filler)
        lines = ended(finish(process, LONG_DEADLINE))
        check("recovered" in lines, "no recovery:", lines)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_host_disk_full():
    with WorkDir() as work:
        full_disk(work, WAYS[0])


def test_host_disk_full_sync():
    with WorkDir() as work:
        full_disk(work, WAYS[1])


def truncated(work, way):
    path = make_file(os.path.join(work, "disk"), 8 * MIB)
    process = start_shell(
        work, "read_all() { dd if=/dev/vdc of=/dev/null bs=64k iflag=direct; }\n"
        "read_all && echo it is whole\n"
        "while read_all; do sleep 0.5; done; echo it was cut\n"
        "until read_all; do sleep 0.5; done; echo it is whole again", "--disk", path + "," + way)
    read_until(process.stdout, "it is whole")
    os.truncate(path, 4 * MIB + 1000)
    read_until(process.stdout, "it was cut")
    os.truncate(path, 8 * MIB)
    lines = ended(finish(process, LONG_DEADLINE))
    check("it is whole again" in lines, "no recovery:", lines)


def test_truncated_while_in_use():
    with WorkDir() as work:
        truncated(work, WAYS[0])


def test_truncated_while_in_use_sync():
    with WorkDir() as work:
        truncated(work, WAYS[1])


def size_limit(work, way):
    """A limit on the size of files, as jailers set it, is an I/O error behind it and nothing else."""
    path = make_file(os.path.join(work, "disk"), 16 * MIB)
    process = start_shell(
        work, "write() { dd if=/dev/urandom of=/dev/vdc bs=64k count=4 seek=$1 oflag=direct; }\n"
        "write 160 || echo refused\nwrite 0 && echo written", "--disk", path + "," + way)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (6 * MIB, 6 * MIB))
    lines = ended(finish(process, LONG_DEADLINE))
    check("refused" in lines and "written" in lines, "the guest's words:", lines)


def test_limit_on_the_size_of_files():
    with WorkDir() as work:
        size_limit(work, WAYS[0])


def test_limit_on_the_size_of_files_sync():
    with WorkDir() as work:
        size_limit(work, WAYS[1])


def test_no_disk():
    with WorkDir() as work:
        path = os.path.join(work, "disk")

        def refused(text, properties=""):
            expect_end(vmm(work, "info", "--disk", path + properties), 152, text)

        refused("disk .*: can't be opened for writing: No such file")
        make_file(path, 0)
        refused("is empty")
        make_file(path, 1000)
        refused("size 1000 is not a multiple of 512 bytes")
        os.unlink(path)
        os.mkdir(path)
        refused("is a directory")
        refused("is a directory", ",ro")
        os.rmdir(path)
        os.mkfifo(path)
        refused("is neither a file nor a block device")
