// SPDX-License-Identifier: Apache-2.0
// Attempts: code of one's own, calls that a filter might not see, and what must go on working.
#include "tests/jail/attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* No system call has it. */
#define UNKNOWN_CALL 1000
#define X32_BIT 0x40000000
#define I386_OPEN 5

/* What must go on working, in any jail. */

static long write_nothing(void)
{
	return write(STDERR_FILENO, "", 0);
}

static long memory(void)
{
	void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	memset(p, 1, 1 << 20);
	return munmap(p, 1 << 20);
}

static long tgkill_self(void)
{
	return syscall(SYS_tgkill, getpid(), gettid(), 0);
}

static long thread_name(void)
{
	char name[16];

	return prctl(PR_GET_NAME, name, 0, 0, 0);
}

/* Code. */

static long map_executable(void)
{
	void *p = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long protect_executable(void)
{
	static char page[4096] __attribute__((aligned(4096)));

	return mprotect(page, sizeof(page), PROT_READ | PROT_EXEC);
}

static long protect_by_key(void)
{
	static char page[4096] __attribute__((aligned(4096)));

	return syscall(SYS_pkey_mprotect, page, sizeof(page), PROT_READ | PROT_EXEC, -1);
}

static long read_implies_exec(void)
{
	return personality(READ_IMPLIES_EXEC);
}

static long make_memfd(void)
{
	return memfd_create("probe", 0);
}

/* Other tables of system calls, and what a filter might not see. */

static long x32(void)
{
	return syscall(X32_BIT | SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static long int80(void)
{
	char *path = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long r;

	if (path == MAP_FAILED)
		return -1;
	strcpy(path, "/etc/passwd");
	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(I386_OPEN), "b"(path), "c"(O_RDONLY), "d"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	r = (int)r;
	errno = r < 0 ? (int)-r : 0;
	return r;
}

static long unknown_call(void)
{
	return syscall(UNKNOWN_CALL);
}

static long negative_call(void)
{
	return syscall(-2);
}

static long ignore_violations(void)
{
	return signal(SIGSYS, SIG_IGN) == SIG_ERR ? -1 : 0;
}

/* A signal that is blocked and has to be delivered all the same ends the process. */
static long behind_mask(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	return chroot("/");
}

static const struct attempt rows[] = {
	{"writing", write_nothing, CALL(write), ALL_TOO(DONE), BARE},
	{"memory", memory, CALL(mmap), ALL_TOO(DONE), BARE},
	{"a signal to itself", tgkill_self, CALL(tgkill), LOOP_TOO(DONE), BARE},
	{"the thread's name", thread_name, CALL(prctl), ALL_TOO(DONE), BARE},

	{"map executable memory", map_executable, CALL(mmap), WITHOUT(DONE), BARE},
	{"make memory executable", protect_executable, CALL(mprotect), WITHOUT(DONE), BARE},
	{"the same by a key", protect_by_key, CALL(pkey_mprotect), WITHOUT(DONE), BARE},
	{"personality", read_implies_exec, CALL(personality), WITHOUT(DONE), BARE},
	{"memfd_create", make_memfd, CALL(memfd_create), WITHOUT(DONE), BARE},

	{"an x32 call", x32, NULL, 0, WITHOUT(NOT(ENOSYS, ENOENT))},
	{"an int $0x80 call", int80, NULL, 0, WITHOUT(NOT(ENOENT)), BARE},
	{"an unknown call", unknown_call, "", UNKNOWN_CALL, WITHOUT(NOT(ENOSYS))},
	{"a negative call", negative_call, NULL, 0, WITHOUT(NOT(ENOSYS))},
	{"ignore SIGSYS", ignore_violations, CALL(rt_sigaction), WITHOUT(DONE), BARE},
	{"a call behind a mask", behind_mask, NULL, 0, WITHOUT(NOT(EPERM)), .bare_root = true},
};

const struct attempts attempts_code = {rows, sizeof(rows) / sizeof(rows[0])};
