# SPDX-License-Identifier: Apache-2.0
"""hull-jailer among what somebody has planted: links, owners, and files in its way."""
import os
import re
import stat

from harness import check, equal, file_text, run
from jailer import JAILED, JAILED_CODE, Jail


def link_to_folder(path, outside):
    os.symlink(outside, path)


def link_to_nothing(path, outside):
    os.symlink(os.path.join(outside, "new"), path)


def link_to_file(path, outside):
    os.symlink(os.path.join(outside, "file"), path)


def hard_link(path, outside):
    os.link(os.path.join(outside, "file"), path)


def foreign_folder(path, outside):
    del outside
    os.mkdir(path, 0o755)
    os.chown(path, 1000, 1000)


def open_folder(path, outside):
    del outside
    os.mkdir(path)
    os.chmod(path, 0o777)


def group_folder(path, outside):
    del outside
    os.mkdir(path)
    os.chmod(path, 0o775)


def a_file(path, outside):
    del outside
    with open(path, "w", encoding="utf-8") as file:
        file.write("planted")


def a_device(path, outside):
    del outside
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))


FOLDERS = ("jailed", "jailed/vm-1", "jailed/vm-1/root", "jailed/vm-1/root/dev", "jailed/vm-1/root/dev/net",
           "jailed/vm-1/root/run")
FILES = ("jailed/vm-1/root/jailed", "jailed/vm-1/root/jailed.pid", "jailed/vm-1/root/dev/kvm",
         "jailed/vm-1/root/dev/net/tun", "jailed/vm-1/root/dev/urandom")
PLANTED_FOLDERS = {link_to_folder: "is a symbolic link", link_to_nothing: "is a symbolic link",
                   link_to_file: "is a symbolic link", hard_link: "Not a directory", a_file: "Not a directory",
                   foreign_folder: "belongs to user 1000", open_folder: r"others than its owner .*\(mode 0777\)",
                   group_folder: r"others than its owner .*\(mode 0775\)"}
PLANTED_FILES = (link_to_folder, link_to_nothing, link_to_file, hard_link, a_file, a_device, foreign_folder)


def check_planted(place, plant, pattern):
    with Jail() as jail:
        outside = os.path.join(jail.top, "outside")
        os.mkdir(outside, 0o755)
        with open(os.path.join(outside, "file"), "w", encoding="utf-8") as file:
            file.write("not to be touched")
        path = os.path.join(jail.base, place)
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        plant(path, outside)
        # refuse() compares all of it, the outside included.
        jail.refuse(re.escape(path) + ".*: .*" + pattern)
        equal(file_text(os.path.join(outside, "file")), "not to be touched", "the file outside")


def test_planted_in_place_of_directories():
    for place in FOLDERS:
        for plant, pattern in PLANTED_FOLDERS.items():
            check_planted(place, plant, pattern)


def test_planted_in_place_of_files():
    for place in FILES:
        for plant in PLANTED_FILES:
            check_planted(place, plant, "")


def test_the_base_directory():
    with Jail() as jail:
        base = jail.base
        os.chmod(base, 0o757)
        jail.refuse(re.escape(base) + r": others than its owner .*0757")
        os.chmod(base, 0o755)
        os.chown(base, 1000, 0)
        jail.refuse(re.escape(base) + ": belongs to user 1000")
        os.chown(base, 0, 0)
        # Nor may anybody be able to put another in its place.
        os.chmod(jail.top, 0o777)
        jail.refuse(re.escape(jail.top) + ": others than its owner")
        os.chmod(jail.top, 0o1777)
        equal(jail.run().code, JAILED_CODE, "exit code below a sticky directory")
        jail.remove()
        os.chmod(jail.top, 0o755)
        os.chown(jail.top, 1000, 0)
        jail.refuse(re.escape(jail.top) + ": belongs to user 1000")
        os.chown(jail.top, 0, 0)
        for path, pattern in ((base + "/none", "No such file"), (JAILED, "Not a directory"), ("", "No such file")):
            refuse_base(jail, path, pattern)
        # The operator may name it by a link.
        os.symlink("base", os.path.join(jail.top, "link"))
        argv = jail.argv()
        argv[argv.index("--chroot-base-dir") + 1] = os.path.join(jail.top, "link")
        equal(run(*argv).code, JAILED_CODE, "exit code through a link")
        check(os.path.exists(os.path.join(jail.root, "jailed")), "not made where the link leads")


def refuse_base(jail, path, pattern):
    argv = jail.argv()
    argv[argv.index("--chroot-base-dir") + 1] = path
    run(*argv).expect_error(1, pattern, by="hull-jailer")
