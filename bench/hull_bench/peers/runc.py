# SPDX-License-Identifier: Apache-2.0
"""runc."""
from .oci import OciRuntime


class Runc(OciRuntime):
    name, programs = "runc", ("runc",)
