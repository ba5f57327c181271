// SPDX-License-Identifier: Apache-2.0
// The request to send files of the container, or to unpack some in it.
#include "guest-init/archive.h"

#include "base/cleanup.h"
#include "guest-init/child.h"
#include "guest-init/container.h"
#include "guest-init/descriptors.h"
#include "guest-init/jobs.h"
#include "guest-init/pack.h"
#include "guest-init/platform.h"
#include "guest-init/unpack.h"

#include <sched.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* One for each directory on the way down, and a few. */
#define NOFILE 1024

/* @result: kind is REPORT_EXITED when all went well, REPORT_FAILED with an errno as its code when
 * not */
struct archive {
	struct job job;
	struct child child;
	struct report result;
};

static int archive_do(
	const struct jobs *jobs, const struct agent_archive *request, int *channel, struct err *err)
{
	const struct rlimit nofile = {NOFILE, NOFILE};
	int stream[3] = {-1, -1, -1};
	int r = jobs->platform->dial(request->port, err);

	if (r < 0)
		return r;
	stream[0] = r;
	r = container_join(jobs->container, CLONE_NEWNS, err);
	if (r < 0)
		return r;
	r = descriptors_keep(stream, *channel, stream);
	if (r < 0)
		return err_errno(err, -r, "descriptors");
	*channel = FD_CHANNEL;
	umask(0);
	setrlimit(RLIMIT_NOFILE, &nofile);
	r = request->put ? unpack_tree(request->path, stream[0], err)
			 : pack_tree(request->path, stream[0], err);
	if (r == 0 && !request->put)
		shutdown(stream[0], SHUT_WR);
	return r;
}

static noreturn void archive_run(
	const struct jobs *jobs, const struct agent_archive *request, int channel)
{
	struct report report = {.kind = REPORT_EXITED};
	struct err err;
	int r = archive_do(jobs, request, &channel, &err);

	if (r < 0) {
		report.kind = REPORT_FAILED;
		report.code = -r;
		snprintf(report.message, sizeof(report.message), "%s", err.msg);
	}
	report_send(channel, &report, -1);
	_exit(0);
}

static void on_report(struct child *child, const struct report *report, int fd)
{
	struct archive *archive = container_of(child, struct archive, child);

	if (fd >= 0)
		close(fd);
	archive->result = *report;
}

static void on_gone(struct child *child, int status)
{
	struct archive *archive = container_of(child, struct archive, child);
	const struct report *result = &archive->result;
	struct agent_msg msg = {.type = AGENT_RESULT, .id = archive->job.id};

	if (result->kind != REPORT_EXITED) {
		bool told = result->kind == REPORT_FAILED && result->code > 0 &&
			    (unsigned int)result->code <= AGENT_ERRNO_MAX;

		msg.result.code = told ? (uint32_t)result->code : EIO;
		snprintf(msg.result.message, sizeof(msg.result.message), "%s",
			told ? result->message : "the archive's process was killed");
	}
	jobs_finish(&archive->job, &msg);
}

static const struct child_ops ops = {.report = on_report, .gone = on_gone};

static void archive_free(struct job *job)
{
	struct archive *archive = container_of(job, struct archive, job);

	child_kill(&archive->child);
	free(archive);
}

int archive_start(struct jobs *jobs, const struct agent_msg *msg, struct err *err)
{
	struct archive *archive = calloc(1, sizeof(*archive));
	int channel, r;
	pid_t pid;

	if (!archive)
		return err_errno(err, ENOMEM, "an archive");
	archive->job.free = archive_free;
	pid = child_clone(&archive->child, 0, -1, &channel, err);
	if (pid == 0)
		archive_run(jobs, &msg->archive, channel);
	r = pid < 0 ? pid : child_watch(&archive->child, jobs->loop, &ops, err);
	if (r < 0)
		archive_free(&archive->job);
	else
		jobs_add(jobs, &archive->job, msg->id);
	return r;
}
