// SPDX-License-Identifier: Apache-2.0
// Runs a command to the end of all its processes, however long its children outlive it, and writes
// what that cost.
//
// It is a program of its own because Python would take its share of the one CPU of an
// instruction-counting machine, and because it must be small: what a fork copies is the command's
// cost, too.
#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_FAULT 125

static const char help[] =
	"usage: hull-bench-run [--mark TEXT] [--timeout SECONDS] [--clock FILE] [--output FILE] "
	"OUT COMMAND [ARGUMENT]...\n"
	"\n"
	"Writes one line of JSON to OUT. Times are in us since the exec of COMMAND, but for "
	"start_ns, of CLOCK_MONOTONIC:\n"
	"  exit            exit code, or 128+N, of COMMAND\n"
	"  timeout         true: it, or a process that it left behind, had to be ended\n"
	"  first_us        first byte of output, 0 = none\n"
	"  mark_us         TEXT came, 0 = never\n"
	"  mark_cpu_us     CPU time of COMMAND and of those of its processes that live then\n"
	"  exit_us         COMMAND's end\n"
	"  wall_us         the last process's end\n"
	"  user_us, system_us, resident_kib, instructions (null where there is no counter)\n"
	"--clock FILE: take the time of --timeout from this file, in seconds; for machines whose "
	"clock leaps.\n"
	"--output FILE: keep COMMAND's output there.\n"
	"SIGTERM and the end of the process that started it end all of COMMAND's processes.\n";

/*
 * struct job - a command and what is known of it
 * @keep_fd:	where its output is kept, or -1
 * @tail:	end of its output, in which the mark's beginning may be
 */
struct job {
	const char *mark;
	const char *clock_path;
	long timeout_s;
	pid_t pid;
	int out_fd;
	int keep_fd;
	int perf_fd;
	uint64_t start_ns;
	uint64_t first_ns, mark_ns, exit_ns, end_ns;
	uint64_t mark_cpu_ns;
	int status;
	bool timed_out;
	bool all_ended;
	char tail[4096];
	size_t tail_len;
};

static int open_counter(pid_t pid)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.disabled = 1,
		.inherit = 1,
		.enable_on_exec = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Calls fn for each child of a process's first thread, which is all that a command's processes have
 * as a rule. */
static uint64_t each_child(pid_t pid, uint64_t (*fn)(pid_t))
{
	char path[64];
	char CLEANUP_FREE *word = NULL;
	size_t size = 0;
	uint64_t sum = 0;
	FILE *in;
	long child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	in = fopen(path, "re");
	if (!in)
		return 0;
	while (getdelim(&word, &size, ' ', in) > 0)
		if ((child = strtol(word, NULL, 10)) > 0)
			sum += fn((pid_t)child);
	fclose(in);
	return sum;
}

/* Of all threads of the process and of those below it, in ns. */
static uint64_t cpu_of(pid_t pid)
{
	clockid_t clock;

	return (clock_getcpuclockid(pid, &clock) ? 0 : clock_read(clock)) + each_child(pid, cpu_of);
}

static uint64_t end(pid_t pid)
{
	kill(pid, SIGKILL);
	return 1;
}

/* In seconds. */
static long now_s(const struct job *job)
{
	char line[32];
	FILE *in;
	long s = 0;

	if (!job->clock_path)
		return (long)(clock_ms() / 1000);
	in = fopen(job->clock_path, "re");
	if (!in || !fgets(line, sizeof(line), in) || (s = strtol(line, NULL, 10)) <= 0) {
		fprintf(stderr, "hull-bench-run: %s: cannot be read\n", job->clock_path);
		exit(EXIT_FAULT);
	}
	fclose(in);
	return s;
}

static void start(struct job *job, char **argv)
{
	int out[2], go[2];
	sigset_t none;
	char c;

	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0) {
		perror("hull-bench-run");
		exit(EXIT_FAULT);
	}
	job->pid = fork();
	if (!job->pid) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(out[1], STDOUT_FILENO);
		close(go[1]);
		if (read(go[0], &c, 1) == 1) {
			execvp(argv[0], argv);
			fprintf(stderr, "hull-bench-run: %s: %s\n", argv[0], strerror(errno));
		}
		_exit(127);
	}
	if (job->pid < 0) {
		perror("hull-bench-run");
		exit(EXIT_FAULT);
	}
	close(out[1]);
	close(go[0]);
	job->out_fd = out[0];
	job->perf_fd = open_counter(job->pid);
	job->start_ns = clock_ns();
	if (write(go[1], "", 1) < 0)
		perror("hull-bench-run");
	close(go[1]);
}

