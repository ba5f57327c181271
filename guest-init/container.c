// SPDX-License-Identifier: Apache-2.0
// The container as PID 1 sees it.
#include "guest-init/container.h"

#include "base/err.h"
#include "guest-init/reaper.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>

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

int container_join(const struct child *container, int namespaces, struct err *err)
{
	if (setns(container->pidfd, namespaces) == 0)
		return 0;
	if (errno == ESRCH)
		return err_set(err, -ESRCH, "container: it has ended");
	return err_errno(err, errno, "joining the container");
}
