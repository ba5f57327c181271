// SPDX-License-Identifier: Apache-2.0
// Runs a command and writes what it cost, its threads and children included, and when its output
// held a text: "EXIT-CODE USER-US SYSTEM-US WALL-US MARK-US", of which the last is 0 where the text
// never came.
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

// Reads what the command prints to its end, and returns when text came, 0 if it never did.
static long long await(int fd, const char *text)
{
	char output[4096];
	long long at = 0;
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, output + len, sizeof(output) - 1 - len)) > 0) {
		len += n;
		output[len] = '\0';
		if (!at && strstr(output, text))
			at = now_us();
		if (len == sizeof(output) - 1) {
			// The text may have begun.
			len = *text ? strlen(text) - 1 : 0;
			memmove(output, output + sizeof(output) - 1 - len, len);
		}
	}
	return at;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	long long start, mark;
	int status, fds[2];
	FILE *out;
	pid_t pid;

	if (argc < 4) {
		fputs("usage: cputime FILE TEXT COMMAND [ARGUMENT]...\n", stderr);
		return 125;
	}
	if (pipe(fds) < 0) {
		perror("cputime");
		return 125;
	}
	start = now_us();
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execvp(argv[3], argv + 3);
		fprintf(stderr, "%s: %s\n", argv[3], strerror(errno));
		_exit(127);
	}
	close(fds[1]);
	mark = await(fds[0], argv[2]);
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
	fprintf(out, "%d %lld %lld %lld %lld\n", status, us(usage.ru_utime), us(usage.ru_stime),
		now_us() - start, mark ? mark - start : 0);
	if (fclose(out) == EOF) {
		perror(argv[1]);
		return 125;
	}
	return status;
}