static void take_output(struct job *job)
{
	size_t keep;
	ssize_t n =
		read(job->out_fd, job->tail + job->tail_len, sizeof(job->tail) - 1 - job->tail_len);

	if (n <= 0) {
		close(job->out_fd);
		job->out_fd = -1;
		return;
	}
	if (!job->first_ns)
		job->first_ns = clock_ns();
	if (job->keep_fd >= 0 && write(job->keep_fd, job->tail + job->tail_len, (size_t)n) != n) {
		perror("hull-bench-run: --output");
		exit(EXIT_FAULT);
	}
	job->tail_len += (size_t)n;
	if (!job->mark || job->mark_ns) {
		job->tail_len = 0;
		return;
	}
	if (memmem(job->tail, job->tail_len, job->mark, strlen(job->mark))) {
		job->mark_ns = clock_ns();
		job->mark_cpu_ns = cpu_of(job->pid);
		return;
	}
	keep = strlen(job->mark) - 1;
	if (job->tail_len > keep) {
		memmove(job->tail, job->tail + job->tail_len - keep, keep);
		job->tail_len = keep;
	}
}

static void reap(struct job *job)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != job->pid)
			continue;
		job->exit_ns = clock_ns();
		job->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	if (pid < 0) {
		job->end_ns = clock_ns();
		job->all_ended = true;
	}
}

static void follow(struct job *job, int signal_fd)
{
	long deadline = now_s(job) + job->timeout_s;
	unsigned int events = 0;

	while (!job->all_ended || job->out_fd >= 0) {
		struct pollfd fds[2] = {
			{.fd = signal_fd, .events = POLLIN},
			{.fd = job->out_fd, .events = POLLIN},
		};
		struct signalfd_siginfo info;
		int n = poll(fds, 2, job->timed_out ? 20 : 1000);

		if (fds[1].revents)
			take_output(job);
		if (fds[0].revents && read(signal_fd, &info, sizeof(info)) == sizeof(info) &&
			info.ssi_signo != SIGCHLD)
			job->timed_out = true;
		if (!job->all_ended)
			reap(job);
		/* A file to be read is not asked at each byte of output. */
		if (n && job->clock_path && ++events % 256)
			continue;
		if (!job->timed_out && now_s(job) >= deadline)
			job->timed_out = true;
		if (job->timed_out && !job->all_ended)
			/* Their children become ours then. */
			each_child(getpid(), end);
	}
}

static int report(const struct job *job, const char *path)
{
	struct rusage usage;
	uint64_t count;
	FILE *out = fopen(path, "we");

	if (!out) {
		perror(path);
		return EXIT_FAULT;
	}
	getrusage(RUSAGE_CHILDREN, &usage);
	fprintf(out,
		"{\"exit\": %d, \"timeout\": %s, \"start_ns\": %llu, \"first_us\": %llu, "
		"\"mark_us\": %llu, "
		"\"mark_cpu_us\": %llu, \"exit_us\": %llu, \"wall_us\": %llu, ",
		job->status, job->timed_out ? "true" : "false", (unsigned long long)job->start_ns,
		(unsigned long long)(job->first_ns ? (job->first_ns - job->start_ns) / 1000 : 0),
		(unsigned long long)(job->mark_ns ? (job->mark_ns - job->start_ns) / 1000 : 0),
		(unsigned long long)job->mark_cpu_ns / 1000,
		(unsigned long long)(job->exit_ns - job->start_ns) / 1000,
		(unsigned long long)(job->end_ns - job->start_ns) / 1000);
	fprintf(out, "\"user_us\": %lld, \"system_us\": %lld, \"resident_kib\": %ld, ",
		usage.ru_utime.tv_sec * 1000000LL + usage.ru_utime.tv_usec,
		usage.ru_stime.tv_sec * 1000000LL + usage.ru_stime.tv_usec, usage.ru_maxrss);
	if (job->perf_fd >= 0 && read(job->perf_fd, &count, sizeof(count)) == sizeof(count) &&
		count)
		fprintf(out, "\"instructions\": %llu}\n", (unsigned long long)count);
	else
		fputs("\"instructions\": null}\n", out);
	if (fclose(out) == EOF) {
		perror(path);
		return EXIT_FAULT;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"mark", required_argument, NULL, 'm'},
		{"timeout", required_argument, NULL, 't'},
		{"clock", required_argument, NULL, 'c'},
		{"output", required_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	struct job job = {.timeout_s = 60, .keep_fd = -1};
	int CLEANUP_FD signal_fd = -1;
	const char *keep = NULL;
	sigset_t signals;
	int word;

	while ((word = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (word == 'm')
			job.mark = optarg;
		else if (word == 't')
			job.timeout_s = strtol(optarg, NULL, 10);
		else if (word == 'c')
			job.clock_path = optarg;
		else if (word == 'o')
			keep = optarg;
		else
			optind = argc;
	}
	if (argc - optind < 2 || job.timeout_s <= 0 ||
		(job.mark && (!*job.mark || strlen(job.mark) > sizeof(job.tail) / 2))) {
		fputs(help, stderr);
		return EXIT_FAULT;
	}
	if (keep) {
		job.keep_fd = open(keep, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (job.keep_fd < 0) {
			perror(keep);
			return EXIT_FAULT;
		}
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	if (signal_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0) {
		perror("hull-bench-run");
		return EXIT_FAULT;
	}
	start(&job, argv + optind + 1);
	follow(&job, signal_fd);
	return report(&job, argv[optind]);
}
