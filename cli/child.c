// SPDX-License-Identifier: Apache-2.0
// A program started beside hull.
#include "cli/child.h"

#include "base/cgroup.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/subids.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/*
 * posix_spawn() of this C library can't have a child born in a control group, and moving one into
 * it waits for all CPUs of the host. So this is done by clone3(), and what the child fails with is
 * left in a page that both see; CLONE_VFORK lets us go on when it has executed its program or
 * ended.
 */

/* @flags: CLONE_... Return: as fork(), but -errno. @ret_join: the child isn't in its group yet. */
static pid_t spawn_clone(uint64_t flags, int cgroup_fd, bool *ret_join)
{
	struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
	long pid;

	*ret_join = false;
	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	/* A filter of system calls can't look into its arguments, so some refuse it. */
	if (pid < 0 && errno == ENOSYS) {
		*ret_join = cgroup_fd >= 0;
		pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	}
	return pid < 0 ? -errno : (pid_t)pid;
}

static int child_join(int cgroup_fd, bool join)
{
	return join ? cgroup_write(cgroup_fd, "cgroup.procs", "0") : 0;
}

static void *shared_page(size_t size)
{
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? NULL : page;
}

static int wait_end(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void signals_reset(void)
{
	struct sigaction action;
	sigset_t none;

	for (int signo = 1; signo <= SIGRTMAX; signo++) {
		if (sigaction(signo, NULL, &action) < 0 || action.sa_handler == SIG_DFL)
			continue;
		action = (struct sigaction){.sa_handler = SIG_DFL};
		sigaction(signo, &action, NULL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* @last: placed behind them until the program is executed; or -1. */
static int files_place(const struct spawn *spawn, int last)
{
	int end = SPAWN_FD_FIRST + (int)spawn->fd_count;

	close(STDIN_FILENO);
	if (open("/dev/null", O_RDWR) < 0 || dup2(STDIN_FILENO, STDOUT_FILENO) < 0)
		return -errno;
	for (size_t i = 0; i < spawn->fd_count; i++) {
		int place = SPAWN_FD_FIRST + (int)i;

		if (spawn->fds[i] < 0)
			close(place);
		else if (dup2(spawn->fds[i], place) < 0)
			return -errno;
	}
	if (last >= 0 && dup3(last, end++, O_CLOEXEC) < 0)
		return -errno;
	closefrom(end);
	return 0;
}

/* The child's life before its program. Return: -errno, if at all. */
static int child_exec(const struct spawn *spawn, bool join, int last)
{
	int r = child_join(spawn->cgroup_fd, join);

	if (r < 0)
		return r;
	/* A session of its own: a ^C is meant for the container. */
	setsid();
	r = files_place(spawn, last);
	if (r < 0)
		return r;
	signals_reset();
	if (strchr(spawn->program, '/'))
		execv(spawn->program, spawn->argv);
	else
		execvp(spawn->program, spawn->argv);
	return -errno;
}

int spawn_call(int cgroup_fd, spawn_call_fn *fn, void *arg, struct err *err)
{
	struct {
		int result;
		struct err err;
	} *shared = shared_page(sizeof(*shared));
	bool join;
	pid_t pid;
	int r;

	if (!shared)
		return err_errno(err, errno, "memory");
	pid = spawn_clone(CLONE_VFORK | CLONE_FILES, cgroup_fd, &join);
	if (pid == 0) {
		r = child_join(cgroup_fd, join);
		if (r < 0)
			err_errno(&shared->err, -r, "joining the control group");
		shared->result = r < 0 ? r : fn(arg, &shared->err);
		_exit(EXIT_SUCCESS);
	}
	if (pid < 0)
		r = err_errno(err, -pid, "a process in the control group");
	else if (wait_end(pid))
		r = err_set(err, -EIO, "a process in the control group was killed");
	else
		r = shared->result;
	if (r < 0 && pid > 0 && shared->err.code)
		*err = shared->err;
	munmap(shared, sizeof(*shared));
	return r;
}

static pid_t start_plain(const struct spawn *spawn, int *error)
{
	bool join;
	pid_t pid = spawn_clone(
		CLONE_VFORK | (spawn->alone ? CLONE_NEWPID : 0), spawn->cgroup_fd, &join);

	if (pid == -ENOSPC && spawn->alone)
		log_warn("this host lets user %u make no process ID namespace for the VM (%s): "
			 "going on without",
			geteuid(), strerror(ENOSPC));
	/* Who may not make namespaces starts it among the others. */
	if ((pid == -EPERM || pid == -ENOSPC) && spawn->alone)
		pid = spawn_clone(CLONE_VFORK, spawn->cgroup_fd, &join);
	if (pid == 0) {
		*error = child_exec(spawn, join, -1);
		_exit(EXIT_FAILURE);
	}
	return pid;
}

/*
 * The child waits at its end of a pair of sockets until the maps of its user namespace are written,
 * and that end closes when it has executed its program, or ended.
 */
static pid_t start_mapped(const struct spawn *spawn, int *error)
{
	const uint64_t flags = CLONE_NEWUSER | (spawn->alone ? CLONE_NEWPID : 0);
	int CLEANUP_FD near = -1;
	int ends[2], far;
	bool join;
	pid_t pid;
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	near = ends[0];
	/* Out of the way of those that are placed. */
	far = fcntl(ends[1], F_DUPFD_CLOEXEC, SPAWN_FD_FIRST + (int)spawn->fd_count + 1);
	close(ends[1]);
	if (far < 0)
		return -errno;
	pid = spawn_clone(flags, spawn->cgroup_fd, &join);
	if (pid == 0) {
		close(near);
		if (read(far, &c, 1) == 1)
			*error = child_exec(spawn, join, far);
		_exit(EXIT_FAILURE);
	}
	close(far);
	if (pid < 0)
		return pid == -EPERM || pid == -ENOSPC ? -EUSERS : pid;
	if (subids_map(spawn->ids, pid) < 0) {
		shutdown(near, SHUT_RDWR);
		wait_end(pid);
		return -EUSERS;
	}
	if (send(near, "", 1, MSG_NOSIGNAL) == 1)
		while (read(near, &c, 1) < 0 && errno == EINTR)
			;
	return pid;
}

pid_t spawn_start(const struct spawn *spawn)
{
	int *error = shared_page(sizeof(*error));
	sigset_t all, before;
	pid_t pid;

	if (!error)
		return -errno;
	/* None of hull's handlers runs in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = spawn->ids ? start_mapped(spawn, error) : start_plain(spawn, error);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid > 0 && *error) {
		wait_end(pid);
		pid = *error;
	}
	munmap(error, sizeof(*error));
	return pid;
}
