// SPDX-License-Identifier: Apache-2.0
// The system calls that a request to a host disk becomes, one after the other.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct disk_host;
struct disk_req;
struct iovec;

/*
 * Theory of operation
 *
 *     start --> disk_call_next() --> the call --> disk_call_done() --> done
 *                     ^                                 |
 *                     +---- short, or not supported ----+
 *
 * Most requests are one call. Short reads and writes go on with the rest. Zeroes are a hole or a
 * zeroed range of the host's file, or are written where its file system has neither; what of that
 * must be durable is followed by a flush. The two backends differ only in how they make the call.
 */

enum disk_call_kind {
	DISK_CALL_READV,
	DISK_CALL_WRITEV,
	DISK_CALL_FDATASYNC,
	DISK_CALL_FALLOCATE,
};

/*
 * struct disk_call - one system call
 * @fd:		index into struct disk_host's fds
 * @flags:	RWF_ or FALLOC_FL_
 * @iov, @iov_count: readv and writev
 * @offset, @len: bytes
 */
struct disk_call {
	enum disk_call_kind kind;
	int fd;
	int flags;
	int iov_count;
	const struct iovec *iov;
	uint64_t offset;
	uint64_t len;
};

/* disk_call_next() - the call to make now; @ret points into @req. */
void disk_call_next(const struct disk_host *host, struct disk_req *req, struct disk_call *ret);

/*
 * disk_call_done() - the call has returned
 * @result:	as the system call gave it, or -errno
 *
 * Return: 1 if another call is due; else the request's result, 0 or -errno.
 */
int disk_call_done(struct disk_host *host, struct disk_req *req, int64_t result);
