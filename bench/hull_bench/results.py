# SPDX-License-Identifier: Apache-2.0
"""Results as JSON: the schema, reading, writing.

  schema, version   "hull-bench", 1
  command           that measured: "boot", ...
  arguments         [word] of hull-bench's command line
  time              of its start, ISO 8601, UTC
  machine           of machine.describe(): mode, cpu, cpus, memory_mib, kernel, commit, fingerprint, ...
  metrics           {name: {"label", "unit", "better": "less" or "more"}}, in the order of the table
  peers             {name: {"version", "workload", "command": [word]}}; first the one that others are compared with
  skipped           {name: why}
  runs              [{"peer", "round", "failed": null or why, "values": {metric: number}, "phases": [...], "x"}]
  runs[].phases     [{"phase", "at_us": since exec, "cpu_us": all processes' by then, or null}] in order of time
  exits             {peer: [["exit", reason, count], ["port" or "address", which, count]]} of one run each, if asked for
  runs[].x          null, or [name, number]: what a series of runs differs in, as ["VMs", 4]

A run that failed is there without values, and is counted. Peers of the same workload are compared.
"""
import datetime
import os
import re

from . import document, machine, schema
from .fault import Fault
from .schema import Each, Maybe

SCHEMA, VERSION = "hull-bench", 1
# Commands and metrics, of which names of files are made.
NAME = re.compile(r"[a-z][a-z0-9_-]*")
MACHINE = {"mode": {machine.NATIVE, machine.EMULATED, machine.ICOUNT}, "cpu": str, "cpus": schema.count,
           "memory_mib": schema.count, "kernel": str, "fingerprint": str}
RUN = {"peer": str, "round": schema.count, "failed": Maybe(str), "values": Each(Maybe(schema.number)),
       "phases": [{"phase": str, "at_us": schema.number, "cpu_us": Maybe(schema.number)}], "x": Maybe((str, schema.number))}
MEMBERS = {"command": str, "arguments": [str], "time": str, "machine": MACHINE,
           "metrics": Each({"label": str, "unit": str, "better": {"less", "more"}}),
           "peers": Each({"version": str, "workload": str, "command": [str]}), "skipped": Each(str),
           "exits": Each([(str, str, schema.count)]), "runs": [RUN]}


def new(command, arguments, described, metrics):
    return {"schema": SCHEMA, "version": VERSION, "command": command, "arguments": arguments,
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": described, "metrics": metrics, "peers": {}, "skipped": {}, "exits": {}, "runs": []}


def metric(label, unit, better="less"):
    return {"label": label, "unit": unit, "better": better}


def run(peer, at, values=None, phases=None, failed=None, x=None):
    return {"peer": peer, "round": at, "failed": failed, "values": values or {}, "phases": phases or [], "x": x}


def phase(name, at_us, cpu_us=None):
    return {"phase": name, "at_us": at_us, "cpu_us": cpu_us}


def writable(path):
    """Find out before the measurement, not after it; what is there stays, and nothing is left that wasn't there."""
    new_one = not os.path.lexists(path)
    try:
        with open(path, "a", encoding="utf-8"):
            pass
        if new_one:
            os.unlink(path)
    except OSError as error:
        raise Fault(f"{path}: cannot be written: {error.strerror}") from error


def read(path):
    result = document.read(path)
    check(path, result)
    return result


def check(path, result):
    if not isinstance(result, dict) or result.get("schema") != SCHEMA:
        raise Fault(f"{path}: not a result of hull-bench")
    if result.get("version") != VERSION:
        raise Fault(f"{path}: its schema has version {result.get('version')}, this hull-bench reads version {VERSION}")
    for name, shape in MEMBERS.items():
        found = schema.wrong(result[name], shape, name) if name in result else name
        if found is not None:
            raise Fault(f"{path}: {found} is missing or of the wrong type")
    if not isinstance(result["machine"].get("commit"), (str, type(None))):
        raise Fault(f"{path}: machine.commit is of the wrong type")
    for at, one in enumerate(result["runs"]):
        if one["peer"] not in result["peers"]:
            raise Fault(f"{path}: runs.{at}.peer is not among its peers")
    for name in (result["command"], *result["metrics"]):
        if not NAME.fullmatch(name):
            raise Fault(f"{path}: {name!r} is no name")


def series(result, name, peer, x=None):
    """{round: value} of a metric, of one place in a series or of what is in none."""
    return {one["round"]: one["values"][name] for one in result["runs"]
            if one["peer"] == peer and one["x"] == x and one["values"].get(name) is not None}


def failures(result, peer=None):
    return [one for one in result["runs"] if one["failed"] and peer in (None, one["peer"])]


def places(result):
    """The values of x, in order: [None] where runs are no series."""
    found = []
    for one in result["runs"]:
        if one["x"] not in found:
            found.append(one["x"])
    return found
