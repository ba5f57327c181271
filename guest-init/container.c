// SPDX-License-Identifier: Apache-2.0
// The container as PID 1 sees it.
#include "guest-init/container.h"

#include "base/cleanup.h"
#include "guest-init/clone.h"
#include "guest-init/reaper.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NAMESPACES (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)

int container_start(const struct agent_spec *spec, const int stdio[3], int cgroup_fd,
	struct container *ret, struct err *err)
{
	int sockets[2], pidfd;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return err_errno(err, errno, "socketpair");
	pid = clone_process(NAMESPACES, cgroup_fd, &pidfd);
	if (pid == 0)
		reaper_run(spec, stdio, sockets[1], cgroup_fd >= 0);
	close(sockets[1]);
	if (pid < 0) {
		close(sockets[0]);
		return err_errno(err, -pid, "clone");
	}
	*ret = (struct container){.pid = pid, .pidfd = pidfd, .channel = sockets[0]};
	return 0;
}

void container_kill(struct container *container)
{
	if (container->pid <= 0)
		return;
	/* The pid can't be another's: only the wait below frees it. */
	kill(container->pid, SIGKILL);
	while (waitpid(container->pid, NULL, 0) < 0 && errno == EINTR)
		;
	container->pid = 0;
}
