// SPDX-License-Identifier: Apache-2.0
// What a block device asks of the thing that holds its sectors.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct disk;
struct disk_req;
struct err;
struct loop;

#define DISK_SECTOR 512

enum disk_op {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,
	DISK_DISCARD,
	DISK_WRITE_ZEROES,
};

/*
 * disk_done_fn - a request has ended
 * @result:	0 when all of it was done; else -errno, and then a part may have been done
 *
 * Called exactly once a request, perhaps before the call that started it returns. Context: loop.
 */
typedef void disk_done_fn(struct disk_req *req, int result);

/*
 * struct disk_req - one request, embedded in what its owner keeps of it
 * @op:		DISK_WRITE, _DISCARD and _WRITE_ZEROES never on a read-only disk
 * @durable:	write, write zeroes: on stable storage when done
 * @unmap:	write zeroes: the sectors may lose their place on the host
 * @iov, @iov_count: read, write: 1 to IOV_MAX buffers, in sum @len; they and the array stay valid
 *		until done, and the backend may change the array
 * @offset, @len: bytes, multiples of DISK_SECTOR, not 0 but for a flush; checked against the
 *		capacity by the caller
 * @moved:	0; then the backend's: bytes done so far
 * @tail:	the backend's
 */
struct disk_req {
	enum disk_op op;
	bool durable;
	bool unmap;
	int iov_count;
	struct iovec *iov;
	uint64_t offset;
	uint64_t len;
	disk_done_fn *done;
	uint64_t moved;
	struct iovec tail;
};

/*
 * struct disk_ops - the operations of a backend
 * @start:	begin a request, or only note it until commit; from within a done it needs none
 * @commit:	begin all that was noted; to be called once after each batch
 * @drain:	return when nothing is in flight: every done has been called
 * @cancel:	as drain, but let what has not begun yet fail: its owner has no use for it
 * @refresh:	look at the size again and set capacity; 0, or -errno and nothing has changed
 * @free:	nothing is in flight
 *
 * Context: loop.
 */
struct disk_ops {
	void (*start)(struct disk *disk, struct disk_req *req);
	void (*commit)(struct disk *disk);
	void (*drain)(struct disk *disk);
	void (*cancel)(struct disk *disk);
	int (*refresh)(struct disk *disk);
	void (*free)(struct disk *disk);
};

/*
 * struct disk - embedded first in each backend
 * @capacity:	bytes, a multiple of DISK_SECTOR, not 0; changed by refresh only
 * @block_size:	what requests had better be multiples of: a power of two from DISK_SECTOR up
 * @discard_size: the same for a discard that frees anything; never less than block_size
 * @read_only:	only reads and flushes
 * @batch_done:	the owner's, with @owner: called after each batch of dones that were not called from
 *		within start, commit, drain or cancel
 */
struct disk {
	const struct disk_ops *ops;
	uint64_t capacity;
	uint32_t block_size;
	uint32_t discard_size;
	bool read_only;
	void (*batch_done)(void *owner);
	void *owner;
};

/*
 * enum disk_io - how host files are read and written
 * @DISK_IO_AUTO: by io_uring; synchronously where the kernel refuses it
 * @DISK_IO_URING: by io_uring or not at all
 */
enum disk_io {
	DISK_IO_AUTO,
	DISK_IO_URING,
	DISK_IO_SYNC,
};

/*
 * struct disk_options
 * @read_only:	open it read-only and share it with other readers; else it is locked against all
 *		other users that lock
 * @direct:	bypass the host's page cache
 */
struct disk_options {
	bool read_only;
	bool direct;
	enum disk_io io;
};

/*
 * disk_open() - open and lock a disk by name
 * @loop:	outlives the disk
 * @path:	regular file or block device; the format is raw, whatever its bytes say
 * @ret:	owned by the caller, free with disk_free(); set only on success
 *
 * Return: 0, or -errno with @err set: missing, a directory or other odd thing, empty, not a
 * multiple of 512 bytes, in use, direct or io_uring impossible.
 */
int disk_open(struct loop *loop, const char *path, const struct disk_options *options,
	struct disk **ret, struct err *err);

/*
 * disk_from_fd() - the same for an inherited descriptor
 * @fd:		taken over, also on failure; open for reading, and for writing unless read_only
 * @name:	for messages, such as "fd=5"
 */
int disk_from_fd(struct loop *loop, int fd, const char *name, const struct disk_options *options,
	struct disk **ret, struct err *err);

static inline void disk_free(struct disk *disk)
{
	if (disk)
		disk->ops->free(disk);
}
