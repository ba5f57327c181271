// SPDX-License-Identifier: Apache-2.0
// Runs a command and writes what it cost: "EXIT-CODE USER-US SYSTEM-US WALL-US", its threads and
// children included.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static long long us(struct timeval tv)
{
	return tv.tv_sec * 1000000LL + tv.tv_usec;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	long long start;
	int status;
	FILE *out;
	pid_t pid;

	if (argc < 3) {
		fputs("usage: cputime FILE COMMAND [ARGUMENT]...\n", stderr);
		return 125;
	}
	start = now_us();
	pid = fork();
	if (!pid) {
		execvp(argv[2], argv + 2);
		fprintf(stderr, "%s: %s\n", argv[2], strerror(errno));
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0) {
		perror("cputime");
		return 125;
	}
	out = fopen(argv[1], "a");
	if (!out) {
		perror(argv[1]);
		return 125;
	}
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	fprintf(out, "%d %lld %lld %lld\n", status, us(usage.ru_utime), us(usage.ru_stime),
		now_us() - start);
	if (fclose(out) == EOF) {
		perror(argv[1]);
		return 125;
	}
	return status;
}
