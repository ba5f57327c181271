// SPDX-License-Identifier: Apache-2.0
// A disk in an array.
#include "tests/lib/fake_disk.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

static struct fake_disk *to_fake(struct disk *disk)
{
	return container_of(disk, struct fake_disk, disk);
}

/* Out of range would be the device's mistake: the sanitizer's to tell. */
static void fake_move(struct fake_disk *fd, struct disk_req *req)
{
	uint8_t *at = fd->data + req->offset;
	uint64_t len = 0;

	switch (req->op) {
	case DISK_READ:
	case DISK_WRITE:
		for (int i = 0; i < req->iov_count; i++) {
			if (req->op == DISK_WRITE)
				memcpy(at + len, req->iov[i].iov_base, req->iov[i].iov_len);
			else
				memcpy(req->iov[i].iov_base, at + len, req->iov[i].iov_len);
			len += req->iov[i].iov_len;
		}
		if (len != req->len)
			abort();
		break;
	case DISK_WRITE_ZEROES:
	case DISK_DISCARD:
		memset(at, req->op == DISK_DISCARD ? 0xdd : 0, req->len);
		break;
	case DISK_FLUSH:
	default:
		break;
	}
}

static void fake_answer(struct fake_disk *fd, struct disk_req *req)
{
	if (!fd->error)
		fake_move(fd, req);
	req->done(req, fd->error);
}

static void fake_start(struct disk *disk, struct disk_req *req)
{
	struct fake_disk *fd = to_fake(disk);

	fd->counts[req->op]++;
	fd->durable += req->durable;
	fd->unmapped += req->unmap;
	if (!fd->defer) {
		fake_answer(fd, req);
		return;
	}
	if (fd->pending_count == FAKE_DISK_PENDING_MAX)
		abort();
	fd->pending[fd->pending_count++] = req;
}

static void fake_commit(struct disk *disk)
{
	to_fake(disk)->commits++;
}

static void fake_drain(struct disk *disk)
{
	struct fake_disk *fd = to_fake(disk);

	while (fd->pending_count)
		fake_answer(fd, fd->pending[--fd->pending_count]);
}

/* What was cancelled never reads or writes guest memory. */
static void fake_cancel(struct disk *disk)
{
	struct fake_disk *fd = to_fake(disk);

	while (fd->pending_count) {
		struct disk_req *req = fd->pending[--fd->pending_count];

		req->done(req, -ECANCELED);
	}
}

static int fake_refresh(struct disk *disk)
{
	struct fake_disk *fd = to_fake(disk);

	if (!fd->next_capacity)
		return -EIO;
	fd->data = realloc(fd->data, fd->next_capacity);
	if (!fd->data)
		abort();
	disk->capacity = fd->next_capacity;
	return 0;
}

static void fake_free(struct disk *disk)
{
	struct fake_disk *fd = to_fake(disk);

	if (fd->freed)
		*fd->freed = true;
	free(fd->data);
	free(fd);
}

static const struct disk_ops fake_ops = {
	.start = fake_start,
	.commit = fake_commit,
	.drain = fake_drain,
	.cancel = fake_cancel,
	.refresh = fake_refresh,
	.free = fake_free,
};

struct fake_disk *fake_disk_new(uint64_t sectors, bool read_only)
{
	struct fake_disk *fd = calloc(1, sizeof(*fd));

	if (!fd)
		abort();
	fd->disk = (struct disk){
		.ops = &fake_ops,
		.capacity = sectors * DISK_SECTOR,
		.block_size = DISK_SECTOR,
		.discard_size = DISK_SECTOR,
		.read_only = read_only,
	};
	fd->data = calloc(sectors, DISK_SECTOR);
	if (!fd->data)
		abort();
	return fd;
}

void fake_disk_complete(struct fake_disk *fd)
{
	fake_drain(&fd->disk);
	fd->disk.batch_done(fd->disk.owner);
}

unsigned int fake_disk_total(const struct fake_disk *fd)
{
	unsigned int total = 0;

	for (int i = 0; i < FAKE_DISK_OPS; i++)
		total += fd->counts[i];
	return total;
}
