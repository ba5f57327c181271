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

static void fake_answer(struct fake_disk *fd, disk_done_fn *done, void *ctx, int64_t result)
{
	struct fake_request req = {done, ctx, fd->error ? fd->error : result - fd->short_by};

	if (!fd->defer) {
		req.done(req.ctx, req.result);
		return;
	}
	if (fd->pending_count == FAKE_DISK_PENDING_MAX)
		abort();
	fd->pending[fd->pending_count++] = req;
}

static void fake_move(struct disk *disk, const struct iovec *iov, int count, uint64_t offset,
	bool write, disk_done_fn *done, void *ctx)
{
	struct fake_disk *fd = to_fake(disk);
	int64_t total = 0;

	for (int i = 0; i < count; i++) {
		uint8_t *at = fd->data + offset + total;

		/* Out of range would be the device's mistake: the sanitizer's to tell. */
		if (write)
			memcpy(at, iov[i].iov_base, iov[i].iov_len);
		else if (!fd->error)
			memcpy(iov[i].iov_base, at, iov[i].iov_len);
		total += (int64_t)iov[i].iov_len;
	}
	fake_answer(fd, done, ctx, total);
}

static void fake_read(struct disk *disk, const struct iovec *iov, int count, uint64_t offset,
	disk_done_fn *done, void *ctx)
{
	to_fake(disk)->reads++;
	fake_move(disk, iov, count, offset, false, done, ctx);
}

static void fake_write(struct disk *disk, const struct iovec *iov, int count, uint64_t offset,
	disk_done_fn *done, void *ctx)
{
	to_fake(disk)->writes++;
	fake_move(disk, iov, count, offset, true, done, ctx);
}

static void fake_flush(struct disk *disk, disk_done_fn *done, void *ctx)
{
	to_fake(disk)->flushes++;
	fake_answer(to_fake(disk), done, ctx, 0);
}

static void fake_drain(struct disk *disk)
{
	fake_disk_complete(to_fake(disk));
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
	.read = fake_read,
	.write = fake_write,
	.flush = fake_flush,
	.drain = fake_drain,
	.free = fake_free,
};

struct fake_disk *fake_disk_new(uint64_t sectors, bool read_only)
{
	struct fake_disk *fd = calloc(1, sizeof(*fd));

	if (!fd)
		abort();
	fd->disk = (struct disk){
		.ops = &fake_ops, .capacity = sectors * DISK_SECTOR, .read_only = read_only};
	fd->data = calloc(sectors, DISK_SECTOR);
	if (!fd->data)
		abort();
	return fd;
}

void fake_disk_complete(struct fake_disk *fd)
{
	while (fd->pending_count) {
		struct fake_request req = fd->pending[--fd->pending_count];

		req.done(req.ctx, req.result);
	}
}
