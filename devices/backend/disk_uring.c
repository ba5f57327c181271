// SPDX-License-Identifier: Apache-2.0
// A host disk, read and written through io_uring.
#include "base/cleanup.h"
#include "base/loop.h"
#include "devices/backend/disk_call.h"
#include "devices/backend/disk_host.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/epoll.h>

/*
 * syscalls: loop: close, io_uring_enter, io_uring_register(1 == IORING_REGISTER_SYNC_CANCEL),
 * io_uring_register(1 == IORING_UNREGISTER_RING_FDS), munmap; start: io_uring_register,
 * io_uring_setup, mmap
 */

/*
 * Theory of operation
 *
 *     start: a submission entry; nothing is told to the kernel
 *     commit: one io_uring_enter() for the batch. What the page cache answers is complete when it
 *             returns and is taken at once
 *     the ring's descriptor becomes readable, in the loop: completions are taken from shared
 *             memory, without a system call
 *
 * An eventfd instead of the ring's own descriptor would have to be rung by the kernel also for what
 * commit takes at once. Putting off the kernel's part of completions until they are asked for
 * (DEFER_TASKRUN) would need that, since such a ring isn't readable while they are put off, and a
 * system call to ask.
 *
 * Neither descriptors nor guest memory are registered. A registered file stays open, and so locked,
 * until the kernel has taken the ring apart, some time after the process has ended: the next VM
 * would find its disk in use. Registering memory pins it, and with it all pages that the guest gave
 * back or never touched.
 *
 * The completion queue may overflow when a guest has more requests in flight than it has room; the
 * kernel keeps them until there is.
 */

/* Entries: what one commit can hold; a larger batch takes more commits. */
#define RING_ENTRIES 128

struct disk_uring {
	struct disk disk;
	struct disk_host host;
	struct loop *loop;
	struct loop_source src;
	struct io_uring ring;
	unsigned int in_flight;
	bool cancelling;
};

static struct disk_uring *to_disk_uring(struct disk *disk)
{
	return container_of(disk, struct disk_uring, disk);
}

/* Hand over what is noted, then wait for that many completions. Return: 0 or -errno. */
static int enter(struct disk_uring *du, unsigned int wait_for)
{
	int r;

	do
		r = io_uring_submit_and_wait(&du->ring, wait_for);
	while (r == -EINTR);
	return r < 0 ? r : 0;
}

static void reap(struct disk_uring *du);

static struct io_uring_sqe *get_sqe(struct disk_uring *du)
{
	struct io_uring_sqe *sqe;

	/* Full: make room, in the completion queue too if that is what is missing. */
	while (!(sqe = io_uring_get_sqe(&du->ring)))
		if (enter(du, 0) < 0)
			reap(du);
	return sqe;
}

static void prepare(struct disk_uring *du, struct disk_req *req)
{
	struct io_uring_sqe *sqe = get_sqe(du);
	struct disk_call call;
	int fd;

	disk_call_next(&du->host, req, &call);
	fd = du->host.fds[call.fd];
	switch (call.kind) {
	case DISK_CALL_READV:
		/* One buffer needs no copy of the array in the kernel. */
		if (call.iov_count == 1)
			io_uring_prep_read(sqe, fd, call.iov->iov_base,
				(unsigned int)call.iov->iov_len, call.offset);
		else
			io_uring_prep_readv(
				sqe, fd, call.iov, (unsigned int)call.iov_count, call.offset);
		break;
	case DISK_CALL_WRITEV:
		if (call.iov_count == 1)
			io_uring_prep_write(sqe, fd, call.iov->iov_base,
				(unsigned int)call.iov->iov_len, call.offset);
		else
			io_uring_prep_writev(
				sqe, fd, call.iov, (unsigned int)call.iov_count, call.offset);
		sqe->rw_flags = call.flags;
		break;
	case DISK_CALL_FDATASYNC:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	case DISK_CALL_FALLOCATE:
	default:
		/* The library's parameters are off_t. */
		io_uring_prep_fallocate(sqe, fd, call.flags, (off_t)call.offset, (off_t)call.len);
		break;
	}
	io_uring_sqe_set_data(sqe, req);
}

/* Take all completions that are there. What has to go on is noted for the next enter(). */
static void reap(struct disk_uring *du)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&du->ring, &cqe) == 0) {
		struct disk_req *req = io_uring_cqe_get_data(cqe);
		int result = cqe->res, r;

		io_uring_cqe_seen(&du->ring, cqe);
		r = disk_call_done(&du->host, req, result);
		if (r > 0 && !du->cancelling) {
			prepare(du, req);
			continue;
		}
		du->in_flight--;
		req->done(req, r > 0 ? -ECANCELED : r);
	}
}

/*
 * Hand over all that is noted, also what reaping adds. If the kernel has no memory for it now, the
 * loop comes back for it: EPOLLOUT says that there is room in the submission queue, so always.
 */
