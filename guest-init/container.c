// SPDX-License-Identifier: Apache-2.0
// The container as PID 1 sees it.
#include "guest-init/container.h"

#include "guest-init/reaper.h"

#include <linux/sched.h>

#define NAMESPACES (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)

int container_start(const struct agent_spec *spec, const int stdio[3], int cgroup_fd,
	struct child *ret, struct err *err)
{
	int channel;
	pid_t pid = child_clone(ret, NAMESPACES, cgroup_fd, &channel, err);

	if (pid == 0)
		reaper_run(spec, stdio, channel, cgroup_fd >= 0);
	return pid < 0 ? pid : 0;
}
