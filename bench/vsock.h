// SPDX-License-Identifier: Apache-2.0
// What bench/vsock_host.c and bench/vsock_guest.c say to each other.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#define VSOCK_BENCH_PORT 5000
#define VSOCK_BENCH_CHUNK_MAX (256 * 1024)

enum vsock_bench_op {
	VSOCK_BENCH_TO_GUEST,
	VSOCK_BENCH_TO_HOST,
	VSOCK_BENCH_ECHO,
};

/* The host's first bytes; the guest answers a byte when all @total bytes are through. */
struct vsock_bench_job {
	uint32_t op;
	uint32_t chunk;
	uint64_t total;
};

static inline bool read_full(int fd, void *data, size_t n)
{
	char *p = data;

	while (n) {
		ssize_t r = read(fd, p, n);

		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}
