# SPDX-License-Identifier: Apache-2.0
"""hull-vmm alone: how guests end, what they see, Debian's kernel, bad arguments."""
import os
import re
import shlex
import signal

from guest import CMDLINE, debian_kernel, expect_end, said, start_vmm, vmm, vmm_args
from harness import (END_DEADLINE, KERNEL, LONG_DEADLINE, VMM, WorkDir, check, equal, file_text, finish, kill, match,
                     needs_root, read_until, run)

MIB = 1 << 20


def test_power_off():
    with WorkDir() as work:
        expect_end(vmm(work, "poweroff"), 0)


def test_reboot():
    with WorkDir() as work:
        expect_end(vmm(work, "reboot"), 16)


def test_reboot_by_keyboard_controller():
    with WorkDir() as work:
        expect_end(vmm(work, "reboot", cmdline=CMDLINE + " reboot=k"), 16)


def test_triple_fault():
    with WorkDir() as work:
        expect_end(vmm(work, "reboot", cmdline=CMDLINE + " reboot=t"), 17, "triple fault")


def test_panic():
    with WorkDir() as work:
        result = expect_end(vmm(work, "panic"), 18, "panicked")
        match("Kernel panic - not syncing: Attempted to kill init", result.out, "console")


def test_panic_without_acpi():
    # Nothing tells of pvpanic then; the kernel reboots after it, which must end the VM all the same.
    with WorkDir() as work:
        result = vmm(work, "panic", "--acpi", "off")
        check(result.code in (16, 17, 18), "exit code:", result)


def test_one_cpu():
    with WorkDir() as work:
        result = expect_end(vmm(work, "info"), 0)
        said(result, "cpus 1")
        said(result, "acpi yes")
        mib = int(said(result, r"memory (\d+) MiB").group(1))
        check(90 <= mib <= 128, "MiB of 128:", mib)


def test_four_cpus():
    with WorkDir() as work:
        said(expect_end(vmm(work, "info", "--cpus", "4"), 0), "cpus 4")


def test_without_acpi():
    with WorkDir() as work:
        disk = os.path.join(work, "disk")
        with open(disk, "wb") as file:
            file.truncate(MIB)
        # Power-off is ACPI's: a guest without it can only halt or reset.
        process = start_vmm(work, "info", "--acpi", "off", "--cpus", "2", "--disk", disk)
        out = read_until(process.stdout, "probe: disks").decode()
        out += read_until(process.stdout, "\n").decode()
        process.kill()
        finish(process)
        out = out.replace("\r", "")
        match("^probe: cpus 2$", out, "console")
        match("^probe: acpi no$", out, "console")
        match("^probe: disks vda$", out, "console")


def test_reboot_without_acpi():
    with WorkDir() as work:
        expect_end(vmm(work, "reboot", "--acpi", "off"), 16)


def test_memory_below_the_hole():
    with WorkDir() as work:
        result = expect_end(vmm(work, "memory", memory="1G"), 0)
        wrote, highest = map(int, said(result, r"wrote (\d+) MiB, highest at (\d+) MiB").groups())
        check(wrote > 750 and highest < 1024, result)


def test_debian_kernel_boots():
    kernel = debian_kernel()
    with WorkDir() as work:
        result = expect_end(vmm(work, "info", "--cpus", "2", kernel=kernel, memory="256M", timeout=LONG_DEADLINE), 0)
        said(result, "cpus 2")
        said(result, "acpi yes")


def test_debian_kernel_panics():
    kernel = debian_kernel()
    with WorkDir() as work:
        # Its pvpanic driver is a module that isn't loaded: the reset that follows a panic is what is seen.
        result = vmm(work, "panic", kernel=kernel, memory="256M", timeout=LONG_DEADLINE)
        check(result.code in (16, 17, 18), "exit code:", result)
        match("Kernel panic - not syncing", result.out, "console")


def test_terminated():
    with WorkDir() as work:
        path = os.path.join(work, "vsock")
        # In its jail it can't remove the socket; the next one takes it over.
        for options, left in ([], True), (["--no-jail"], False):
            process = start_vmm(work, "hang", "--vsock", f"cid=7,uds={path}", *options)
            read_until(process.stdout, "probe: hanging")
            kill(process.pid, signal.SIGTERM)
            equal(finish(process).code, 1, "exit code")
            equal(os.path.exists(path), left, "the socket is still there")


def test_what_is_granted():
    needs_root()
    with WorkDir() as work:
        # However its path is written, the guest's monitor sees the directory.
        within = os.path.join(work, "within")
        os.mkdir(within)
        for options in (["--vsock", f"cid=7,uds=/{work}/v"], ["--grant", "//" + work.lstrip("/")],
                        ["--grant", f"{within},rw", "--grant", work]):
            expect_end(vmm(work, "poweroff", *options), 0)
        expect_end(vmm(work, "poweroff", "--vsock", "cid=7,uds=/hull-test.sock"), 1, "socket can't be in the root")
        check(not os.path.exists("/hull-test.sock"), "the socket is still there")
        expect_end(vmm(work, "poweroff", "--grant", "/."), 1, "the root directory can't be granted")
        expect_end(vmm(work, "poweroff", "--grant", KERNEL), 1, "is not a directory")


