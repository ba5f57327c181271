// SPDX-License-Identifier: Apache-2.0
// The container: its namespaces, the reaper that is PID 1 in them, and the command.
#pragma once

#include "guest-init/child.h"
#include "protocol/agent.h"

/*
 * Theory of operation
 *
 *      hull-init (PID 1) --clone3--> reaper (PID 1 of the container) --clone3--> command (PID 2)
 *             ^                        |
 *             +---- struct report -----+
 *
 * The reaper is hull-init's own code. It makes the mounts, pivots, starts the command, and then
 * only waits: for the command and for orphans. The command isn't PID 1 of its namespace, so signals
 * have their usual effect on it. When the command ends, the reaper reports how and exits; the
 * kernel then kills what is left in the namespace before it lets PID 1 wait for the reaper: once
 * that has returned, nothing of the container runs, and all its descriptors are closed.
 *
 * Signals go through a pidfd of the command, so they can't hit another process. Whatever fails
 * before the command is executed comes as REPORT_FAILED.
 */

/*
 * container_start() - clone the reaper
 * @stdio:	the command's ends of its streams, -1 = /dev/null; ignored with a terminal; stay the
 * caller's
 * @cgroup_fd:	of cgroup_mount(), or negative
 *
 * The container's root must be mounted. Everything else is reported by the child, whose end is that
 * of the whole container.
 *
 * Return: 0 or -errno.
 */
int container_start(const struct agent_spec *spec, const int stdio[3], int cgroup_fd,
	struct child *ret, struct err *err);

/*
 * container_join() - enter these namespaces of the container (CLONE_NEWNS and the like)
 *
 * Return: 0 or -errno; -ESRCH when it has ended, of which a caller may learn here first.
 */
int container_join(const struct child *container, int namespaces, struct err *err);
