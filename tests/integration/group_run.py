# SPDX-License-Identifier: Apache-2.0
"""hull run: output, exit codes, input, the end."""
from harness import BUSYBOX, DEBIAN, HULL, check, equal, finish, hull, match, read_until, run, start_hull


def sh(script, *options, **kwargs):
    """Run a script in the busybox image."""
    return hull(*options, BUSYBOX, "sh", "-c", script, **kwargs)


def test_output():
    hull(BUSYBOX, "echo", "hello", "two  words").expect(0, "hello two  words\n")


def test_stderr_apart_and_exit_code():
    sh("echo to-out; echo to-err >&2; exit 3").expect(3, "to-out\n", "to-err\n")


def test_debian_python():
    hull(DEBIAN, "python3", "-c", "import sys; print('python', sys.version_info[0])").expect(0, "python 3\n")


def test_command_of_the_image():
    hull("-i", BUSYBOX, stdin=b"echo from sh; exit 5\n").expect(5, "from sh\n", "")


def test_killed_by_kill():
    sh("kill -9 $$").expect(137, "", "")


def test_killed_by_abort():
    hull(DEBIAN, "python3", "-c", "import os; os.abort()").expect(134, "", "")


def test_command_not_found():
    hull(BUSYBOX, "no-such-command").expect_error(127, "no-such-command", "not found")


def test_command_not_there_by_path():
    hull(BUSYBOX, "/no/such/command").expect_error(127, "/no/such/command", "not found")


def test_command_not_executable():
    hull(BUSYBOX, "/etc/passwd").expect_error(126, "/etc/passwd", "[Pp]ermission")


def test_command_is_a_directory():
    hull(BUSYBOX, "/etc").expect_error(126, "/etc", "directory")


def test_bad_option():
    hull("--no-such-option", BUSYBOX, "true").expect_error(125, "no-such-option")


def test_no_image_given():
    hull().expect_error(125, "image")


def test_no_input_without_interactive():
    sh("cat; readlink /proc/self/fd/0", stdin=b"not for it").expect(0, "/dev/null\n")


def test_input_ends():
    sh("cat; echo end", "-i", stdin=b"some input\n").expect(0, "some input\nend\n")


def test_empty_input_ends():
    sh("wc -c", "-i", stdin=b"").expect(0, "0\n")


def test_orphans_are_reaped():
    sh("for i in 1 2 3 4 5; do (sleep 0.1 &); done; sleep 1; ps -o stat,comm | grep -c ^Z").expect(1, "0\n", "")


def test_background_process_does_not_hold_the_end():
    sh("sleep 1000 & sleep 1000 >/dev/null 2>&1 & echo done; exit 7").expect(7, "done\n", "")


def test_output_of_dying_children_arrives():
    # The command's last writes are in a pipe when it ends.
    sh("dd if=/dev/zero bs=1k count=60 2>/dev/null | tr '\\0' x").expect(0, b"x" * 61440)


def test_hull_help_and_version():
    for words in (("--help",), ("run", "--help"), ("help", "run")):
        result = run(HULL, *words)
        check(result.code == 0 and b"Usage" in result.out and result.err == b"", words, result)
    match(r"^hull \d+\.\d+\.\d+\n$", run(HULL, "--version").out, "version")


def test_two_containers_share_nothing():
    first = start_hull("-i", BUSYBOX, "sh", "-c", "echo secret >/tmp/file; touch /etc/mark; echo up; cat", stdin=-1)
    read_until(first.stdout, "up\n")
    sh("cat /tmp/file /etc/mark; ps -o comm | grep -c '^cat'; exit 0").expect(
        0, "0\n", "cat: can't open '/tmp/file': No such file or directory\n"
                  "cat: can't open '/etc/mark': No such file or directory\n")
    equal(finish(first).code, 0, "exit code of the first")


def test_output_closed_before_the_start():
    process = start_hull(BUSYBOX, "sh", "-c", "echo lost; exit 4")
    process.stdout.close()
    process.stdout = None
    result = finish(process)
    check(result.code in (4, 141), "exit code:", result)


def test_root_of_a_user_namespace():
    """It may make a process ID namespace for the monitor, but not come back from it; and there is no other user to be."""
    result = run("unshare", "--user", "--map-root-user", HULL, "run", BUSYBOX, "echo", "hi")
    equal((result.code, result.out), (0, b"hi\n"), f"end: {result}")
    match("the microVM stays user 0", result.err, "stderr")
