// SPDX-License-Identifier: Apache-2.0
// A process that PID 1 cloned.
#include "guest-init/child.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/clone.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

pid_t child_clone(
	struct child *child, uint64_t flags, int cgroup_fd, int *ret_channel, struct err *err)
{
	int sockets[2], pidfd;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return err_errno(err, errno, "socketpair");
	pid = clone_process(flags, cgroup_fd, &pidfd);
	if (pid == 0) {
		*ret_channel = sockets[1];
		return 0;
	}
	close(sockets[1]);
	if (pid < 0) {
		close(sockets[0]);
		return err_errno(err, -pid, "clone");
	}
	*child = (struct child){.pid = pid, .pidfd = pidfd, .channel = sockets[0]};
	return pid;
}

static void reports_read(struct child *child)
{
	struct report report;
	int fd, r;

	if (!child->reports.fn)
		return;
	while ((r = report_recv(child->channel, &report, &fd)) > 0)
		child->ops->report(child, &report, fd);
	if (r == -EAGAIN)
		return;
	loop_del(child->loop, &child->reports);
	if (child->ops->closed)
		child->ops->closed(child);
}

static void on_reports(struct loop_source *src, uint32_t events)
{
	reports_read(container_of(src, struct child, reports));
}

static void child_release(struct child *child)
{
	if (child->loop) {
		loop_del(child->loop, &child->reports);
		loop_del(child->loop, &child->end);
	}
	close(child->pidfd);
	close(child->channel);
	child->pid = 0;
}

/* The pid can't be another's: only this frees it. */
static int child_wait(struct child *child)
{
	int status = 0;

	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void on_end(struct loop_source *src, uint32_t events)
{
	struct child *child = container_of(src, struct child, end);
	int status;

	/* Its last word may have come in the same moment. */
	reports_read(child);
	status = child_wait(child);
	child_release(child);
	child->ops->gone(child, status);
}

int child_watch(
	struct child *child, struct loop *loop, const struct child_ops *ops, struct err *err)
{
	int r = io_nonblock(child->channel);

	child->loop = loop;
	child->ops = ops;
	if (r == 0)
		r = loop_add(loop, &child->reports, child->channel, EPOLLIN, on_reports);
	if (r == 0)
		r = loop_add(loop, &child->end, child->pidfd, EPOLLIN, on_end);
	return r < 0 ? err_errno(err, -r, "watching a process") : 0;
}

void child_kill(struct child *child)
{
	if (child->pid <= 0)
		return;
	kill(child->pid, SIGKILL);
	child_wait(child);
	child_release(child);
}
