// SPDX-License-Identifier: Apache-2.0
// Further commands and requests under way in the container.
#include "guest-init/jobs.h"

#include "guest-init/archive.h"
#include "guest-init/cgroup.h"
#include "guest-init/child.h"
#include "guest-init/exec.h"
#include "guest-init/freeze.h"
#include "guest-init/process.h"

#include <errno.h>
#include <stdio.h>

static struct job *find(const struct jobs *jobs, uint16_t id)
{
	struct job *job = jobs->first;

	while (job && job->id != id)
		job = job->next;
	return job;
}

static bool seen(const struct jobs *jobs, uint16_t id)
{
	return jobs->seen[id / 8] & 1u << id % 8;
}

void jobs_add(struct jobs *jobs, struct job *job, uint16_t id)
{
	job->id = id;
	job->jobs = jobs;
	job->next = jobs->first;
	jobs->first = job;
	jobs->count++;
}

static void job_drop(struct job *job)
{
	struct job **at = &job->jobs->first;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	job->jobs->count--;
	job->free(job);
}

void jobs_finish(struct job *job, const struct agent_msg *msg)
{
	struct jobs *jobs = job->jobs;

	job_drop(job);
	jobs->send(jobs, msg);
}

void jobs_end(struct jobs *jobs)
{
	while (jobs->first)
		job_drop(jobs->first);
}

/* Say that a request can't be done, or a command not be started. */
static void refuse(struct jobs *jobs, const struct agent_msg *request, const struct err *err)
{
	struct agent_msg msg = {.type = AGENT_RESULT, .id = request->id};

	if (request->type == AGENT_EXEC) {
		msg.type = AGENT_FAILED;
		msg.failed.code = AGENT_EXIT_ERROR;
		snprintf(msg.failed.message, sizeof(msg.failed.message), "%s", err->msg);
	} else {
		msg.result.code = (uint32_t)-err->code;
		snprintf(msg.result.message, sizeof(msg.result.message), "%s", err->msg);
	}
	jobs->send(jobs, &msg);
}

static void answer_stats(struct jobs *jobs, uint16_t id)
{
	struct agent_msg msg = {.type = AGENT_USAGE, .id = id};

	cgroup_usage(jobs->cgroup_fd, &msg.usage);
	jobs->send(jobs, &msg);
}

static int begin(struct jobs *jobs, const struct agent_msg *msg, struct err *err)
{
	if (jobs->count >= AGENT_IDS_MAX)
		return err_set(err, -EAGAIN, "too many commands and requests are under way");
	if (!jobs->container->pid)
		return err_set(err, -ESRCH, "the container has ended");
	if (msg->type == AGENT_FREEZE)
		return freeze_start(jobs, msg, err);
	if (msg->type == AGENT_ARCHIVE)
		return archive_start(jobs, msg, err);
	return exec_start(jobs, msg, err);
}

bool jobs_handle(struct jobs *jobs, const struct agent_msg *msg)
{
	struct job *job = find(jobs, msg->id);
	bool is_new = msg->type != AGENT_SIGNAL && msg->type != AGENT_RESIZE;
	struct err err;

	if (is_new) {
		if (job)
			return false;
		jobs->seen[msg->id / 8] |= (uint8_t)(1u << msg->id % 8);
		if (msg->type == AGENT_STATS)
			answer_stats(jobs, msg->id);
		else if (begin(jobs, msg, &err) < 0)
			refuse(jobs, msg, &err);
		return true;
	}
	if (!job)
		return seen(jobs, msg->id);
	if (!job->process)
		return false;
	if (msg->type == AGENT_SIGNAL)
		process_signal(job->process, &msg->signal);
	else
		process_resize(job->process, &msg->resize);
	return true;
}
