# SPDX-License-Identifier: Apache-2.0
"""Containers of an ordinary user, whose monitors are somebody else; for "rootless@user"."""
import os
import signal
import socket

from harness import (BUSYBOX, DEADLINE, SUBIDS, TOP, USER, check, descendants, equal, file_text, finish, hull, kill, match,
                     monitor_of, processes, read_until, start_hull, wait_for)

TOOLS = os.path.join(TOP, "build", "images", "tools")
RANGE = range(SUBIDS, SUBIDS + 65536)


def start(*options, env=None):
    process = start_hull(*options, BUSYBOX, "sh", "-c", "echo ready; exec sleep 1000", env=env)
    read_until(process.stdout, "ready")
    return process, monitor_of(process)


def ids(pid):
    """Real, effective, saved and file system IDs must be the same. Return the user's, the group's and the groups."""
    status = file_text(f"/proc/{pid}/status")
    user, group = (set(match(rf"^{word}:\s+([^\n]*)$", status).group(1).split()) for word in ("Uid", "Gid"))
    equal((len(user), len(group)), (1, 1), "numbers of IDs")
    return int(user.pop()), int(group.pop()), match(r"^Groups:([^\n]*)$", status).group(1).split()


def end(process):
    kill(process.pid, signal.SIGKILL)
    finish(process)


def test_each_vm_is_somebody_else():
    one, its = start()
    two, others = start()
    users = [ids(its), ids(others)]
    for user, group, groups in users:
        check(user in RANGE and group in RANGE, "IDs", user, group)
        equal(groups, [], "groups")
    check(users[0][0] != users[1][0], "both VMs are user", users[0][0])
    # And hull stays who it was.
    equal(ids(one.pid)[0], USER, "hull's user")
    end(one)
    end(two)


def test_it_is_the_first_of_its_process_ids():
    process, monitor = start()
    equal(match(r"^NSpid:\s+([^\n]*)$", file_text(f"/proc/{monitor}/status")).group(1).split()[1:], ["1"], "NSpid")
    end(process)


def test_nothing_is_left_of_it():
    process, monitor = start()
    below = descendants(process.pid)
    check(monitor in below, "the monitor isn't below hull:", below)
    end(process)
    # Zombies are orphans that this process hasn't waited for yet.
    wait_for(lambda: all(processes().get(pid, (0, "Z"))[1] == "Z" for pid in below), "the end of all")


def test_who_has_no_newuidmap_stays_the_user():
    """They are looked for in PATH; hull-vmm and the rest are beside hull."""
    process, monitor = start(env={"PATH": "/nowhere"})
    equal(ids(monitor)[0], USER, "the monitor's user")
    end(process)


def test_without_user_namespaces_as_asked():
    process, monitor = start("--jail-without", "userns")
    equal(ids(monitor)[0], USER, "the monitor's user")
    end(process)
    hull("--no-jail", BUSYBOX, "id", "-u").expect(0, "0\n")


def test_a_network_by_passt():
    serve = """socat TCP-LISTEN:80,fork,reuseaddr PIPE &
        until grep -q ' 00000000:0050 .* 0A ' /proc/net/tcp; do sleep 0.1; done; echo up; wait"""
    process = start_hull("--network", "passt", "-p", "5080:80", TOOLS, "sh", "-c", serve)
    read_until(process.stdout, "up\n")
    equal(ids(monitor_of(process))[2], [], "the monitor's groups")
    with socket.create_connection(("127.0.0.1", 5080), DEADLINE) as client:
        client.sendall(b"over TCP")
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as answer:
            equal(answer.read(), b"over TCP", "echo")
    end(process)
