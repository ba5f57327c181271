// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/memory_fault.h.
#include "vmm/memory_fault.h"

#include "base/err.h"
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static uint8_t *ram;
static struct err err;

/* Four pages of memory, the middle two a file's, which then has but one. */
static void cut_file(void)
{
	char path[] = "/tmp/hull-test-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(ftruncate(fd, 2 * PAGE), 0);
	ck_assert_int_eq(pwrite(fd, "file", 4, 0), 4);
	ram = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(ram, MAP_FAILED);
	ck_assert_ptr_eq(
		mmap(ram + PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0),
		ram + PAGE);
	ck_assert_int_eq(ftruncate(fd, PAGE), 0);
	close(fd);
	ram[0] = ram[3 * PAGE] = 7;
}

/* The line on stderr of one that touches the page. */
static void watch_stderr(int pipe_fds[2])
{
	ck_assert_int_eq(pipe(pipe_fds), 0);
	dup2(pipe_fds[1], STDERR_FILENO);
	close(pipe_fds[1]);
}

START_TEST(zeroes_take_its_place)
{
	volatile uint8_t *page;
	char line[400] = "";
	int fds[2];

	cut_file();
	watch_stderr(fds);
	ck_assert_int_eq(memory_fault_watch(ram, 4 * PAGE, &err), 0);
	page = ram + 2 * PAGE;
	ck_assert_uint_eq(page[5], 0);
	page[5] = 1;
	ck_assert_uint_eq(page[5], 1);
	ck_assert(ram[PAGE] == 'f' && ram[0] == 7 && ram[3 * PAGE] == 7);
	ck_assert_int_gt(read(fds[0], line, sizeof(line) - 1), 0);
	ck_assert_ptr_nonnull(strstr(line, "cut short"));
	ck_assert_ptr_eq(strchr(line, '\n')[1] ? NULL : line, line);
}
END_TEST

/* Elsewhere it means what it always does. */
START_TEST(not_ours)
{
	int status;
	pid_t pid;

	cut_file();
	/* A sanitizer has a handler of its own. */
	signal(SIGBUS, SIG_DFL);
	ck_assert_int_eq(memory_fault_watch(ram, _i ? 0 : PAGE, &err), 0);
	pid = fork();
	if (!pid) {
		*(volatile uint8_t *)(ram + 2 * PAGE) = 1;
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}
END_TEST

static void leave(int signo)
{
	_exit(42);
}

/* Whoever else waits for the signal gets it, also when the watch was set twice. */
START_TEST(not_ours_but_somebodys)
{
	int status;
	pid_t pid;

	cut_file();
	pid = fork();
	if (!pid) {
		signal(SIGBUS, leave);
		for (int i = 0; i < 2; i++)
			if (memory_fault_watch(ram, PAGE, &err) < 0)
				_exit(1);
		*(volatile uint8_t *)(ram + 2 * PAGE) = 1;
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}
END_TEST

SUITE_CASES("memory_fault", NULL, NULL, {zeroes_take_its_place}, {not_ours, 2},
	{not_ours_but_somebodys})
