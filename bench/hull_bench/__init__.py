# SPDX-License-Identifier: Apache-2.0
"""The modules of hull-bench: one noun each, commands in cmd_NAME, programs to compare with in peers/."""
