// SPDX-License-Identifier: Apache-2.0
// A host disk, read and written synchronously.
#include "base/cleanup.h"
#include "devices/backend/disk_call.h"
#include "devices/backend/disk_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

/* syscalls: loop: fallocate, fdatasync, preadv2, pwritev2 */

struct disk_file {
	struct disk disk;
	struct disk_host host;
};

static struct disk_file *to_disk_file(struct disk *disk)
{
	return container_of(disk, struct disk_file, disk);
}

static int64_t make_call(const struct disk_host *host, const struct disk_call *call)
{
	int fd = host->fds[call->fd];
	off_t offset = (off_t)call->offset;
	int64_t n = -1;

	switch (call->kind) {
	case DISK_CALL_READV:
		n = preadv2(fd, call->iov, call->iov_count, offset, call->flags);
		break;
	case DISK_CALL_WRITEV:
		n = pwritev2(fd, call->iov, call->iov_count, offset, call->flags);
		break;
	case DISK_CALL_FDATASYNC:
		n = fdatasync(fd);
		break;
	case DISK_CALL_FALLOCATE:
	default:
		n = fallocate(fd, call->flags, offset, (off_t)call->len);
		break;
	}
	return n < 0 ? -errno : n;
}

static void disk_file_start(struct disk *disk, struct disk_req *req)
{
	struct disk_host *host = &to_disk_file(disk)->host;
	struct disk_call call;
	int r;

	do {
		disk_call_next(host, req, &call);
		r = disk_call_done(host, req, make_call(host, &call));
	} while (r > 0);
	req->done(req, r);
}

static void disk_file_nothing(struct disk *disk)
{
	/* Every request has ended before the call that started it returned. */
}

static int disk_file_refresh(struct disk *disk)
{
	return disk_host_refresh(&to_disk_file(disk)->host, disk);
}

static void disk_file_free(struct disk *disk)
{
	struct disk_file *df = to_disk_file(disk);

	disk_host_close(&df->host);
	free(df);
}

static const struct disk_ops disk_file_ops = {
	.start = disk_file_start,
	.commit = disk_file_nothing,
	.drain = disk_file_nothing,
	.cancel = disk_file_nothing,
	.refresh = disk_file_refresh,
	.free = disk_file_free,
};

int disk_file_new(const struct disk_host *host, const struct disk *disk, struct disk **ret)
{
	struct disk_file *df = malloc(sizeof(*df));

	if (!df)
		return -ENOMEM;
	*df = (struct disk_file){.disk = *disk, .host = *host};
	df->disk.ops = &disk_file_ops;
	*ret = &df->disk;
	return 0;
}
