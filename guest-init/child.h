// SPDX-License-Identifier: Apache-2.0
// A process that PID 1 cloned, with a channel on which it reports and a watch for its end.
#pragma once

#include "base/err.h"
#include "base/loop.h"
#include "guest-init/report.h"

#include <sys/types.h>

struct child;

/*
 * struct child_ops - what its owner is told
 * @report:	a report came; @fd is the owner's now, or -1
 * @closed:	no more reports come: it has executed something, or is gone. May be NULL
 * @gone:	it ended and was reaped, after all its reports; @status is that of waitpid(). Only
 *this one may free the child
 */
struct child_ops {
	void (*report)(struct child *child, const struct report *report, int fd);
	void (*closed)(struct child *child);
	void (*gone)(struct child *child, int status);
};

/*
 * struct child - embedded in its owner, zero-initialised
 * @pid:	0 when there is none, or it was reaped
 * @pidfd, @channel:	while @pid isn't 0
 */
struct child {
	const struct child_ops *ops;
	struct loop *loop;
	pid_t pid;
	int pidfd, channel;
	struct loop_source reports, end;
};

/*
 * child_clone() - clone_process(), with a channel
 * @ret_channel:	in the new process: its end, close-on-exec
 *
 * Return: 0 in the new process; else its pid, or -errno.
 */
pid_t child_clone(
	struct child *child, uint64_t flags, int cgroup_fd, int *ret_channel, struct err *err);

/* child_watch() - begin to call @ops. Return: 0 or -errno; the process runs on in any case. */
int child_watch(
	struct child *child, struct loop *loop, const struct child_ops *ops, struct err *err);

/* child_kill() - kill it, wait until it is gone, forget it; no more calls come. Harmless when it
 * never was. */
void child_kill(struct child *child);
