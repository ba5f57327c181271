# SPDX-License-Identifier: Apache-2.0
"""JSON in files: what can't be written or read is told in one line."""
import json

from .fault import Fault


def write(path, document):
    try:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
    except OSError as error:
        raise Fault(f"{path}: cannot be written: {error.strerror}") from error


def read(path, hint=""):
    """hint: added where there is no such file, or it can't be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise Fault(f"{path}: {error.strerror}{hint}") from error
    except (ValueError, RecursionError) as error:
        raise Fault(f"{path}: not JSON: {error}") from error
