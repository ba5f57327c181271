#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for a monitor: serves as much of the API as hull-bench asks for. The variable FAKE has words for what it
does wrong."""
import json
import os
import socket
import sys
import threading
import time

FAKE = os.environ.get("FAKE", "").split()
STATE = {"state": "Not started"}
COMMANDS, LEAKED = [], []
STARTED = threading.Event()


def size_of(words):
    """Of the output of dd, whose words may be those of a shell."""
    found = dict(word.split("=") for word in words.split() if "=" in word)
    return int(found.get("bs", 0)) * int(found.get("count", 0))


def output(words):
    return b"x" * (size_of(words) - (1 if "short" in FAKE else 0))


def answer(connection, status, body=None):
    data = b"" if body is None else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\n" + (f"Content-Length: {len(data)}\r\n" if data else "")
    connection.sendall(head.encode() + b"\r\n" + data)


def own_connection():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(STATE["uds"] + "_5000")
        data = output(" ".join(COMMANDS[-1]))
        client.sendall(data[:1])
        # So that the attached client is faster on any machine.
        time.sleep(0.5)
        client.sendall(data[1:])


def serve(connection, method, target, body):
    """Answer a request; return False where the connection has left HTTP."""
    with open(os.environ["TURNS"] + ".requests", "a", encoding="utf-8") as file:
        file.write(f"{method} {target} {json.dumps(body)}\n")
    if "mute" in FAKE or ("hang" in FAKE and target.endswith("/wait")):
        time.sleep(100)
    if body == {"action_type": "InstanceStart"}:
        if "refuses" in FAKE:
            answer(connection, "400 Bad Request", {"fault_message": "no KVM"})
            return True
        STATE["state"] = "Not started" if "lies" in FAKE else "Running"
    if method == "GET" and target == "/":
        answer(connection, "200 OK", {"id": "fake", "state": STATE["state"]})
    elif target == "/container/exec":
        COMMANDS.append(body["args"])
        STARTED.clear()
        answer(connection, "200 OK", {"id": str(len(COMMANDS))})
    elif target.endswith("/wait"):
        answer(connection, "200 OK", {"exit_code": 3 if "fails" in FAKE else 0})
    elif "/attach?" in target:
        connection.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        STARTED.wait()
        connection.sendall(output(" ".join(COMMANDS[-1])))
        connection.close()
        return False
    else:
        if target == "/vsock":
            STATE["uds"] = body["uds_path"]
        answer(connection, "204 No Content")
        if target.endswith("/start") and COMMANDS:
            STARTED.set()
            if COMMANDS[-1][0] == "sh":
                threading.Thread(target=own_connection, daemon=True).start()
    return True


def follow(connection):
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = connection.recv(4096)
            if not more:
                connection.close()
                return
            data += more
        head, data = data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        length = next((int(line.split(":")[1]) for line in lines if line.startswith("Content-Length")), 0)
        while len(data) < length:
            data += connection.recv(4096)
        body, data = data[:length], data[length:]
        if not serve(connection, *lines[0].split()[:2], json.loads(body) if body else None):
            return


def main():
    if "--version" in sys.argv:
        print("fake 1.2.3")
        return
    with open(os.environ["TURNS"], "a", encoding="utf-8") as file:
        file.write(os.path.basename(sys.argv[0]) + "\n")
    with open(os.environ["TURNS"] + ".cpus", "w", encoding="utf-8") as file:
        json.dump(sorted(os.sched_getaffinity(0)), file)
    if "ends" in FAKE:
        sys.exit("out of order")
    if "absent" in FAKE:
        time.sleep(100)
    server = socket.socket(socket.AF_UNIX)
    server.bind(sys.argv[sys.argv.index("--api-sock") + 1])
    server.listen(128)
    while True:
        connection = server.accept()[0]
        if "leaks" in FAKE:
            LEAKED.append(os.dup(connection.fileno()))
        threading.Thread(target=follow, args=[connection], daemon=True).start()


main()
