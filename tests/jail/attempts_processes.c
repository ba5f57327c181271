// SPDX-License-Identifier: Apache-2.0
// Attempts: what other processes would give, and further ones.
#include "tests/jail/attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* More than the jail's limit of threads. */
#define FORKS_MAX 300

/* Other processes. */

static long ptrace_parent(void)
{
	return ptrace(PTRACE_SEIZE, attempts_target.pid, 0, 0);
}

static long read_parent(void)
{
	char text[sizeof(attempts_target.secret)];
	struct iovec mine = {text, sizeof(text)}, theirs = {attempts_target.secret, sizeof(text)};

	return process_vm_readv(attempts_target.pid, &mine, 1, &theirs, 1, 0);
}

static long compare_parent(void)
{
	return syscall(SYS_kcmp, getpid(), attempts_target.pid, 1 /* KCMP_VM */, 0, 0);
}

static long take_from_parent(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, attempts_target.pid, 0);

	return pidfd < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, STDIN_FILENO, 0);
}

static long limit_parent(void)
{
	struct rlimit limit;

	return prlimit(attempts_target.pid, RLIMIT_NOFILE, NULL, &limit);
}

static long kill_parent(void)
{
	return kill(attempts_target.pid, 0);
}

static long kill_init(void)
{
	return kill(1, 0);
}

static long tgkill_parent(void)
{
	return syscall(SYS_tgkill, attempts_target.pid, attempts_target.pid, 0);
}

static long tkill_parent(void)
{
	return syscall(SYS_tkill, attempts_target.pid, 0);
}

static long own_parent(void)
{
	struct f_owner_ex owner = {F_OWNER_PID, attempts_target.pid};

	return fcntl(STDERR_FILENO, F_SETOWN_EX, &owner);
}

static long attach_shm(void)
{
	return shmget(attempts_target.pid, 4096, 0);
}

static long do_fork(void)
{
	long pid = syscall(SYS_fork);

	if (!pid)
		_exit(0);
	return pid;
}

static long do_clone(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!pid)
		_exit(0);
	return pid;
}

static long do_clone3(void)
{
	struct {
		uint64_t words[8];
	} args = {{[4] = SIGCHLD}};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (!pid)
		_exit(0);
	return pid;
}

static long fork_without_end(void)
{
	pid_t pids[FORKS_MAX];
	long pid = 0;
	int count = 0, saved;

	while (count < FORKS_MAX && (pid = syscall(SYS_fork)) > 0)
		pids[count++] = (pid_t)pid;
	if (!pid) {
		/* Should nobody end it. */
		alarm(30);
		for (;;)
			pause();
	}
	saved = errno;
	while (count--)
		kill(pids[count], SIGKILL);
	errno = saved;
	return pid;
}

static long do_execve(void)
{
	char name[] = "sh", *argv[] = {name, NULL};

	return execve("/bin/sh", argv, argv + 1);
}

static long do_execveat(void)
{
	char name[] = "sh", *argv[] = {name, NULL};

	return syscall(SYS_execveat, attempts_target.host_root, "bin/sh", argv, argv + 1, 0);
}

static const struct attempt rows[] = {
	{"ptrace", ptrace_parent, CALL(ptrace), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"process_vm_readv", read_parent, CALL(process_vm_readv), WITHOUT(NOT(EPERM)),
		.bare_root = true},
	{"kcmp", compare_parent, CALL(kcmp), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"pidfd_getfd", take_from_parent, CALL(pidfd_open), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"limits of the parent", limit_parent, CALL(prlimit64), .root = NOT(EPERM), .user = DONE,
		BARE},
	{"kill the parent", kill_parent, CALL(kill), .root = NOT(EPERM), .user = DONE,
		.scoped = true, BARE},
	{"kill init", kill_init, CALL(kill), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"tgkill the parent", tgkill_parent, CALL(tgkill), .root = NOT(EPERM), .user = DONE,
		.scoped = true, BARE},
	{"tkill the parent", tkill_parent, CALL(tkill), .root = NOT(EPERM), .user = DONE,
		.scoped = true, BARE},
	{"signals by fcntl", own_parent, CALL(fcntl), WITHOUT(DONE), BARE},
	{"shared memory", attach_shm, CALL(shmget), WITHOUT(NOT(ENOENT)), BARE},
	{"fork", do_fork, CALL(fork), WITHOUT(DONE), BARE},
	{"clone", do_clone, CALL(clone), WITHOUT(DONE), BARE},
	{"clone3", do_clone3, CALL(clone3), WITHOUT(DONE), BARE},
	{"fork without end", fork_without_end, CALL(fork), WITHOUT(NOT(EAGAIN)), BARE},
	{"execve", do_execve, CALL(execve), WITHOUT(NOT(ENOENT))},
	{"execveat", do_execveat, CALL(execveat), WITHOUT(NOT(EACCES))},
};

const struct attempts attempts_processes = {rows, sizeof(rows) / sizeof(rows[0])};
