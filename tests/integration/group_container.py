# SPDX-License-Identifier: Apache-2.0
"""A container driven over the API: its start, streams, further commands, end; and what makes no sense."""
import contextlib
import hashlib
import io
import json
import os
import socket
import subprocess
import tarfile
import threading
import time

from api_client import Vmm, curl
from container_client import CMDLINE, INITRD, PATH, Stream, container, rootfs
from harness import (DEADLINE, END_DEADLINE, KERNEL, VMM, WorkDir, check, equal, finish, match, needs_root, run,
                     wait_for)


def test_a_command_runs():
    with container("sh", "-c", "hostname; id -u; echo to stderr >&2; exit 7") as vmm:
        equal(vmm.ok("GET", "/container")["state"], "created")
        with vmm.stream() as stream:
            vmm.ok("POST", "/container/start")
            equal(stream.frames(), (b"box\n0\n", b"to stderr\n"), "output")
        equal(vmm.ok("GET", "/container/wait"), {"exit_code": 7}, "end")
        state = vmm.ok("GET", "/container")
        equal((state["state"], state["exit_code"]), ("exited", 7), "state")
        times = state["timings_ns"]
        order = [times[name] for name in ("start", "kvm", "memory", "devices", "kernel", "run", "hello", "started",
                                          "ended")]
        check(order == sorted(order) and order[0], "timings:", times)
        times = state["timings_cpu_ns"]
        order = [times[name] for name in ("start", "kvm", "memory", "devices", "kernel", "run", "hello", "started",
                                          "ended")]
        check(order == sorted(order) and order[0], "CPU times:", times)
        with vmm.stream("logs", "tail=1") as stream:
            out, err = stream.frames()
            check((out, err) in ((b"0\n", b""), (b"", b"to stderr\n")), "last line:", out, err)
        vmm.power_off()


def test_input_and_its_end():
    data = os.urandom(3 << 20)
    with container("sha256sum", stdin=True, log_size=0) as vmm:
        with vmm.stream(query="stdin=1&raw=1") as stdin, vmm.stream(query="stdout=1&raw=1") as stdout:
            vmm.ok("POST", "/container/start")
            stdin.send(data)
            stdin.end()
            equal(stdout.read(), hashlib.sha256(data).hexdigest().encode() + b"  -\n", "checksum")
        equal(vmm.ok("GET", "/container/wait"), {"exit_code": 0}, "end")


def test_much_output_to_a_slow_client():
    with container("sh", "-c", "head -c 3000000 /dev/zero | tee /dev/stderr | sha256sum >/dev/null; head -c 3000000 "
                               "/dev/zero") as vmm:
        with vmm.stream() as stream:
            vmm.ok("POST", "/container/start")
            out, err = stream.frames()
            equal((len(out), len(err)), (3000000, 3000000), "lengths")


def test_a_client_that_leaves():
    with container("sh", "-c", "trap 'exit 9' PIPE; while :; do echo y; done", log_size=0) as vmm:
        with vmm.stream(query="stdout=1&raw=1") as stream:
            vmm.ok("POST", "/container/start")
            stream.socket.recv(100)
        # The shell's trap, or its builtin's failure.
        check(vmm.ok("GET", "/container/wait")["exit_code"] in (1, 9, 141), "it wasn't told")


def test_signals():
    with container("sh", "-c", "trap 'echo hup; exit 3' HUP; echo ready; while :; do sleep 0.1; done") as vmm:
        with vmm.stream() as stream:
            vmm.ok("POST", "/container/start")
            stream.socket.recv(8)
            equal(stream.socket.recv(6), b"ready\n", "output")
            vmm.fault("'SIGFOO' is not a signal", "POST", "/container/kill", {"signal": "SIGFOO"})
            vmm.fault("is not a signal", "POST", "/container/kill", {"signal": 65})
            vmm.ok("POST", "/container/kill", {"signal": "HUP"})
            equal(stream.frames()[0], b"hup\n", "output")
        equal(vmm.ok("GET", "/container/wait"), {"exit_code": 3}, "end")
        vmm.fault("isn't running", "POST", "/container/kill")


def test_killed():
    with container("sleep", "1000") as vmm:
        answers = []
        waiters = [threading.Thread(target=lambda: answers.append(vmm.ok("GET", "/container/wait"))) for _ in range(4)]
        for thread in waiters:
            thread.start()
        vmm.ok("POST", "/container/start")
        vmm.fault("started already", "POST", "/container/start")
        vmm.ok("POST", "/container/kill")
        for thread in waiters:
            thread.join(DEADLINE)
        equal(answers, [{"exit_code": 137, "signal": 9}] * 4, "ends")