def test_root_of_a_container():
    """It may have no right to be another user, to make namespaces, or the IDs for that."""
    needs_root()
    with WorkDir() as work:
        uids = ["--vsock", f"cid=7,uds={work}/v", "--log-level", "info"]
        stays = "the microVM stays user 0"
        for prefix, options, code, words in (
                (["setpriv", "--bounding-set", "-sys_admin"], [], 0, ["jailed as user 19000"]),
                (["setpriv", "--bounding-set", "-sys_admin"], ["--uid", "1000"], 0, ["jailed as user 1000,"]),
                (["setpriv", "--bounding-set", "-setuid"], [], 0, [stays, "jailed as user 0,"]),
                (["setpriv", "--bounding-set", "-setuid"], ["--uid", "1000"], 1, ["user ID 1000: Operation not permitted"]),
                (["setpriv", "--bounding-set", "-all"], [], 1, [stays, "with --jail-without userns it goes on"]),
                (["setpriv", "--bounding-set", "-all"], ["--jail-without", "userns"], 0, [stays, "jailed as user 0,"]),
                (["unshare", "--user", "--map-root-user"], [], 0, [stays, "jailed as user 0,"])):
            result = run(*prefix, *vmm_args(work, "poweroff", *uids, *options))
            equal(result.code, code, f"exit code of {prefix} {options}: {result}")
            for word in words:
                match(re.escape(word), result.err, "stderr")


def test_many_processes_without_a_user_namespace():
    """Those of the same user are nothing to the monitor."""
    needs_root()
    limit = "/proc/sys/user/max_user_namespaces"
    with WorkDir() as work:
        before = file_text(limit)
        mode = os.stat("/dev/kvm").st_mode
        args = shlex.join(vmm_args(work, "poweroff", "--jail-without", "userns"))
        script = f"echo 0 >{limit}; exec setpriv --reuid 1234 --regid 1234 --clear-groups sh -c \"$1\""
        many = f"for i in $(seq 80); do sleep 100 & all=\"$all $!\"; done; {args}; code=$?; kill $all; exit $code"
        os.chmod("/dev/kvm", 0o666)
        try:
            result = run("sh", "-c", script, "sh", many)
        finally:
            with open(limit, "w", encoding="ascii") as file:
                file.write(before)
            os.chmod("/dev/kvm", mode)
        equal(result.code, 0, f"exit code: {result}")


def test_events():
    with WorkDir() as work:
        reader, writer = os.pipe()
        process = start_vmm(work, "poweroff", "--events-fd", str(writer), pass_fds=(writer,))
        os.close(writer)
        with os.fdopen(reader, "r", encoding="utf-8") as file:
            lines = file.read().splitlines()
        finish(process).expect(0)
        phases = [line.split() for line in lines if line.startswith("phase ")]
        equal([phase[1] for phase in phases], ["start", "kvm", "memory", "devices", "kernel", "run"], "phases")
        times = [int(phase[2]) for phase in phases]
        equal(times, sorted(times), "times")
        times = [int(phase[3]) for phase in phases]
        check(0 < times[0] and times == sorted(times), "CPU times:", times)
        equal(lines[-1], "exit poweroff", "last line")


def bad(code, *options, error):
    result = run(VMM, *options, timeout=END_DEADLINE)
    check(result.out == b"", "expected nothing on stdout:", result)
    expect_end(result, code, error)


def test_bad_arguments():
    bad(153, "--no-api", error="--no-api needs")
    bad(153, "--kernel", KERNEL, "--no-such", error="--no-such")
    bad(153, "--kernel", KERNEL, "--cpus", "65", error="65")
    bad(153, "--kernel", KERNEL, "--memory", "much", error="much")
    bad(153, "--kernel", KERNEL, "--serial", "tape", error="tape")
    bad(153, "--kernel", KERNEL, "--vsock", "cid=2,uds=/x", error="2")
    bad(153, "--kernel", KERNEL, "extra", error="extra")


def test_bad_configuration():
    with WorkDir() as work:
        text = os.path.join(work, "text")
        with open(text, "w", encoding="utf-8") as file:
            file.write("no kernel\n" * 10000)
        bad(152, "--kernel", "/no/kernel", error="/no/kernel.*No such file")
        bad(152, "--kernel", text, error=text)
        bad(152, "--kernel", work, error="not a regular file")
        bad(152, "--kernel", KERNEL, "--initrd", "/no/initrd", error="/no/initrd")
        bad(152, "--kernel", KERNEL, "--disk", "/no/disk", error="/no/disk")
        bad(152, "--kernel", KERNEL, "--memory", "9999G", error="more than the host")
        bad(152, "--kernel", KERNEL, "--memory", "8M", error="memory")

