// SPDX-License-Identifier: Apache-2.0
// The system calls that a request to a host disk becomes.
#include "devices/backend/disk_call.h"

#include "base/cleanup.h"
#include "devices/backend/disk_host.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

/* Zeroes to write; nothing writes to it, so it is the kernel's one page of zeroes throughout. */
#define ZEROES_SIZE ((size_t)64 * 1024)
static uint8_t zeroes[ZEROES_SIZE];

#define ZEROES_IOV                                                                                 \
	{                                                                                          \
		.iov_base = zeroes, .iov_len = ZEROES_SIZE                                         \
	}
static const struct iovec zeroes_iov[] = {ZEROES_IOV, ZEROES_IOV, ZEROES_IOV, ZEROES_IOV,
	ZEROES_IOV, ZEROES_IOV, ZEROES_IOV, ZEROES_IOV};

/* Does direct I/O take the rest of @req? */
static bool fits_direct(const struct disk_host *host, const struct disk_req *req)
{
	uint64_t offsets = req->offset + req->moved;
	uint64_t addresses = 0;

	for (int i = 0; i < req->iov_count; i++) {
		addresses |= (uintptr_t)req->iov[i].iov_base;
		offsets |= req->iov[i].iov_len;
	}
	return !(addresses & host->memory_mask) && !(offsets & host->offset_mask);
}

static int pick_fd(const struct disk_host *host, const struct disk_req *req)
{
	return host->fds[DISK_FD_DIRECT] >= 0 && fits_direct(host, req) ? DISK_FD_DIRECT
									: DISK_FD_BUFFERED;
}

static bool makes_hole(const struct disk_host *host, const struct disk_req *req)
{
	return req->op == DISK_DISCARD || (req->unmap && !host->no_punch);
}

static void next_write_of_zeroes(struct disk_req *req, struct disk_call *ret)
{
	uint64_t whole = ret->len / ZEROES_SIZE;

	ret->kind = DISK_CALL_WRITEV;
	if (whole) {
		ret->iov = zeroes_iov;
		ret->iov_count =
			(int)(whole < ARRAY_SIZE(zeroes_iov) ? whole : ARRAY_SIZE(zeroes_iov));
		return;
	}
	req->tail = (struct iovec){.iov_base = zeroes, .iov_len = ret->len};
	ret->iov = &req->tail;
	ret->iov_count = 1;
}

void disk_call_next(const struct disk_host *host, struct disk_req *req, struct disk_call *ret)
{
	*ret = (struct disk_call){
		.fd = DISK_FD_BUFFERED,
		.iov = req->iov,
		.iov_count = req->iov_count,
		.offset = req->offset + req->moved,
		.len = req->len - req->moved,
	};
	switch (req->op) {
	case DISK_READ:
		ret->kind = DISK_CALL_READV;
		ret->fd = pick_fd(host, req);
		break;
	case DISK_WRITE:
		ret->kind = DISK_CALL_WRITEV;
		ret->fd = pick_fd(host, req);
		ret->flags = req->durable ? RWF_DSYNC : 0;
		break;
	case DISK_FLUSH:
		ret->kind = DISK_CALL_FDATASYNC;
		break;
	case DISK_DISCARD:
	case DISK_WRITE_ZEROES:
		/* All is done; only a durable request comes here then. */
		if (!ret->len) {
			ret->kind = DISK_CALL_FDATASYNC;
		} else if (makes_hole(host, req)) {
			ret->kind = DISK_CALL_FALLOCATE;
			ret->flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
		} else if (!host->no_zero) {
			ret->kind = DISK_CALL_FALLOCATE;
			ret->flags = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
		} else {
			next_write_of_zeroes(req, ret);
		}
		break;
	default:
		break;
	}
}

/* @n bytes of a read or write are through: the rest begins behind them. */
static void advance(struct disk_req *req, uint64_t n)
{
	req->moved += n;
	while (n) {
		struct iovec *first = req->iov;

		if (n < first->iov_len) {
			first->iov_base = (uint8_t *)first->iov_base + n;
			first->iov_len -= n;
			return;
		}
		n -= first->iov_len;
		req->iov++;
		req->iov_count--;
	}
}

/* A hole or zeroed range was refused: is there another way? */
static int not_supported(struct disk_host *host, struct disk_req *req)
{
	/* A discard is advice, and the file system doesn't take it. */
	if (req->op == DISK_DISCARD)
		return 0;
	if (makes_hole(host, req))
		host->no_punch = true;
	else
		host->no_zero = true;
	return 1;
}

static int zeroes_done(struct disk_host *host, struct disk_req *req, int64_t result)
{
	bool written = req->moved == req->len;

	if (result == -EOPNOTSUPP || result == -ENOSYS)
		return not_supported(host, req);
	if (result < 0)
		return (int)result;
	if (written)
		return 0;
	/* fallocate() says 0 and means all of it. */
	req->moved = result ? req->moved + (uint64_t)result : req->len;
	return req->moved < req->len || (req->durable && req->op == DISK_WRITE_ZEROES);
}

int disk_call_done(struct disk_host *host, struct disk_req *req, int64_t result)
{
	if (result == -EINTR)
		return 1;
	switch (req->op) {
	case DISK_READ:
	case DISK_WRITE:
		if (result < 0)
			return (int)result;
		/* The file ends here: it was truncated. A device takes no more: it is full. */
		if (!result)
			return req->op == DISK_READ ? -EIO : -ENOSPC;
		if ((uint64_t)result == req->len - req->moved)
			return 0;
		advance(req, (uint64_t)result);
		return 1;
	case DISK_FLUSH:
		return result < 0 ? (int)result : 0;
	case DISK_DISCARD:
	case DISK_WRITE_ZEROES:
	default:
		return zeroes_done(host, req, result);
	}
}
