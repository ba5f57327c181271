# SPDX-License-Identifier: Apache-2.0
"""What ends hull-bench with one line."""

EXIT_MISSED = 1  # a limit or a figure is missed
EXIT_FAULT = 2  # it can't measure, or is asked for what can't be


class Fault(Exception):
    """The text says what, which and why; exit code EXIT_FAULT."""
