# SPDX-License-Identifier: Apache-2.0
"""Types of command line arguments."""
import argparse

from . import process


# What C programs take, too.
MOST = (1 << 31) - 1


def positive(text):
    return between(text, 1)


def natural(text):
    return between(text, 0)


def between(text, least):
    value = int(text)
    if value < least:
        raise argparse.ArgumentTypeError(f"{text}: less than {least}")
    if value > MOST:
        raise argparse.ArgumentTypeError(f"{text}: more than {MOST}")
    return value


def cpus(text):
    """A list of CPUs, which stays as it is written."""
    process.cpu_list(text)
    return text


def some_of(names):
    """Of words with commas between them, in the order of all."""
    def chosen(text):
        words = text.split(",")
        for word in words:
            if word not in names:
                raise argparse.ArgumentTypeError(f"{word!r} is not among {', '.join(names)}")
        return [name for name in names if name in words]
    return chosen
