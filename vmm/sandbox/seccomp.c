// SPDX-License-Identifier: Apache-2.0
// Filters of system calls.
#include "vmm/sandbox/seccomp.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/fatal.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/filters.h"

/*
 * What the C library does by itself: memory, locks, the end of a thread and of the process, the
 * return from a signal's handler, a wait that was interrupted.
 */
/*
 * syscalls: loop, vcpu: brk, clock_gettime, exit, exit_group, futex, getpid, gettid,
 * madvise(2 == MADV_DONTNEED), mmap(2 & PROT_EXEC == 0), mprotect(2 & PROT_EXEC == 0), mremap,
 * munmap, restart_syscall, rt_sigprocmask, rt_sigreturn, write
 */

#define FILTER_MAX ARRAY_SIZE(filter_loop)
static_assert(ARRAY_SIZE(filter_vcpu) <= FILTER_MAX, "each filter fits");

/* The thread's kind, for the line that tells of its violation. */
static _Thread_local const char *thread_name = "?";

static const char *call_name(int nr)
{
	const char *name = call_names;

	if (nr < 0 || nr >= CALL_COUNT)
		return "";
	while (nr--)
		name += strlen(name) + 1;
	return name;
}

/* @text: of at least 12 bytes. Return: the digits in it. */
static const char *digits(unsigned int number, char *text)
{
	char *p = text + 11;

	*p = '\0';
	do
		*--p = (char)('0' + number % 10);
	while (number /= 10);
	return p;
}

/* Nothing of the process can be relied on: say it and go. */
static void on_violation(int signo, siginfo_t *info, void *context)
{
	char number[12], line[160] = "hull-vmm: error: seccomp: system call ";
	const char *const words[] = {call_name(info->si_syscall), " (",
		digits((unsigned int)info->si_syscall, number), ") of the ", thread_name,
		" thread is not allowed\n"};
	static const char sent[] = "hull-vmm: error: ended by SIGSYS\n";
	size_t len = strlen(line);

	if (info->si_code <= 0) {
		/* Somebody sent it. */
		len = strlen(sent);
		memcpy(line, sent, len);
	}
	for (size_t i = 0; info->si_code > 0 && i < ARRAY_SIZE(words); i++) {
		size_t n = strnlen(words[i], sizeof(line) - len);

		memcpy(line + len, words[i], n);
		len += n;
	}
	if (write(STDERR_FILENO, line, len) < 0) {
		/* There is nobody else to be told. */
	}
	_exit(FATAL_EXIT_SYS);
}

int seccomp_prepare(struct err *err)
{
	struct sigaction action = {.sa_sigaction = on_violation, .sa_flags = SA_SIGINFO};
	unsigned int trap = SECCOMP_RET_TRAP;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &trap) < 0)
		return err_set(err, -ENOTSUP,
			"jail: this host's kernel filters no system calls (%s)", strerror(errno));
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return err_errno(err, errno, "jail: SIGSYS");
	return 0;
}

int seccomp_enter(enum seccomp_thread thread)
{
	static const struct {
		const char *name;
		const struct sock_filter *code;
		unsigned short len;
	} filters[] = {
		[SECCOMP_LOOP] = {"loop", filter_loop, ARRAY_SIZE(filter_loop)},
		[SECCOMP_VCPU] = {"vcpu", filter_vcpu, ARRAY_SIZE(filter_vcpu)},
	};
	struct sock_filter code[FILTER_MAX];
	const struct sock_fprog program = {.len = filters[thread].len, .filter = code};

	for (unsigned int i = 0; i < program.len; i++) {
		code[i] = filters[thread].code[i];
		if (code[i].code == (BPF_JMP | BPF_JEQ | BPF_K) && code[i].k == SECCOMP_SELF)
			code[i].k = (uint32_t)getpid();
	}
	thread_name = filters[thread].name;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? -errno : 0;
}
