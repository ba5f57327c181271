// SPDX-License-Identifier: Apache-2.0
// bench-vsock-host unix:PATH|vsock:CID to-guest|to-host|echo CHUNK TOTAL: does one job with the
// guest of bench/vsock_guest.c and prints how many microseconds it took.
#include "bench/vsock.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static char data[VSOCK_BENCH_CHUNK_MAX];

static int dial_unix(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char c = 0;

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -1;
	dprintf(fd, "CONNECT %d\n", VSOCK_BENCH_PORT);
	while (c != '\n')
		if (read(fd, &c, 1) != 1)
			return -1;
	return fd;
}

static int dial_vsock(const char *cid)
{
	struct sockaddr_vm addr = {.svm_family = AF_VSOCK,
		.svm_cid = (unsigned int)strtoul(cid, NULL, 10),
		.svm_port = VSOCK_BENCH_PORT};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -1 : fd;
}

static bool work(int fd, const struct vsock_bench_job *job)
{
	for (uint64_t left = job->total; left;) {
		size_t n = left < job->chunk ? (size_t)left : job->chunk;
		ssize_t r;

		switch (job->op) {
		case VSOCK_BENCH_TO_GUEST:
			r = write(fd, data, n);
			break;
		case VSOCK_BENCH_TO_HOST:
			r = read(fd, data, left < sizeof(data) ? (size_t)left : sizeof(data));
			break;
		default:
			r = write(fd, data, n) == (ssize_t)n && read_full(fd, data, n) ? (ssize_t)n
										       : -1;
			break;
		}
		if (r <= 0)
			return false;
		left -= (uint64_t)r;
	}
	return read_full(fd, data, 1);
}

int main(int argc, char **argv)
{
	struct vsock_bench_job job = {0};
	struct timespec a, b;
	int fd;

	if (argc != 5) {
		fputs("usage: bench-vsock-host unix:PATH|vsock:CID to-guest|to-host|echo CHUNK "
		      "TOTAL\n",
			stderr);
		return 2;
	}
	fd = strncmp(argv[1], "unix:", 5) ? dial_vsock(argv[1] + 6) : dial_unix(argv[1] + 5);
	if (fd < 0) {
		fprintf(stderr, "%s: cannot be reached: %s\n", argv[1], strerror(errno));
		return 3;
	}
	job.op = !strcmp(argv[2], "to-guest")  ? VSOCK_BENCH_TO_GUEST
		 : !strcmp(argv[2], "to-host") ? VSOCK_BENCH_TO_HOST
					       : VSOCK_BENCH_ECHO;
	job.chunk = (uint32_t)strtoul(argv[3], NULL, 10);
	job.total = strtoull(argv[4], NULL, 10);
	clock_gettime(CLOCK_MONOTONIC, &a);
	if (write(fd, &job, sizeof(job)) != sizeof(job) || !work(fd, &job)) {
		fprintf(stderr, "%s: the connection ended before its job\n", argv[1]);
		return 4;
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%lld\n",
		(long long)(b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000);
	return 0;
}
