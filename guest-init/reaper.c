// SPDX-License-Identifier: Apache-2.0
// PID 1 of the container.
#include "guest-init/reaper.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/clone.h"
#include "guest-init/command.h"
#include "guest-init/descriptors.h"
#include "guest-init/env.h"
#include "guest-init/etc.h"
#include "guest-init/mounts.h"
#include "guest-init/report.h"
#include "guest-init/terminal.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* What must be there is made while it still can be; what lies in further mounts is made later. */
static int root_seal(const struct agent_spec *spec, struct err *err)
{
	int r = mounts_prepare(spec, err);

	if (r == 0)
		r = mounts_mkdir(spec->cwd, err);
	return r < 0 ? r : mounts_seal(err);
}

/* All that happens before the command's process. */
static int container_make(
	const struct agent_spec *spec, struct user *user, int stdio[3], struct err *err)
{
	struct mounts_further further;
	int CLEANUP_FD master = -1;
	int r;

	if (sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return err_errno(err, errno, "hostname %s", spec->hostname);
	r = mounts_take(spec, &further, err);
	if (r == 0)
		r = mounts_enter(err);
	if (r == 0)
		r = user_resolve(spec->user, user, err);
	if (r == 0)
		r = etc_write(spec, err);
	if (r == 0)
		r = mounts_make(err);
	if (r == 0 && spec->terminal) {
		r = terminal_open(spec->rows, spec->cols, &master, &stdio[0], err);
		stdio[1] = stdio[2] = stdio[0];
	}
	if (r == 0 && spec->terminal)
		r = terminal_console(master, err);
	if (r == 0)
		r = mounts_mask(err);
	if (r == 0 && spec->root == AGENT_ROOT_READONLY)
		r = root_seal(spec, err);
	if (r == 0)
		r = mounts_add(spec, &further, err);
	if (r == 0)
		r = mounts_mkdir(spec->cwd, err);
	if (r == 0 && spec->terminal) {
		const struct report tty = {.kind = REPORT_TTY};

		r = report_send(FD_CHANNEL, &tty, master);
		if (r < 0)
			return err_errno(err, -r, "handing the terminal over");
	}
	return r;
}

static noreturn void fail(enum agent_exit code, const struct err *err)
{
	struct report report;

	report_failed(&report, code, err->msg);
	report_send(FD_CHANNEL, &report, -1);
	_exit(1);
}

/*
 * Start the command and wait until it has been executed. If that fails, the new process writes the
 * reason into a pipe that the exec would have closed.
 */
static pid_t command_start(const struct command *command)
{
	struct report report;
	struct err err;
	int pipe_fds[2], pidfd;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		err_errno(&err, errno, "pipe");
		fail(AGENT_EXIT_ERROR, &err);
	}
	pid = clone_process(0, -1, &pidfd);
	if (pid == 0) {
		report_failed(&report, command_exec(command, &err), err.msg);
		io_write_full(pipe_fds[1], &report, sizeof(report));
		_exit(1);
	}
	if (pid < 0) {
		err_errno(&err, -pid, "clone");
		fail(AGENT_EXIT_ERROR, &err);
	}
	close(pipe_fds[1]);
	if (io_read_full(pipe_fds[0], &report, sizeof(report)) == 0) {
		report_send(FD_CHANNEL, &report, -1);
		_exit(1);
	}
	close(pipe_fds[0]);
	report = (struct report){.kind = REPORT_STARTED, .code = pid};
	report_send(FD_CHANNEL, &report, pidfd);
	close(pidfd);
	return pid;
}

/* When memory runs out, the kernel shall choose the command: that is told, the reaper's end isn't.
 */
static void oom_protect(void)
{
	int CLEANUP_FD fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		io_write_full(fd, "-1000", 5);
}

static noreturn void reap(pid_t command)
{
	struct report report = {.kind = REPORT_EXITED};
	int status;

	for (;;) {
		pid_t pid = waitpid(-1, &status, 0);

		if (pid == command)
			break;
		if (pid < 0 && errno != EINTR)
			_exit(1);
	}
	if (WIFSIGNALED(status))
		report.signal = WTERMSIG(status);
	else
		report.code = WEXITSTATUS(status);
	report_send(FD_CHANNEL, &report, -1);
	_exit(0);
}

noreturn void reaper_run(
	const struct agent_spec *spec, const int stdio[3], int channel, bool own_cgroup)
{
	struct command command = {.spec = spec, .stdio = {-1, -1, -1}};
	struct user user;
	struct err err;
	pid_t pid;
	int r;

	umask(0);
	r = descriptors_keep(stdio, channel, command.stdio);
	if (r < 0) {
		/* FD_CHANNEL may not be there; PID 1 sees the channel end. */
		_exit(1);
	}
	if (own_cgroup)
		unshare(CLONE_NEWCGROUP);
	if (container_make(spec, &user, command.stdio, &err) < 0)
		fail(AGENT_EXIT_ERROR, &err);
	command.user = &user;
	r = env_build(spec, user.home, &command.env);
	if (r < 0) {
		err_errno(&err, -r, "environment");
		fail(AGENT_EXIT_ERROR, &err);
	}
	pid = command_start(&command);
	/* With a terminal, the slave stays open here: its end of file comes when the container
	 * ends, even if the command closes it for a while. */
	for (int i = 0; i < 3 && !spec->terminal; i++)
		if (command.stdio[i] >= 0)
			close(command.stdio[i]);
	oom_protect();
	reap(pid);
}
