// SPDX-License-Identifier: Apache-2.0
// PID 1 of the container: sets it up, starts the command, reaps.
#pragma once

#include "protocol/agent.h"

#include <stdbool.h>
#include <stdnoreturn.h>

/*
 * reaper_run() - the whole life of the reaper, in its new namespaces
 * @stdio:	as in container_start(); this process's own copies
 * @channel:	to PID 1
 * @own_cgroup:	it was born in the container's group, which becomes the root of what the container
 * sees
 */
noreturn void reaper_run(
	const struct agent_spec *spec, const int stdio[3], int channel, bool own_cgroup);