def test_a_terminal():
    with container("sh", terminal=True, stdin=True, consoleSize={"height": 33, "width": 44}) as vmm:
        with vmm.stream(query="stdin=1&stdout=1") as stream:
            vmm.ok("POST", "/container/start")
            stream.send(b"stty size; tty\n")
            seen = b""
            while b"/dev/pts/" not in seen:
                seen += stream.socket.recv(4096)
            match("33 44", seen, "terminal")
            vmm.ok("POST", "/container/resize", {"height": 50, "width": 60})
            stream.send(b"stty size; exit 5\n")
            match("50 60", stream.read(), "terminal")
        equal(vmm.ok("GET", "/container/wait"), {"exit_code": 5}, "end")


def test_what_cannot_start():
    for args, code, message in ((["nothing"], 127, "not found"), (["/etc"], 126, "directory")):
        with container(*args) as vmm:
            vmm.fault(message, "POST", "/container/start")
            state = vmm.ok("GET", "/container")
            equal((state["state"], state["exit_code"]), ("failed", code), "state")
            match(message, state["error"], "error")
            equal(vmm.ok("GET", "/container/wait")["exit_code"], code, "exit code")


def test_logs():
    with container("sh", "-c", "for i in 1 2 3; do echo out $i; echo err $i >&2; done; head -c 200000 /dev/zero | "
                               "tr '\\0' x; echo; echo last") as vmm:
        vmm.ok("POST", "/container/start")
        vmm.ok("GET", "/container/wait")
        with vmm.stream("logs", "follow=1") as stream:
            out, err = stream.frames()
        check(out.endswith(b"xx\nlast\n") and len(out) <= 1 << 16, "kept:", len(out))
        equal(err, b"", "stderr, long gone")
        with vmm.stream("logs", "tail=1&stdout=1&timestamps=1") as stream:
            match(r"^20[0-9-]+T[0-9:.]+Z last\n$", stream.frames()[0].decode(), "last line")
        with vmm.stream("logs", "since=4000000000") as stream:
            equal(stream.frames(), (b"", b""), "logs of the future")


