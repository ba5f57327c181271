#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Usage: syscall_rules.py FILE...

Prints what the comments 'syscalls:' of C files say about the threads that are filtered, as rows of make_filters.c:

    /* syscalls: loop: close, fcntl(1 == F_SETFL); loop, vcpu: mmap(2 & PROT_EXEC == 0); start: openat */

Threads are 'loop' and 'vcpu'; 'start' is what is done before there is a filter, and makes no row. A call may have
conditions on its arguments, which are numbered from 0.
"""
import re
import sys

KINDS = {"loop": "KIND_LOOP", "vcpu": "KIND_VCPU", "start": None}
COMMENT = re.compile(r"/\*\s*\**\s*syscalls:(.*?)\*/", re.S)
CALL = re.compile(r"([a-z0-9_]+)(?:\((\d) (?:== ([A-Z0-9_]+)|& ([A-Z0-9_]+) == (\w+))\))?")


def rules(name):
    """Yield (thread, call, condition) of a file; condition is C, or None."""
    with open(name, encoding="utf-8") as file:
        text = file.read()
    for comment in COMMENT.findall(text):
        comment = re.sub(r"\s*\n\s*\*\s*", " ", comment).strip()
        for part in comment.split(";"):
            threads, colon, calls = part.partition(":")
            if not colon:
                sys.exit(f"{name}: syscalls: '{part}' names no thread")
            for thread in threads.split(","):
                if thread.strip() not in KINDS:
                    sys.exit(f"{name}: syscalls: '{thread.strip()}' is no thread")
                for call in calls.split(","):
                    match = CALL.fullmatch(call.strip())
                    if not match:
                        sys.exit(f"{name}: syscalls: '{call.strip()}' is no system call")
                    call, number, equal, mask, value = match.groups()
                    condition = None
                    if equal:
                        condition = f"SCMP_CMP({number}, SCMP_CMP_EQ, {equal})"
                    elif mask:
                        condition = f"SCMP_CMP({number}, SCMP_CMP_MASKED_EQ, {mask}, {value})"
                    yield thread.strip(), call, condition


def main():
    rows = set()
    for name in sys.argv[1:]:
        for thread, call, condition in rules(name):
            if KINDS[thread]:
                rows.add((KINDS[thread], call, condition or ""))
    # A call that is allowed whatever its arguments are makes the conditions elsewhere moot.
    free = {row[:2] for row in rows if not row[2]}
    for kind, call, condition in sorted(rows):
        if not condition:
            print(f'{{{kind}, "{call}"}},')
        elif (kind, call) not in free:
            print(f'{{{kind}, "{call}", 1, {condition}}},')


if __name__ == "__main__":
    main()
