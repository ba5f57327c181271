// SPDX-License-Identifier: Apache-2.0
// PID 1 of the guest that hull-bench vsock boots: a vsock server at port 5000 for
// bench/vsock_host.c.
#include "bench/vsock.h"

#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char data[VSOCK_BENCH_CHUNK_MAX];

/* One job. */
static void serve(int fd)
{
	struct vsock_bench_job job;

	if (!read_full(fd, &job, sizeof(job)) || job.chunk > sizeof(data))
		return;
	for (uint64_t left = job.total; left;) {
		size_t n = left < job.chunk ? (size_t)left : job.chunk;
		ssize_t r;

		switch (job.op) {
		case VSOCK_BENCH_TO_GUEST:
			r = read(fd, data, sizeof(data));
			break;
		case VSOCK_BENCH_TO_HOST:
			r = write(fd, data, n);
			break;
		default:
			r = read_full(fd, data, n) ? write(fd, data, n) : -1;
			break;
		}
		if (r <= 0)
			return;
		left -= (uint64_t)r;
	}
	if (write(fd, data, 1) != 1)
		return;
	/* Until the host has it. */
	read_full(fd, data, 1);
}

int main(void)
{
	static const char ready[] = "init: ready\n";
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VSOCK_BENCH_PORT};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0)
		return 1;
	if (write(STDOUT_FILENO, ready, sizeof(ready) - 1) < 0)
		return 1;
	for (;;) {
		int conn = accept(fd, NULL, NULL);

		if (conn < 0)
			return 1;
		serve(conn);
		close(conn);
	}
}
