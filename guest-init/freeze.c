// SPDX-License-Identifier: Apache-2.0
// The request to stop all processes of the container.
#include "guest-init/freeze.h"

#include "base/cleanup.h"
#include "guest-init/cgroup.h"
#include "guest-init/jobs.h"

#include <stdio.h>
#include <sys/epoll.h>

struct freeze {
	struct job job;
	struct loop_source src;
	int events;
	bool on;
};

static void freeze_free(struct job *job)
{
	struct freeze *freeze = container_of(job, struct freeze, job);

	loop_del(job->jobs->loop, &freeze->src);
	close(freeze->events);
	free(freeze);
}

static void finish(struct freeze *freeze, int code, const char *message)
{
	struct agent_msg msg = {
		.type = AGENT_RESULT, .id = freeze->job.id, .result.code = (uint32_t)code};

	snprintf(msg.result.message, sizeof(msg.result.message), "%s", message);
	jobs_finish(&freeze->job, &msg);
}

static void check(struct freeze *freeze)
{
	int r = cgroup_frozen(freeze->events);

	if (r < 0)
		finish(freeze, -r, "the container's group can't be read");
	else if (r == freeze->on)
		finish(freeze, 0, "");
}

static void on_event(struct loop_source *src, uint32_t events)
{
	check(container_of(src, struct freeze, src));
}

/* Those that want the opposite of @on may wait in vain. */
static void overtake(struct jobs *jobs, bool on)
{
	struct job *job = jobs->first, *next;

	for (; job; job = next) {
		struct freeze *freeze = container_of(job, struct freeze, job);

		next = job->next;
		if (job->free == freeze_free && freeze->on != on)
			finish(freeze, ECANCELED, "overtaken by a later request");
	}
}

int freeze_start(struct jobs *jobs, const struct agent_msg *msg, struct err *err)
{
	bool on = msg->freeze.on;
	struct freeze *freeze;
	int events, r = cgroup_freeze(jobs->cgroup_fd, on, err);

	if (r < 0)
		return r;
	jobs->frozen = on;
	overtake(jobs, on);
	events = cgroup_events(jobs->cgroup_fd, err);
	if (events < 0)
		return events;
	freeze = calloc(1, sizeof(*freeze));
	r = freeze ? loop_add(jobs->loop, &freeze->src, events, EPOLLPRI, on_event) : -ENOMEM;
	if (r < 0) {
		close(events);
		free(freeze);
		return err_errno(err, -r, "waiting for the container's group");
	}
	freeze->job.free = freeze_free;
	freeze->events = events;
	freeze->on = on;
	jobs_add(jobs, &freeze->job, msg->id);
	check(freeze);
	return 0;
}

void freeze_lift(struct jobs *jobs)
{
	if (jobs->frozen)
		cgroup_freeze(jobs->cgroup_fd, false, NULL);
	jobs->frozen = false;
}