def test_bad_containers():
    with WorkDir() as work, Vmm(work) as vmm:
        good = {"rootfs": {"drive_id": "image"}, "process": {"args": ["sh"]}}

        def bad(pattern, **change):
            vmm.fault(pattern, "PUT", "/container", {**good, **change})

        vmm.fault("there is none", "GET", "/container")
        vmm.fault("there is none", "GET", "/container/wait")
        bad("'args' is empty", process={"args": []})
        bad("'args' is missing", process={})
        bad("element 1 is not a string", process={"args": ["sh", 1]})
        bad("not an absolute path", process={"args": ["sh"], "cwd": "tmp"})
        bad("'CAP_ALL' is not", process={"args": ["sh"], "capabilities": ["CAP_ALL"]})
        bad("RLIMIT_NOFILE is given twice", process={"args": ["sh"], "rlimits": [
            {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1}] * 2})
        bad("soft 2 is more than hard 1", process={"args": ["sh"], "rlimits": [
            {"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}]})
        bad("'writable_drive_id' goes with", rootfs={"drive_id": "image", "writable": "disk"})
        bad("'drive_id' goes with", mounts=[{"destination": "/x", "type": "ext4"}])
        bad("not an absolute path", mounts=[{"destination": "x", "type": "tmpfs"}])
        bad("'pids_limit'", pids_limit=0)
        bad("'pids_limit'", pids_limit=4194305)
        bad("'unknown'", unknown=1)
        bad("out of its range", hostname="bad name")
        bad("is not an address", network={"interfaces": [{"mac": "02:00:00:00:00:01", "addresses": ["1.2.3/8"]}]})
        bad("is not a MAC", network={"interfaces": [{"mac": "02:00:00:00:00"}]})
        vmm.ok("PUT", "/container", good)
        vmm.ok("PUT", "/container", good)
        vmm.fault("only possible after", "POST", "/container/start")
        vmm.fault("none of stdin, stdout and stderr", "POST", "/container/attach")
        vmm.fault("takes no input", "POST", "/container/attach?stdin=1")
        vmm.fault("'raw' is for one", "POST", "/container/attach?stdout=1&stderr=1&raw=1")
        vmm.fault("there is no 'foo'", "POST", "/container/attach?foo=1")
        vmm.fault("given twice", "POST", "/container/attach?stdout=1&stdout=1")
        vmm.fault("not a value of stdout", "POST", "/container/attach?stdout=2")
        vmm.boot_source("poweroff")
        vmm.fault("there is no drive 'image'", "PUT", "/actions", {"action_type": "InstanceStart"})


def test_the_guest_ends():
    with container("sleep", "1000") as vmm:
        vmm.ok("POST", "/container/start")
        vmm.power_off()
        equal(finish(vmm.process).code, 0, "exit code")


LOOP = ("sh", "-c", "echo up; while :; do sleep 0.1; done")


@contextlib.contextmanager
def running(*args, **process):
    with container(*(args or LOOP), **process) as vmm:
        vmm.ok("POST", "/container/start")
        yield vmm


def test_further_commands():
    with running() as vmm:
        path = vmm.exec("sh", "-c", "hostname; cat; echo err >&2; exit 4", stdin=True)
        equal(vmm.ok("GET", path)["state"], "created")
        with vmm.stream(query="stdin=1&stdout=1&stderr=1", command=path) as stream:
            vmm.ok("POST", path + "/start")
            stream.send(b"input\n")
            stream.end()
            equal(stream.frames(), (b"box\ninput\n", b"err\n"), "output")
        equal(vmm.ok("GET", path + "/wait"), {"exit_code": 4}, "end")
        vmm.fault("started already", "POST", path + "/start")

        path = vmm.exec("nothing")
        vmm.fault("not found", "POST", path + "/start")
        equal(vmm.ok("GET", path)["exit_code"], 127, "exit code")

        path = vmm.exec("sh", "-c", "stty size; kill -9 $$", terminal=True, consoleSize={"height": 11, "width": 12})
        with vmm.stream(query="stdout=1", command=path) as stream:
            vmm.ok("POST", path + "/start")
            match("11 12", stream.read(), "terminal")
        equal(vmm.ok("GET", path + "/wait"), {"exit_code": 137, "signal": 9}, "end")

        path = vmm.exec("sleep", "1000")
        vmm.ok("POST", path + "/start")
        vmm.ok("POST", path + "/kill", {"signal": 15})
        equal(vmm.ok("GET", path + "/wait"), {"exit_code": 143, "signal": 15}, "end")
        for bad in ("77", "x", "0", "99999999999999999999"):
            vmm.fault("there is no command", "GET", "/container/exec/" + bad)
        vmm.fault("is not an id", "POST", "/container/exec/../start")
        vmm.fault("'args' is empty", "POST", "/container/exec", {"args": []})


def test_many_commands():
    with running() as vmm:
        paths = [vmm.exec("sleep", "1000") for _ in range(56)]
        vmm.fault("56 further commands", "POST", "/container/exec", {"args": ["true"]})
        for path in paths:
            vmm.ok("POST", path + "/start")
        vmm.ok("POST", paths[0] + "/kill")
        vmm.ok("GET", paths[0] + "/wait")
        path = vmm.exec("echo", "one more")
        with vmm.stream(command=path) as stream:
            vmm.ok("POST", path + "/start")
            equal(stream.frames()[0], b"one more\n", "output")
        # The container's end is that of all.
        vmm.ok("POST", "/container/kill")
        equal(vmm.ok("GET", "/container/wait"), {"exit_code": 137, "signal": 9}, "end")
        equal(vmm.ok("GET", paths[1] + "/wait"), {"exit_code": 137, "signal": 9}, "end of another")
        vmm.fault("isn't running", "POST", "/container/exec", {"args": ["true"]})


def test_pause_and_stats():
    with running("sh", "-c", "while :; do echo x; sleep 0.05; done") as vmm:
        stats = vmm.ok("GET", "/container/stats")
        check(stats["pids"] >= 2 and stats["memory"]["usage_bytes"] > 0 and stats["cpu"]["usage_us"] > 0, stats)
        check(stats["host"]["resident_bytes"] > 1 << 20, stats)
        vmm.fault("not paused already", "POST", "/container/unpause")
        vmm.ok("POST", "/container/pause")
        vmm.fault("paused already", "POST", "/container/pause")
        equal(vmm.ok("GET", "/container")["state"], "paused", "state")
        with vmm.stream(query="stdout=1&raw=1") as stream:
            # What had left it before may still come.
            stream.socket.settimeout(2)
            try:
                while stream.socket.recv(100):
                    pass
            except TimeoutError:
                pass
            stream.socket.settimeout(DEADLINE)
            vmm.ok("POST", "/container/unpause")
            check(stream.socket.recv(1) == b"x", "it didn't go on")
        vmm.ok("POST", "/container/kill")


def test_a_container_in_a_file():
    with WorkDir() as work:
        config = os.path.join(work, "config.json")

        def write(**process):
            with open(config, "w", encoding="ascii") as file:
                json.dump({
                    "boot-source": {"kernel_image_path": KERNEL, "initrd_path": INITRD, "boot_args": CMDLINE},
                    "drives": [{"drive_id": "image", "path_on_host": rootfs(), "is_root_device": False,
                                "is_read_only": True}],
                    "container": {"rootfs": {"drive_id": "image"}, "process": {"env": [PATH], **process}},
                }, file)

        write(args=["sh", "-c", "echo hello; exit 5"])
        with Vmm(work, "--config-file", config) as vmm:
            equal(vmm.ok("GET", "/container/wait"), {"exit_code": 5}, "end")
            with Stream(vmm.sock, "GET", "/container/logs") as stream:
                equal(stream.frames(), (b"hello\n", b""), "output")
            vmm.fault("started already", "POST", "/container/start")
            vmm.ok("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
            equal(vmm.process.wait(END_DEADLINE), 0, "exit code")
        write(args=["nothing"])
        with Vmm(work, "--config-file", config) as vmm:
            equal(vmm.ok("GET", "/container/wait")["exit_code"], 127, "exit code")
            match("not found", vmm.ok("GET", "/container")["error"], "error")
        write(args=[])
        run(VMM, "--no-api", "--config-file", config).expect_error(152, "'args' is empty", by="hull-vmm")


TREE = ("mkdir -p /tree/dir/empty; cd /tree; echo content > dir/file; ln -s ../file dir/link; ln dir/file hard; "
        "chmod 4711 dir/file; chmod 750 dir; head -c 20000000 /dev/urandom > big; : > none; touch -d '2001-02-03 04:05:06' dir/empty")
LOOK = "cd {}; find . | sort | xargs stat -c '%n %f %u %g %h %Y'; find . -type f | sort | xargs sha256sum; readlink dir/link"


def output(vmm, script):
    path = vmm.exec("sh", "-c", script)
    with vmm.stream(command=path) as stream:
        vmm.ok("POST", path + "/start")
        out, err = stream.frames()
    equal((vmm.ok("GET", path + "/wait"), err), ({"exit_code": 0}, b""), script)
    return out.decode()


def upload(vmm, *args):
    """PUT by curl; return the status and what was answered."""
    result = curl(vmm, "-w", "\n%{http_code}", *args, f"http://localhost/container/archive?path={vmm.into}").expect(0)
    body, status = result.out.decode().rsplit("\n", 1)
    return int(status), body


def test_archives():
    """A tree comes out, goes in again, and is the same, by each way that curl has."""
    with running(log_size=0) as vmm:
        output(vmm, TREE)
        expected = output(vmm, LOOK.format("/tree"))
        file = os.path.join(vmm.work, "tree.tar")
        curl(vmm, "-f", "-o", file, "http://localhost/container/archive?path=/tree").expect(0)
        with tarfile.open(file) as tar:
            names = {member.name: member for member in tar}
            digest = hashlib.sha256(tar.extractfile("tree/big").read()).hexdigest()
        check(f"{digest}  ./big\n" in expected, "big:", digest, expected)
        check(names["tree/dir/file"].mode == 0o4711 and names["tree/dir/link"].linkname == "../file", names)
        check(names["tree/hard"].islnk() or names["tree/dir/file"].islnk(), "no hard link:", names)
        for way in ("-T", file), ("-T", file, "-H", "Transfer-Encoding: chunked"), ("--data-binary", "@" + file, "-X", "PUT"):
            output(vmm, "rm -rf /copy; mkdir /copy")
            vmm.into = "/copy"
            equal(upload(vmm, *way), (204, ""), "answer")
            equal(output(vmm, LOOK.format("/copy/tree")), expected, f"the tree by {way}")
        # From standard input, whose length nobody knows.
        output(vmm, "rm -rf /copy; mkdir /copy")
        with open(file, "rb") as stdin:
            result = subprocess.run(["curl", "-sSf", "--unix-socket", vmm.sock, "-T", "-",
                                     "http://localhost/container/archive?path=/copy"], stdin=stdin, timeout=END_DEADLINE,
                                    check=False, capture_output=True)
        equal((result.returncode, result.stderr), (0, b""), "curl")
        equal(output(vmm, LOOK.format("/copy/tree")), expected, "the tree from standard input")
        # One file, and in a frozen container.
        vmm.ok("POST", "/container/pause")
        result = curl(vmm, "-f", "http://localhost/container/archive?path=/tree/dir/file").expect(0)
        with tarfile.open(fileobj=io.BytesIO(result.out)) as tar:
            equal([(member.name, tar.extractfile(member).read()) for member in tar], [("file", b"content\n")], "one file")
        vmm.ok("POST", "/container/unpause")


def empty_tar(size=10240):
    return b"\0" * size


def test_archives_that_fail():
    with running(log_size=0) as vmm:
        for path, status, pattern in (("/none", 404, "/none"), ("/etc/passwd/x", 404, "passwd"), ("", 400, "absolute"),
                                      ("tmp", 400, "absolute")):
            got, answer = vmm.request("GET", "/container/archive?path=" + path)
            equal(got, status, f"status of {path}")
            match(pattern, answer["fault_message"], "fault")
            vmm.into = path
            file = os.path.join(vmm.work, "empty.tar")
            with open(file, "wb") as tar:
                tar.write(empty_tar())
            got, answer = upload(vmm, "-T", file)
            equal(got, status, f"status of PUT to {path}")
            match(pattern, json.loads(answer)["fault_message"], "fault")
        vmm.fault("'path' is missing", "GET", "/container/archive")
        vmm.fault("there is no 'x'", "GET", "/container/archive?path=/&x=1")
        vmm.into = "/etc/passwd"
        equal(upload(vmm, "-T", file)[0], 404, "status of PUT into a file")
        # Nonsense of 50 MB: the answer comes before the end of it.
        with open(file, "wb") as tar:
            for _ in range(50):
                tar.write(os.urandom(1 << 20))
        vmm.into = "/tmp"
        got, answer = upload(vmm, "-T", file)
        equal(got, 400, "status of PUT of nonsense: " + answer)
        equal(output(vmm, "echo still here"), "still here\n", "output")


def descriptors(vmm):
    return len(os.listdir(f"/proc/{vmm.process.pid}/fd"))


def descriptors_at_rest(vmm):
    """As above, when the connections of requests that have been answered are closed."""
    counts = [descriptors(vmm)]
    while len(counts) < 10 or len(set(counts[-10:])) > 1:
        time.sleep(0.05)
        counts.append(descriptors(vmm))
    return counts[-1]


def test_archives_whose_client_leaves():
    needs_root()
    with running(log_size=0) as vmm:
        output(vmm, "mkdir /tree; head -c 50000000 /dev/urandom > /tree/big")
        before = descriptors_at_rest(vmm)
        for _ in range(6):
            with Stream(vmm.sock, "GET", "/container/archive?path=/tree") as stream:
                equal(stream.status, 200, "status")
                stream.socket.recv(100000)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(vmm.sock)
                client.sendall(b"PUT /container/archive?path=/tmp HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" +
                               empty_tar(100000))
        wait_for(lambda: descriptors(vmm) == before, "its descriptors")
        # All places are free.
        equal(vmm.request("GET", "/container/archive?path=/etc/none")[0], 404, "status")


def test_archives_and_the_end():
    """A container that ends midway ends them; a client that waits is told."""
    with running(log_size=0) as vmm:
        output(vmm, "mkdir /tree; head -c 50000000 /dev/urandom > /tree/big")
        with Stream(vmm.sock, "GET", "/container/archive?path=/tree") as out, socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(vmm.sock)
            client.sendall(b"PUT /container/archive?path=/tmp HTTP/1.1\r\nContent-Length: 1000000\r\n"
                           b"Expect: 100-continue\r\n\r\n")
            match("^HTTP/1.1 100 ", client.recv(100).decode(), "interim answer")
            vmm.ok("POST", "/container/kill")
            vmm.ok("GET", "/container/wait")
            match("^HTTP/1.1 400 .*it has ended", client.recv(10000).decode().replace("\r\n", " "), "answer")
            check(not out.read().endswith(b"\r\n0\r\n\r\n"), "the archive seems to be whole")
        vmm.fault("isn't running", "GET", "/container/archive?path=/")
