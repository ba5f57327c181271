# SPDX-License-Identifier: Apache-2.0
"""What the host lacks, bad kernels, guests that die or say nothing: one reason each, exit code 125."""
import os
import shutil
import time

from guest import stage_with
from harness import (BUSYBOX, END_DEADLINE, HULL, KERNEL, STAGE, WorkDir, check, equal, file_text, hull, match,
                     needs_root, run, tree)

OTHER_USER = "65534"


def in_mounts(script, *argv, **kwargs):
    """Run a program in a mount namespace of its own that a shell script has changed."""
    return run("unshare", "-m", "sh", "-e", "-c", script + '\nexec "$@"', "sh", *argv, **kwargs)


BARE_DEV = """
mount -t tmpfs dev /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/urandom c 1 9
"""


def test_kvm_absent():
    needs_root()
    in_mounts(BARE_DEV, HULL, "run", BUSYBOX, "true").expect_error(
        125, "/dev/kvm", "does not exist", by="hull-vmm")


def test_kvm_is_another_device():
    needs_root()
    in_mounts("mount --bind /dev/null /dev/kvm", HULL, "run", BUSYBOX, "true").expect_error(
        125, "/dev/kvm", "not a KVM device", by="hull-vmm")


def test_kvm_is_a_folder():
    needs_root()
    with WorkDir() as work:
        in_mounts(f"mount -t tmpfs dev {work}; cp -a /dev/null {work}/; mkdir {work}/kvm; mount --move {work} /dev",
                  HULL, "run", BUSYBOX, "true").expect_error(125, "/dev/kvm", by="hull-vmm")


def test_no_more_namespaces():
    needs_root()
    for kind in ("mnt", "net", "ipc", "uts", "cgroup", "pid"):
        limit = f"/proc/sys/user/max_{kind}_namespaces"
        before = file_text(limit)
        with open(limit, "w", encoding="ascii") as file:
            file.write("0")
        try:
            result = hull(BUSYBOX, "echo", "hi")
        finally:
            with open(limit, "w", encoding="ascii") as file:
                file.write(before)
        if kind == "pid":
            # It is not of the jail's layers.
            result.expect(0, "hi\n", "hull: warn: this host lets user 0 make no process ID namespace for the VM (No "
                          "space left on device): going on without\n")
        else:
            result.expect_error(125, r"new namespaces.*/proc/sys/user/max_", by="hull-vmm")


def as_other_user(work):
    """What a user without rights needs to run hull: programs, an image and a store that they can reach."""
    shutil.copytree(STAGE, os.path.join(work, "stage"))
    shutil.copytree(BUSYBOX, os.path.join(work, "image"))
    store = os.path.join(work, "store")
    os.mkdir(store)
    os.chown(store, int(OTHER_USER), int(OTHER_USER))
    argv = ["setpriv", "--reuid", OTHER_USER, "--regid", OTHER_USER, "--clear-groups",
            os.path.join(work, "stage", "bin", "hull"), "run", "--jail-without", "cgroup", os.path.join(work, "image")]
    return argv, {"HULL_STORE": store}


def test_kvm_not_permitted():
    needs_root()
    with WorkDir() as work:
        argv, env = as_other_user(work)
        run(*argv, "true", env=env).expect_error(125, "/dev/kvm", "not permitted", OTHER_USER, by="hull-vmm")
        # Its number is the host's, also in a user namespace, where it has another one.
        setpriv, stage = argv[:argv.index("--clear-groups") + 1], os.path.join(work, "stage")
        run(*setpriv, "unshare", "--user", "--map-root-user", os.path.join(stage, "bin", "hull-vmm"), "--kernel",
            os.path.join(stage, "lib", "hull", "vmlinux")).expect_error(
                1, f"/dev/kvm is not permitted to user {OTHER_USER} ", by="hull-vmm")


def test_ordinary_user_with_kvm():
    """No root is needed for anything but the right to use /dev/kvm."""
    needs_root()
    with WorkDir() as work:
        argv, env = as_other_user(work)
        gid = str(os.stat("/dev/kvm").st_gid)
        argv[argv.index("--clear-groups")] = "--groups=" + gid
        run(*argv, "id", "-u", env=env).expect(0, "0\n")


def test_kernel_missing():
    hull("--kernel", "/no/kernel", BUSYBOX, "true").expect_error(125, "/no/kernel", "No such file", by="hull-vmm")


