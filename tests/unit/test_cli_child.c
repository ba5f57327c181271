// SPDX-License-Identifier: Apache-2.0
// Tests of cli/child.h. Control groups are for the integration tests.
#include "cli/child.h"

#include "base/err.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct err err;
static int seen;

static int open_null(void *arg, struct err *why)
{
	seen = 1;
	return open(arg, O_RDONLY | O_CLOEXEC);
}

static int be_bad(void *arg, struct err *why)
{
	return err_set(why, -ERANGE, "%s is bad", (const char *)arg);
}

static int be_killed(void *arg, struct err *why)
{
	raise(SIGKILL);
	return 0;
}

START_TEST(a_call_shares_descriptors_and_no_memory)
{
	char path[] = "/dev/null";
	int fd = spawn_call(-1, open_null, path, &err);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	ck_assert_int_eq(seen, 0);
	close(fd);
}
END_TEST

START_TEST(a_call_that_fails)
{
	char text[] = "this";

	ck_assert_int_eq(spawn_call(-1, be_bad, text, &err), -ERANGE);
	ck_assert_str_eq(err.msg, "this is bad");
	ck_assert_int_eq(spawn_call(-1, be_killed, NULL, &err), -EIO);
	ck_assert_str_eq(err.msg, "a process in the control group was killed");
}
END_TEST

/* Run a script as a fresh program. Return: its exit code. */
static int run(const char *script, const int *fds, size_t count)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	const struct spawn spawn = {
		.program = "sh",
		.argv = (char *const *)(uintptr_t)argv,
		.fds = fds,
		.fd_count = count,
		.cgroup_fd = -1,
	};
	pid_t pid = spawn_start(&spawn);
	int status;

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(a_fresh_program)
{
	sigset_t set, before, after;
	int spare = fcntl(STDIN_FILENO, F_DUPFD, 50), fds[2] = {-1, spare};

	ck_assert_int_ge(spare, 50);
	sigemptyset(&set);
	sigemptyset(&before);
	sigemptyset(&after);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGHUP, SIG_IGN);
	sigprocmask(SIG_BLOCK, NULL, &before);
	/* 3 is empty, 4 is ours; of those further up, the one that lists them is gone with it. */
	ck_assert_int_eq(run("test ! -e /proc/self/fd/3 && test -e /proc/self/fd/4 && "
			     "test ! -e /proc/self/fd/50 && test ! -e /proc/$$/fd/5",
				 fds, 2),
		0);
	ck_assert_int_eq(run("read line </proc/$$/stat; set -- $line; test $6 = $$", NULL, 0), 0);
	ck_assert_int_eq(run("test $(readlink /proc/$$/fd/0) = /dev/null && "
			     "test $(readlink /proc/$$/fd/1) = /dev/null",
				 NULL, 0),
		0);
	ck_assert_int_eq(run("grep -q 'SigBlk:.0000000000000000' /proc/self/status && "
			     "grep -q 'SigIgn:.0000000000000000' /proc/self/status",
				 NULL, 0),
		0);
	sigprocmask(SIG_BLOCK, NULL, &after);
	ck_assert_mem_eq(&before, &after, _NSIG / 8);
	close(spare);
}
END_TEST

START_TEST(what_is_no_program)
{
	const char *const argv[] = {"x", NULL};
	struct spawn spawn = {
		.program = "/dev/null/x", .argv = (char *const *)(uintptr_t)argv, .cgroup_fd = -1};

	ck_assert_int_eq(spawn_start(&spawn), -ENOTDIR);
	spawn.program = "no-such-program-anywhere";
	ck_assert_int_eq(spawn_start(&spawn), -ENOENT);
	spawn.program = "/dev/null";
	ck_assert_int_eq(spawn_start(&spawn), -EACCES);
	/* A plain directory is no group. */
	spawn.program = "/bin/true";
	spawn.cgroup_fd = open("/", O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(spawn_start(&spawn), -EBADF);
	close(spawn.cgroup_fd);
	/* Nobody is left to wait for. */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

SUITE("cli_child", a_call_shares_descriptors_and_no_memory, a_call_that_fails, a_fresh_program,
	what_is_no_program)
