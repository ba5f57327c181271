// SPDX-License-Identifier: Apache-2.0
// The agent protocol: the rules for a container's specification, which both directions obey.
#pragma once

#include <stdbool.h>

struct agent_spec;

/* agent_spec_valid() - does @spec, filled in here or decoded, obey all that agent_spec.h says? */
bool agent_spec_valid(const struct agent_spec *spec);
