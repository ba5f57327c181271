# SPDX-License-Identifier: Apache-2.0
"""The machine and the container as the command sees them. Most of it is asked in one container."""
import functools

from harness import BUSYBOX, check, equal, hull, match

VIEW = """
section() { echo "=== $1"; }
section status; cat /proc/self/status
section ps; ps -o pid,ppid,comm
section pid1; cat /proc/1/comm; ls -l /proc/1/exe 2>&1
section mounts; cat /proc/self/mounts
section dev; ls -l /dev
section devtest; for d in null zero full random urandom tty; do [ -c /dev/$d ] && echo $d; done
section fds; ls -l /dev/fd/ | grep -v -e /proc -e total | wc -l
section cgroup; cat /proc/self/cgroup
section masked; for f in /proc/kcore /proc/keys /proc/timer_list; do [ -e $f ] && wc -c <$f; done; ls /sys/firmware
section sysrq; echo b >/proc/sysrq-trigger; echo "exit $?"
section sysctl; echo 1 >/proc/sys/kernel/panic; echo "exit $?"
section sys; mkdir /sys/fs/cgroup/x; mount -o remount,rw /sys; echo "exit $?"
section host; ls /; ls -d /work /build /image /upper /dev/vda 2>&1
section uname; uname -srm
section lo; ip addr show lo 2>&1 | grep inet
section limits; ulimit -n; ulimit -Hn
section umask; umask
section raw; cat /dev/vda 2>&1 | wc -c
"""


@functools.lru_cache(maxsize=None)
def view():
    """One container's answers to many questions: {section: text}."""
    result = hull(BUSYBOX, "sh", "-c", VIEW)
    equal(result.code, 0, "exit code")
    sections = {}
    for part in result.out.decode().split("=== ")[1:]:
        name, text = part.split("\n", 1)
        sections[name] = text
    sections["stderr"] = result.err.decode()
    return sections


def test_view_capabilities():
    status = dict(line.split(":\t", 1) for line in view()["status"].splitlines() if ":\t" in line)
    docker = "00000000a80425fb"
    for name in ("CapPrm", "CapEff", "CapBnd"):
        equal(status[name], docker, name)
    for name in ("CapInh", "CapAmb"):
        equal(status[name], "0000000000000000", name)


def test_view_processes():
    rows = [line.split() for line in view()["ps"].splitlines()[1:]]
    pids = {int(row[0]): row for row in rows}
    check(1 in pids and len(pids) == 3, "expected pid 1, sh and ps:", rows)
    check("busybox" not in view()["pid1"], "pid 1 is the command's:", view()["pid1"])


def test_view_mounts():
    mounts = {}
    for line in view()["mounts"].splitlines():
        _, target, kind, options = line.split()[:4]
        mounts[target] = (kind, options.split(","))
    expected = {"/": "overlay", "/proc": "proc", "/dev": "tmpfs", "/dev/pts": "devpts", "/dev/shm": "tmpfs",
                "/dev/mqueue": "mqueue", "/sys": "sysfs", "/sys/fs/cgroup": "cgroup2"}
    for target, kind in expected.items():
        check(target in mounts, target, "is not mounted:", mounts)
        equal(mounts[target][0], kind, "file system on " + target)
    for target in ("/sys", "/sys/fs/cgroup", "/proc/sys", "/proc/bus"):
        check("ro" in mounts[target][1], target, "is writable:", mounts[target])
    for target in ("/proc", "/sys", "/dev/shm"):
        check({"nosuid", "nodev", "noexec"} <= set(mounts[target][1]), target, mounts[target])
    check(not [t for t in mounts if t.startswith(("/image", "/upper", "/disk"))], "PID 1's mounts show:", mounts)


def test_view_devices():
    equal(view()["devtest"].split(), ["null", "zero", "full", "random", "urandom", "tty"], "device nodes")
    names = {line.split()[-1] for line in view()["dev"].splitlines() if not line.startswith(("l", "total"))}
    names |= {line.split()[8] for line in view()["dev"].splitlines() if line.startswith("l")}
    equal(names, {"core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
                  "tty", "urandom", "zero"}, "/dev")


def test_view_masked_paths():
    equal(set(view()["masked"].split()) or {"0"}, {"0"}, "sizes of masked files, names in masked folders")


def test_view_kernel_settings_are_read_only():
    for section in ("sysrq", "sysctl", "sys"):
        check("exit 0" not in view()[section], section, "is writable")


def test_view_cgroup():
    equal(view()["cgroup"], "0::/\n", "own cgroup")


def test_view_no_host():
    root = view()["host"].split("ls: ")[0].split()
    equal(set(root) - {"bin", "dev", "etc", "home", "linuxrc", "proc", "root", "sbin", "sys", "tmp", "usr", "var"}, set(),
          "names in / that the image doesn't have")
    check("/dev/vda\n" not in view()["host"], "the image's disk is in /dev")
    equal(view()["raw"].strip(), str(len("cat: can't open '/dev/vda': No such file or directory\n")), "raw disk")


def test_view_kernel():
    match(r"^Linux 6\.12\S*-hull\S* x86_64$", view()["uname"], "uname")


def test_view_loopback():
    match(r"inet 127\.0\.0\.1/8", view()["lo"], "loopback")


def test_view_limits():
    equal(view()["limits"].split(), ["1024", "524288"], "open files")
    equal(view()["umask"].strip(), "0022", "umask")
