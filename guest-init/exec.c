// SPDX-License-Identifier: Apache-2.0
// A further command in the running container.
#include "guest-init/exec.h"

#include "base/cleanup.h"
#include "guest-init/child.h"
#include "guest-init/command.h"
#include "guest-init/container.h"
#include "guest-init/descriptors.h"
#include "guest-init/env.h"
#include "guest-init/jobs.h"
#include "guest-init/mounts.h"
#include "guest-init/process.h"
#include "guest-init/terminal.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* @failure: kind is REPORT_FAILED when it could not be executed */
struct exec {
	struct job job;
	struct process process;
	struct child child;
	struct report failure;
	bool ended;
	int status;
};

/* In the container's root: all that comes before the command itself. */
static int exec_prepare(
	struct command *command, struct user *user, const struct agent_spec *spec, struct err *err)
{
	int CLEANUP_FD master = -1;
	const struct report tty = {.kind = REPORT_TTY};
	int r = user_resolve(spec->user, user, err);

	if (r == 0)
		r = mounts_mkdir(spec->cwd, err);
	if (r == 0 && env_build(spec, user->home, &command->env) < 0)
		return err_errno(err, ENOMEM, "environment");
	if (r < 0 || !spec->terminal)
		return r;
	r = terminal_open(spec->rows, spec->cols, &master, &command->stdio[0], err);
	if (r < 0)
		return r;
	command->stdio[1] = command->stdio[2] = command->stdio[0];
	r = report_send(FD_CHANNEL, &tty, master);
	return r < 0 ? err_errno(err, -r, "handing the terminal over") : 0;
}

/* The new process, until it is the command. */
static noreturn void exec_run(
	const struct exec *exec, const struct child *container, int join, int channel)
{
	const struct agent_spec *spec = &exec->process.spec;
	struct user user;
	struct command command = {.spec = spec, .user = &user, .stdio = {-1, -1, -1}};
	struct report report;
	struct err err;
	enum agent_exit code = AGENT_EXIT_ERROR;
	int joined = container_join(container, join, &err);

	/* Without the channel nothing can be told; PID 1 sees this process end. */
	if (descriptors_keep(exec->process.streams.child, channel, command.stdio) < 0)
		_exit(AGENT_EXIT_ERROR);
	if (joined == 0 && exec_prepare(&command, &user, spec, &err) == 0)
		code = command_exec(&command, &err);
	report_failed(&report, code, err.msg);
	report_send(FD_CHANNEL, &report, -1);
	_exit((int)code);
}

/* Only children are affected by joining a pid namespace, so PID 1 does it for a moment. */
static int exec_clone(struct exec *exec, const struct jobs *jobs, struct err *err)
{
	int CLEANUP_FD own = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int join = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC;
	int channel, r;
	pid_t pid;

	if (jobs->cgroup_fd >= 0)
		join |= CLONE_NEWCGROUP;
	if (own < 0)
		return err_errno(err, errno, "PID 1");
	r = container_join(jobs->container, CLONE_NEWPID, err);
	if (r < 0)
		return r;
	pid = child_clone(&exec->child, 0, jobs->cgroup_fd, &channel, err);
	if (pid == 0)
		exec_run(exec, jobs->container, join, channel);
	if (setns(own, CLONE_NEWPID) < 0)
		return err_errno(err, errno, "leaving the container's processes");
	return pid < 0 ? pid : 0;
}

static void exec_check_ended(struct exec *exec)
{
	struct agent_msg msg = {.type = AGENT_EXITED, .id = exec->job.id};

	if (!exec->ended || !streams_done(&exec->process.streams))
		return;
	if (WIFSIGNALED(exec->status))
		msg.exited.signal = (uint32_t)WTERMSIG(exec->status);
	else
		msg.exited.code = (uint32_t)WEXITSTATUS(exec->status);
	jobs_finish(&exec->job, &msg);
}

static void on_drained(struct process *process)
{
	exec_check_ended(container_of(process, struct exec, process));
}

static void on_report(struct child *child, const struct report *report, int fd)
{
	struct exec *exec = container_of(child, struct exec, child);
	struct err err;

	if (report->kind == REPORT_FAILED) {
		exec->failure = *report;
	} else if (report->kind == REPORT_TTY && exec->process.master < 0) {
		if (process_terminal(&exec->process, fd, &err) < 0) {
			report_failed(&exec->failure, AGENT_EXIT_ERROR, err.msg);
			kill(child->pid, SIGKILL);
		}
	} else if (fd >= 0) {
		close(fd);
	}
}

static void on_closed(struct child *child)
{
	struct exec *exec = container_of(child, struct exec, child);
	struct agent_msg msg = process_started(&exec->process, (uint32_t)child->pid);

	if (exec->failure.kind == REPORT_FAILED)
		return;
	exec->process.pidfd = fcntl(child->pidfd, F_DUPFD_CLOEXEC, 0);
	exec->job.jobs->send(exec->job.jobs, &msg);
}

static void on_gone(struct child *child, int status)
{
	struct exec *exec = container_of(child, struct exec, child);
	const struct report *failure = &exec->failure;

	if (failure->kind == REPORT_FAILED) {
		struct agent_msg msg =
			process_failed(&exec->process, (uint32_t)failure->code, failure->message);

		jobs_finish(&exec->job, &msg);
		return;
	}
	exec->ended = true;
	exec->status = status;
	exec_check_ended(exec);
}

static const struct child_ops ops = {
	.report = on_report,
	.closed = on_closed,
	.gone = on_gone,
};

static void exec_free(struct job *job)
{
	struct exec *exec = container_of(job, struct exec, job);

	child_kill(&exec->child);
	process_fini(&exec->process);
	free(exec);
}

static int exec_begin(
	struct exec *exec, struct jobs *jobs, const struct agent_msg *msg, struct err *err)
{
	struct agent_spec *spec = &exec->process.spec;
	int r = agent_spec_decode(msg->spec.data, msg->spec.len, spec);

	if (r < 0)
		return err_set(err, r, "the command's specification is malformed");
	spec->hostname = jobs->spec->hostname;
	r = process_open(&exec->process, jobs->loop, err);
	if (r == 0)
		r = exec_clone(exec, jobs, err);
	if (r == 0)
		r = streams_connect(&exec->process.streams, jobs->platform, spec, err);
	/* Only now: the terminal's connection is there when the master comes. */
	if (r == 0)
		r = child_watch(&exec->child, jobs->loop, &ops, err);
	return r;
}

int exec_start(struct jobs *jobs, const struct agent_msg *msg, struct err *err)
{
	struct exec *exec = calloc(1, sizeof(*exec));
	int r;

	if (!exec)
		return err_errno(err, ENOMEM, "a command");
	exec->job = (struct job){.process = &exec->process, .free = exec_free};
	process_init(&exec->process, msg->id, on_drained);
	r = exec_begin(exec, jobs, msg, err);
	if (r < 0)
		exec_free(&exec->job);
	else
		jobs_add(jobs, &exec->job, msg->id);
	return r;
}
