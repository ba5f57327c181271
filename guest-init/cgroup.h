// SPDX-License-Identifier: Apache-2.0
// The container's control group: made, frozen, and asked what it uses.
#pragma once

#include "base/err.h"
#include "protocol/agent.h"

#include <stdbool.h>

/*
 * cgroup_mount() - mount cgroup2 and make the container's group, with what can be counted for it
 *
 * Return: a descriptor of the group's directory for clone3(), or -errno where the kernel has no
 * cgroups.
 */
int cgroup_mount(void);

/*
 * cgroup_limit_pids() - limit the processes of the group @dir to @max of the container's own: the
 * reaper is one more
 *
 * Return: 0, also for no limit, @max 0; or -errno.
 */
int cgroup_limit_pids(int dir, uint32_t max, struct err *err);

/* cgroup_freeze() - begin to stop everything in the group @dir, or to let it go on. Return: 0 or
 * -errno. */
int cgroup_freeze(int dir, bool on, struct err *err);

/*
 * cgroup_events() - open what tells how far that is
 *
 * Poll it for EPOLLPRI; each change must be read by cgroup_frozen() before the next is seen.
 *
 * Return: a descriptor or -errno.
 */
int cgroup_events(int dir, struct err *err);

/* cgroup_frozen() - read it. Return: 1 or 0, or -errno. */
int cgroup_frozen(int events);

/* cgroup_usage() - what the group @dir uses; whatever the kernel doesn't tell is 0. */
void cgroup_usage(int dir, struct agent_usage *ret);