static void push(struct disk_uring *du)
{
	int r = 0;

	reap(du);
	while (!r && io_uring_sq_ready(&du->ring)) {
		r = enter(du, 0);
		reap(du);
	}
	loop_mod(du->loop, &du->src, EPOLLIN | (io_uring_sq_ready(&du->ring) ? EPOLLOUT : 0));
}

static void on_ring(struct loop_source *src, uint32_t events)
{
	struct disk_uring *du = container_of(src, struct disk_uring, src);

	push(du);
	du->disk.batch_done(du->disk.owner);
}

static void disk_uring_start(struct disk *disk, struct disk_req *req)
{
	struct disk_uring *du = to_disk_uring(disk);

	du->in_flight++;
	prepare(du, req);
}

static void disk_uring_commit(struct disk *disk)
{
	struct disk_uring *du = to_disk_uring(disk);

	if (io_uring_sq_ready(&du->ring))
		push(du);
}

static void disk_uring_drain(struct disk *disk)
{
	struct disk_uring *du = to_disk_uring(disk);

	while (du->in_flight) {
		enter(du, 1);
		reap(du);
	}
}

static void disk_uring_cancel(struct disk *disk)
{
	struct io_uring_sync_cancel_reg reg = {
		.fd = -1,
		.flags = IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY,
		/* At once: waiting is what drain does. */
		.timeout = {0, 0},
	};
	struct disk_uring *du = to_disk_uring(disk);

	if (!du->in_flight)
		return;
	du->cancelling = true;
	enter(du, 0);
	reap(du);
	/* Before Linux 6.0, and for what a worker has begun, there is only waiting. */
	if (du->in_flight)
		io_uring_register_sync_cancel(&du->ring, &reg);
	disk_uring_drain(disk);
	du->cancelling = false;
}

static int disk_uring_refresh(struct disk *disk)
{
	return disk_host_refresh(&to_disk_uring(disk)->host, disk);
}

static void disk_uring_free(struct disk *disk)
{
	struct disk_uring *du = to_disk_uring(disk);

	loop_del(du->loop, &du->src);
	io_uring_queue_exit(&du->ring);
	disk_host_close(&du->host);
	free(du);
}

static const struct disk_ops disk_uring_ops = {
	.start = disk_uring_start,
	.commit = disk_uring_commit,
	.drain = disk_uring_drain,
	.cancel = disk_uring_cancel,
	.refresh = disk_uring_refresh,
	.free = disk_uring_free,
};

/*
 * What a ring may do: the kernel does it without asking a filter of system calls, so whoever had
 * taken over this process could do anything through a ring without bounds (Linux 5.10).
 */
static int ring_restrict(struct io_uring *ring)
{
	static const uint8_t ops[] = {IORING_OP_READ, IORING_OP_READV, IORING_OP_WRITE,
		IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE};
	static const uint8_t registers[] = {IORING_REGISTER_SYNC_CANCEL, IORING_REGISTER_RING_FDS,
		IORING_UNREGISTER_RING_FDS, IORING_REGISTER_ENABLE_RINGS};
	struct io_uring_restriction allowed[ARRAY_SIZE(ops) + ARRAY_SIZE(registers)] = {0};
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		allowed[n++] = (struct io_uring_restriction){
			.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = ops[i]};
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		allowed[n++] = (struct io_uring_restriction){
			.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = registers[i]};
	return io_uring_register_restrictions(ring, allowed, n);
}

/* With what makes a ring of one thread cheaper, as far as the kernel knows it (Linux 6.0). */
static int ring_init(struct io_uring *ring)
{
	int r = io_uring_queue_init(RING_ENTRIES, ring,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CLAMP |
			IORING_SETUP_SUBMIT_ALL | IORING_SETUP_R_DISABLED);

	if (r == -EINVAL)
		r = io_uring_queue_init(
			RING_ENTRIES, ring, IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED);
	if (r < 0)
		return r;
	r = ring_restrict(ring);
	if (!r)
		r = io_uring_enable_rings(ring);
	if (r < 0)
		io_uring_queue_exit(ring);
	return r;
}

int disk_uring_new(
	struct loop *loop, const struct disk_host *host, const struct disk *disk, struct disk **ret)
{
	struct disk_uring *du = malloc(sizeof(*du));
	int r;

	if (!du)
		return -ENOMEM;
	*du = (struct disk_uring){.disk = *disk, .host = *host, .loop = loop, .src.fd = -1};
	du->disk.ops = &disk_uring_ops;
	r = ring_init(&du->ring);
	if (r < 0) {
		free(du);
		return r;
	}
	r = loop_add(loop, &du->src, du->ring.ring_fd, EPOLLIN, on_ring);
	if (r < 0) {
		io_uring_queue_exit(&du->ring);
		free(du);
		return r;
	}
	/* Spares a look-up at each enter; without it all works the same. */
	io_uring_register_ring_fd(&du->ring);
	*ret = &du->disk;
	return 0;
}
