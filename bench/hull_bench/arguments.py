# SPDX-License-Identifier: Apache-2.0
"""Types of command line arguments."""
import argparse

from . import process


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: less than 1")
    return value


def natural(text):
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text}: less than 0")
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
