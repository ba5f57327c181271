// SPDX-License-Identifier: Apache-2.0
// What a block device asks of the thing that holds its sectors.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct disk;

/*
 * disk_done_fn - a request has ended
 * @ctx:	as given with the request
 * @result:	bytes moved (less than asked: the disk ended early), 0 for a flush, or -errno
 *
 * Called exactly once a request, perhaps before the call that made it returns. Context: loop.
 */
typedef void disk_done_fn(void *ctx, int64_t result);

/*
 * struct disk_ops - the operations of a backend
 * @read, @write: @count iovecs (1 to IOV_MAX) at byte @offset; checked against the capacity by the
 *		caller. The iovec array and what it points to stay valid until done
 * @flush:	all writes that were reported done before reach stable storage
 * @drain:	return when nothing is in flight: every done has been called
 * @free:	nothing is in flight
 *
 * Context: loop.
 */
struct disk_ops {
	void (*read)(struct disk *disk, const struct iovec *iov, int count, uint64_t offset,
		disk_done_fn *done, void *ctx);
	void (*write)(struct disk *disk, const struct iovec *iov, int count, uint64_t offset,
		disk_done_fn *done, void *ctx);
	void (*flush)(struct disk *disk, disk_done_fn *done, void *ctx);
	void (*drain)(struct disk *disk);
	void (*free)(struct disk *disk);
};

/*
 * struct disk - embedded first in each backend
 * @capacity:	bytes, a multiple of DISK_SECTOR, not 0
 * @read_only:	write and flush are never called
 */
struct disk {
	const struct disk_ops *ops;
	uint64_t capacity;
	bool read_only;
};

#define DISK_SECTOR 512

static inline void disk_free(struct disk *disk)
{
	if (disk)
		disk->ops->free(disk);
}
