# SPDX-License-Identifier: Apache-2.0
"""crun."""
from .oci import OciRuntime


class Crun(OciRuntime):
    name, programs = "crun", ("crun",)
