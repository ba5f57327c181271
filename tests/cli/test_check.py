#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`hull check` as a command: its options, its documents, and that it changes nothing.

Usage: test_check.py HULL
"""
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HULL = sys.argv[1]
DEADLINE = 120
STATUSES = {"pass", "info", "unknown", "warn"}
KEYS = ["id", "group", "title", "status", "finding", "left_out", "remedy"]

# seccomp.h
SCMP_ACT_KILL_PROCESS, SCMP_ACT_ALLOW = 0x80000000, 0x7fff0000
SCMP_CMP_GT, SCMP_CMP_MASKED_EQ = 6, 7
# What changes something on the host, connects to somebody or starts something.
FORBIDDEN = """accept4 add_key bind bpf chmod chown clone3 connect creat delete_module fanotify_init fchmod fchmodat
fchown fchownat fdatasync finit_module flock fork fremovexattr fsconfig fsetxattr fsmount fsopen fsync ftruncate
init_module io_uring_setup kexec_load lchown link linkat listen lremovexattr lsetxattr mkdir mkdirat mknod mknodat mount
mount_setattr move_mount open_tree pivot_root process_vm_writev ptrace pwrite64 pwritev quotactl removexattr rename
renameat renameat2 rmdir sendfile sendmsg sendto setdomainname sethostname setns setxattr socket socketpair splice swapoff
swapon symlink symlinkat sync syncfs truncate umount2 unlink unlinkat unshare utime utimensat utimes vfork""".split()


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp"""
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def forbid_changes():
    """In a child: whoever changes something dies of SIGSYS."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_init.argtypes = [ctypes.c_uint32]
    lib.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
                                           ctypes.c_void_p]
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    context = lib.seccomp_init(SCMP_ACT_ALLOW)

    def forbid(name, *comparisons):
        number = lib.seccomp_syscall_resolve_name(name.encode())
        assert number != -1, name
        # Those that this architecture hasn't got are negative.
        if number >= 0:
            array = (Comparison * max(1, len(comparisons)))(*comparisons)
            assert lib.seccomp_rule_add_array(context, SCMP_ACT_KILL_PROCESS, number, len(comparisons), array) == 0, name

    for name in FORBIDDEN:
        forbid(name)
    for name in ("write", "writev"):
        forbid(name, Comparison(0, SCMP_CMP_GT, 2))
    # At its start hull opens /dev/null for both, to see whether there are standard streams.
    for flags in (os.O_WRONLY, os.O_CREAT, os.O_TRUNC):
        forbid("openat", Comparison(2, SCMP_CMP_MASKED_EQ, flags, flags))
        forbid("open", Comparison(1, SCMP_CMP_MASKED_EQ, flags, flags))
    assert lib.seccomp_load(context) == 0


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="hull-check-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.env = dict(os.environ, HULL_STORE=os.path.join(self.dir, "store"))

    def hull(self, *args, **kw):
        # What looks for leaks starts a thread that looks on by ptrace.
        env = dict(self.env, ASAN_OPTIONS="detect_leaks=0") if "preexec_fn" in kw else self.env
        return subprocess.run([HULL, *args], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=DEADLINE, check=False, **kw)

    def items(self, *args):
        result = self.hull("check", "--json", *args)
        self.assertEqual(result.stderr, "")
        self.assertEqual(result.stdout.count("\n"), 1)
        document = json.loads(result.stdout)
        warned = [item["id"] for item in document["items"] if item["status"] == "warn"]
        self.assertEqual(result.returncode, 1 if warned else 0)
        return document

    def listed(self, *args):
        result = self.hull("check", "--list", *args)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return [line.split()[0] for line in result.stdout.splitlines()]

    def test_the_list(self):
        ids = self.listed()
        self.assertEqual(len(ids), len(set(ids)))
        self.assertGreater(len(ids), 30)
        # What is released stays.
        for name in ("host.kernel", "cpu.smt", "device.kvm", "jail.uid", "monitor.cgroup", "network.metadata",
                     "store.policy", "left.cgroups"):
            self.assertIn(name, ids)
        self.assertEqual(self.listed("--only", "cpu,host.ksm", "--skip", "cpu.smt"),
                         ["host.ksm", "cpu.vulnerabilities", "cpu.nested"])

    def test_the_document(self):
        document = self.items()
        self.assertEqual(list(document), ["version", "items", "summary"])
        self.assertEqual(document["version"], 1)
        self.assertEqual([item["id"] for item in document["items"]], self.listed())
        for item in document["items"]:
            self.assertEqual(list(item), KEYS)
            self.assertEqual(item["group"], item["id"].split(".")[0])
            self.assertIn(item["status"], STATUSES)
            self.assertTrue(item["finding"])
            self.assertEqual(item["remedy"] is not None, item["status"] == "warn")
        self.assertEqual(set(document["summary"]), STATUSES)
        for status, count in document["summary"].items():
            self.assertEqual(count, sum(item["status"] == status for item in document["items"]))

    def test_the_text(self):
        result = self.hull("check", "--only", "cpu.smt,host")
        self.assertEqual(result.stderr, "")
        groups = result.stdout.split("\n\n")
        self.assertEqual(len(groups), 3, result.stdout)
        self.assertRegex(groups[2], r"\A\d+ passed, \d+ warnings, \d+ unknown, \d+ for information\n\Z")
        for line in "\n".join(groups[:2]).splitlines():
            self.assertRegex(line, r"\A(PASS|INFO|UNKNOWN|WARN) +(host|cpu)\.[a-z0-9-]+ +\S.*: \S")
            self.assertEqual(line.startswith("WARN"), ". Remedy: " in line, line)

    def test_exit_codes(self):
        root = os.path.join(self.dir, "root")
        ksm = os.path.join(root, "sys/kernel/mm/ksm")
        os.makedirs(ksm)
        for value, code, word in (("0", 0, "PASS"), ("1", 1, "WARN"), ("", 0, "UNKNOWN")):
            with open(os.path.join(ksm, "run"), "w", encoding="utf-8") as file:
                file.write(value)
            result = self.hull("check", "--root", root, "--only", "host.ksm")
            self.assertEqual((result.returncode, result.stderr), (code, ""))
            self.assertTrue(result.stdout.startswith(word), result.stdout)
        # An empty host: nothing is known, and that is all.
        empty = os.path.join(self.dir, "empty")
        os.mkdir(empty)
        found = {item["id"]: item["status"] for item in self.items("--root", empty)["items"]}
        self.assertNotIn("warn", found.values())
        self.assertEqual({name for name, status in found.items() if status == "pass"}, {"host.landlock"} &
                         {name for name, status in found.items() if status == "pass"})

    def test_bad_usage(self):
        for args, words in ((["a"], '"a" is too much'), ([""], '"" is too much'), (["--bad"], 'unknown option "--bad"'),
                            (["--only", "jail.x"], '"jail.x" is no item'), (["--only="], '"" is no item'),
                            (["--skip", "cpu,,jail"], '"" is no item'), (["--only"], "--only needs a value"),
                            (["--json=yes"], "neither"), (["--list", "--json"], "exclude each other"),
                            (["--root", "/nowhere"], "--root: /nowhere: No such file"),
                            (["--root", ""], "--root: the path is empty"), (["--store="], "--store: the path is empty"),
                            (["--only", "\033[2J"], '"?[2J" is no item')):
            result = self.hull("check", *args)
            self.assertEqual((result.returncode, result.stdout), (125, ""), args)
            self.assertEqual(result.stderr.count("\n"), 1)
            self.assertTrue(result.stderr.startswith("hull: "))
            self.assertIn(words, result.stderr)

    def test_a_full_output(self):
        # Also where something is to be warned of: nobody has read that.
        root = os.path.join(self.dir, "root")
        ksm = os.path.join(root, "sys/kernel/mm/ksm")
        os.makedirs(ksm)
        with open(os.path.join(ksm, "run"), "w", encoding="utf-8") as file:
            file.write("1")
        for args in (["--list"], ["--root", root], ["--root", root, "--json"], ["--root", root, "--only", "host.ksm"]):
            with open("/dev/full", "w", encoding="utf-8") as full:
                result = subprocess.run([HULL, "check", *args], env=self.env, stdout=full, stderr=subprocess.PIPE,
                                        timeout=DEADLINE, check=False)
            self.assertEqual(result.returncode, 125, args)
            self.assertRegex(result.stderr, rb"\Ahull: standard output: [^\n]+\n\Z")

    def test_help(self):
        for args in (["check", "--help"], ["check", "-h"], ["help", "check"]):
            result = self.hull(*args)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertTrue(result.stdout.startswith("Usage: hull check [OPTION]..."))

    def test_nothing_is_changed(self):
        # The filter is one.
        for argv in (["touch", os.path.join(self.dir, "a")], ["mkdir", os.path.join(self.dir, "b")]):
            result = subprocess.run(argv, preexec_fn=forbid_changes, timeout=DEADLINE, check=False)
            self.assertEqual(result.returncode, -signal.SIGSYS)
        for args in ([], ["--json"]):
            result = self.hull("check", *args, preexec_fn=forbid_changes)
            self.assertIn(result.returncode, (0, 1), result)
            self.assertEqual(result.stderr, "")
        # Not even a store is made.
        self.assertEqual(os.listdir(self.dir), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