def test_kernel_is_a_text_file():
    with WorkDir() as work:
        path = os.path.join(work, "kernel")
        with open(path, "w", encoding="utf-8") as file:
            file.write("this is no kernel\n" * 1000)
        hull("--kernel", path, BUSYBOX, "true").expect_error(125, path, by="hull-vmm")


def test_kernel_is_empty():
    with WorkDir() as work:
        path = os.path.join(work, "kernel")
        with open(path, "wb"):
            pass
        hull("--kernel", path, BUSYBOX, "true").expect_error(125, path, "empty", by="hull-vmm")


def test_kernel_is_cut_short():
    with WorkDir() as work:
        path = os.path.join(work, "kernel")
        with open(KERNEL, "rb") as whole:
            data = whole.read(3 << 20)
        for size in (40, 100, len(data)):
            with open(path, "wb") as file:
                file.write(data[:size])
            hull("--kernel", path, BUSYBOX, "true").expect_error(125, path, "cut short", by="hull-vmm")


def test_kernel_is_another_program():
    hull("--kernel", "/bin/true", BUSYBOX, "true").expect_error(125, "/bin/true", by="hull-vmm")


def test_memory_too_small():
    hull("--memory", "16M", BUSYBOX, "true").expect_error(125, "memory", "16M", "too small")


def test_memory_more_than_the_host_has():
    hull("--memory", "900G", BUSYBOX, "true").expect_error(125, "memory", "900G", "more than this host has")


def test_memory_malformed():
    hull("--memory", "lots", BUSYBOX, "true").expect_error(125, "memory", "lots")


def test_too_many_cpus():
    hull("--cpus", "65", BUSYBOX, "true").expect_error(125, "cpus", "65")


def test_guest_panic_shows_the_last_lines():
    with WorkDir() as work:
        begin = time.monotonic()
        result = run(stage_with(work, "panic"), "run", BUSYBOX, "true")
        equal((result.code, result.out), (125, b""), "exit code and stdout")
        match("hull-vmm: the guest's kernel panicked\n", result.err, "stderr")
        match("Kernel panic - not syncing: Attempted to kill init!", result.err, "stderr")
        check(result.err.count(b"\n") <= 27, "lines:", result.err.count(b"\n"))
        check(time.monotonic() - begin < END_DEADLINE, "took", time.monotonic() - begin, "s")


def test_guest_powers_off_early():
    with WorkDir() as work:
        result = run(stage_with(work, "poweroff"), "run", BUSYBOX, "true")
        equal((result.code, result.out), (125, b""), "exit code and stdout")
        match("powered off before the command ended", result.err, "stderr")


def test_no_contact():
    with WorkDir() as work:
        begin = time.monotonic()
        result = run(stage_with(work, "hang"), "run", "--start-timeout", "6", BUSYBOX, "true")
        took = time.monotonic() - begin
        equal((result.code, result.out), (125, b""), "exit code and stdout")
        match("no contact from the guest within 6 s", result.err, "stderr")
        match("probe: hanging", result.err, "stderr")
        check(6 <= took < END_DEADLINE, "took", took, "s")


def test_monitor_missing():
    with WorkDir() as work:
        program = stage_with(work, "poweroff")
        os.unlink(os.path.join(work, "stage", "bin", "hull-vmm"))
        run(program, "run", BUSYBOX, "true").expect_error(125, "hull-vmm", "No such file")


def test_initramfs_missing():
    with WorkDir() as work:
        program = stage_with(work, "poweroff")
        os.unlink(os.path.join(work, "stage", "lib", "hull", "initramfs"))
        run(program, "run", BUSYBOX, "true").expect_error(125, "initramfs", "No such file")


def test_out_of_memory_in_the_guest():
    # The command is what dies; hull itself tells its end as that of any other.
    result = hull("--memory", "64M", BUSYBOX, "sh", "-c", "tail /dev/zero")
    equal(result.code, 137, f"exit code, of {result}")


def test_failures_leave_nothing():
    with WorkDir() as work:
        before = tree("/run"), file_text("/proc/mounts")
        store = os.path.join(work, "store")
        env = {"HULL_STORE": store}
        run(HULL, "pull", BUSYBOX, env=env).expect(0)
        names = tree(store)
        hull("--kernel", "/no/kernel", "--disk", "64M", BUSYBOX, "true", env=env)
        hull("--disk", "64M", BUSYBOX, "no-such-command", env=env).expect_error(127, "no-such-command")
        equal({k for k in tree(store) if not k.startswith("locks/")}, {k for k in names if not k.startswith("locks/")},
              "names in the store")
        equal((tree("/run"), file_text("/proc/mounts")), before, "names in /run, mounts")

