// SPDX-License-Identifier: Apache-2.0
// The processes between hull-jailer and the program.
#include "jailer/launch.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "jailer/jail.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/*
 * Theory of operation
 *
 *     neither option     hull-jailer becomes the program
 *     --new-pid-ns       hull-jailer -> the program, first of its namespace
 *     --daemonize        hull-jailer -> leader of a session -> the program, not a leader: it can't
 *                        come to have a terminal
 *
 * The program's process waits for a byte from the one above, which is sent when the .pid file is
 * written. hull-jailer waits at a pipe that the others hold: a byte comes when all but execve() is
 * done, which closes it. Otherwise the reason for the failure comes through it, or its end without
 * a word, and hull-jailer tells that and removes what was made.
 */

static int write_pid(const struct jail *jail, pid_t pid, struct err *err)
{
	char text[16];
	int r;

	snprintf(text, sizeof(text), "%d", pid);
	r = io_write_full(jail->tree.pid_fd, text, strlen(text));
	return r < 0 ? err_errno(err, -r, "writing the process ID") : 0;
}

static pid_t start_process(const struct jail *jail)
{
	unsigned long flags = SIGCHLD | (jail->options.new_pid_ns ? CLONE_NEWPID : 0);

	return (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
}

static void report(int fd, const struct err *err)
{
	char message[1 + sizeof(*err)] = {JAIL_FAILED};

	memcpy(message + 1, err, sizeof(*err));
	(void)io_write_full(fd, message, sizeof(message));
	_exit(1);
}

/* The process that runs the program. */
static void be_program(struct jail *jail, int go, int out, bool lead)
{
	struct err err;
	char byte;

	/* Nobody is left to be told. */
	if (io_read_full(go, &byte, 1) < 0)
		_exit(1);
	/* The end of a session's leader is a hang-up for those it leaves behind. */
	if (lead)
		setsid();
	jail_enter(jail, &err);
	report(out, &err);
}

/* Start it and let it go. Return: 0 or -errno with @err set. */
static int start_program(struct jail *jail, int out, bool lead, struct err *err)
{
	int CLEANUP_FD read_end = -1, write_end = -1;
	int p[2], r;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_errno(err, errno, "a pipe");
	read_end = p[0];
	write_end = p[1];
	jail->cpu_us += jail_cpu_us();
	pid = start_process(jail);
	if (pid < 0)
		return err_errno(err, errno, "a process%s",
			jail->options.new_pid_ns ? " in a process ID namespace" : "");
	if (!pid) {
		close(TAKE_FD(write_end));
		be_program(jail, read_end, out, lead);
	}
	r = write_pid(jail, pid, err);
	if (!r && io_write_full(write_end, "", 1) < 0)
		r = err_set(err, -EPIPE, "the program's process has ended");
	return r;
}

/* The leader of the session. */
static void lead_session(struct jail *jail, int out)
{
	struct err err;

	if (setsid() < 0) {
		err_errno(&err, errno, "--daemonize: a session");
		report(out, &err);
	}
	if (start_program(jail, out, false, &err) < 0)
		report(out, &err);
	_exit(0);
}

/* How it went, from the pipe. */
static int hear(int in, struct err *err)
{
	struct err told;
	char word = 0, last = 0;
	int r;

	while (!(r = io_read_full(in, &word, 1)) && word != JAIL_FAILED)
		last = word;
	/* Once it is ready, a failure can only come from execve(). */
	if (r == -ENODATA && last == JAIL_READY)
		return 0;
	if (!r)
		r = io_read_full(in, &told, sizeof(told));
	if (r < 0)
		return err_set(err, -ECHILD, "the program's process has ended too early");
	told.msg[sizeof(told.msg) - 1] = '\0';
	return err_set(err, told.code < 0 ? told.code : -EIO, "%s", told.msg);
}

static int launch_behind(struct jail *jail, struct err *err)
{
	int CLEANUP_FD in = -1, out = -1;
	bool lead = getsid(0) == getpid();
	pid_t pid;
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_errno(err, errno, "a pipe");
	in = p[0];
	out = p[1];
	jail->ready_fd = out;
	if (jail->options.daemonize) {
		jail->cpu_us += jail_cpu_us();
		pid = fork();
		if (pid < 0)
			return err_errno(err, errno, "--daemonize: a process");
		if (!pid)
			lead_session(jail, out);
		r = 0;
	} else {
		r = start_program(jail, out, lead, err);
	}
	close(TAKE_FD(out));
	return r < 0 ? r : hear(in, err);
}

int launch(struct jail *jail, struct err *err)
{
	int r;

	if (jail->options.daemonize || jail->options.new_pid_ns)
		return launch_behind(jail, err);
	r = write_pid(jail, getpid(), err);
	return r < 0 ? r : jail_enter(jail, err);
}
