// SPDX-License-Identifier: Apache-2.0
// The last steps between a new process and the command.
#include "guest-init/command.h"

#include "base/cleanup.h"
#include "guest-init/caps.h"
#include "guest-init/env.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* As current distributions set them: programs that use select() break above 1024 and raise the soft
 * limit themselves when they can. */
#define NOFILE_SOFT 1024
#define NOFILE_HARD (512 * 1024)

static int limits_set(const struct agent_spec *spec, struct err *err)
{
	const struct rlimit nofile = {NOFILE_SOFT, NOFILE_HARD};
	/* The kernel's default is made for sharing a machine among users; this one has a single
	 * container. */
	const struct rlimit nproc = {RLIM_INFINITY, RLIM_INFINITY};

	setrlimit(RLIMIT_NOFILE, &nofile);
	setrlimit(RLIMIT_NPROC, &nproc);
	for (size_t i = 0; i < spec->n_rlimits; i++) {
		const struct agent_rlimit *limit = &spec->rlimits[i];
		const struct rlimit value = {limit->soft, limit->hard};

		if (setrlimit((int)limit->resource, &value) < 0)
			return err_errno(err, errno, "resource limit %u", limit->resource);
	}
	return 0;
}

static int stdio_set(const struct command *command, struct err *err)
{
	bool terminal = command->spec->terminal;

	for (int i = 0; i < 3; i++) {
		int CLEANUP_FD null = -1;
		int fd = command->stdio[i];

		if (fd < 0)
			fd = null = open("/dev/null", O_RDWR | O_CLOEXEC);
		else if (fchown(fd, command->user->uid, terminal ? (gid_t)-1 : command->user->gid) <
			 0)
			/* Else /dev/stdout could not be opened by that user. */
			return err_errno(err, errno, "owner of stream %d", i);
		if (fd < 0 || dup2(fd, i) < 0)
			return err_errno(err, errno, "stream %d", i);
	}
	if (terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		return err_errno(err, errno, "controlling terminal");
	return 0;
}

static void signals_reset(void)
{
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Tell why @file can't be executed. @errnum: of execve. */
static enum agent_exit exec_failed(const char *name, const char *file, int errnum, struct err *err)
{
	struct stat st;

	if (errnum == ENOENT && stat(file, &st) == 0) {
		err_set(err, -ENOENT, "%s: its interpreter was not found", name);
		return AGENT_EXIT_NOTFOUND;
	}
	if (errnum == ENOENT || errnum == ENOTDIR) {
		err_set(err, -errnum, "%s: not found", name);
		return AGENT_EXIT_NOTFOUND;
	}
	if (errnum == EACCES && stat(file, &st) == 0 && S_ISDIR(st.st_mode))
		err_set(err, -errnum, "%s: is a directory", name);
	else if (errnum == ENOEXEC)
		err_set(err, -errnum,
			"%s: not a program for this machine, nor a script that names one", name);
	else
		err_errno(err, errnum, "%s", name);
	return AGENT_EXIT_NOEXEC;
}

/* Try each directory of PATH. A file that can't be executed is passed over, but remembered. */
static enum agent_exit exec_search(const struct command *command, struct err *err)
{
	char *const *args = command->spec->args;
	const char *path = env_get(command->env, "PATH");
	char file[ENV_CANDIDATE_MAX], denied[ENV_CANDIDATE_MAX] = "";

	while (args[0][0] && env_candidate(&path, args[0], file)) {
		execve(file, args, command->env);
		if (errno == EACCES) {
			struct stat st;

			if (stat(file, &st) == 0 && !S_ISDIR(st.st_mode))
				memcpy(denied, file, sizeof(denied));
		} else if (errno == ENOENT ? access(file, F_OK) == 0 : errno != ENOTDIR) {
			return exec_failed(args[0], file, errno ? errno : ENOENT, err);
		}
	}
	if (denied[0])
		return exec_failed(args[0], denied, EACCES, err);
	err_set(err, -ENOENT, "%s: not found in PATH", args[0][0] ? args[0] : "\"\"");
	return AGENT_EXIT_NOTFOUND;
}

enum agent_exit command_exec(const struct command *command, struct err *err)
{
	const struct agent_spec *spec = command->spec;

	umask(022);
	if (setsid() < 0) {
		err_errno(err, errno, "setsid");
		return AGENT_EXIT_ERROR;
	}
	if (stdio_set(command, err) < 0 || limits_set(spec, err) < 0)
		return AGENT_EXIT_ERROR;
	/* Still as root: it may lie where the user can't go, as with other engines. */
	if (chdir(spec->cwd) < 0) {
		err_errno(err, errno, "working directory %s", spec->cwd);
		return AGENT_EXIT_ERROR;
	}
	if (caps_become(command->user, spec->caps_given ? spec->caps : caps_default, err) < 0)
		return AGENT_EXIT_ERROR;
	signals_reset();
	if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
		err_errno(err, errno, "close_range");
		return AGENT_EXIT_ERROR;
	}
	if (!strchr(spec->args[0], '/'))
		return exec_search(command, err);
	execve(spec->args[0], spec->args, command->env);
	return exec_failed(spec->args[0], spec->args[0], errno, err);
}
