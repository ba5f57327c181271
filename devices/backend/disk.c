// SPDX-License-Identifier: Apache-2.0
// Opening a disk with the backend that suits it.
#include "devices/backend/disk.h"

#include "base/err.h"
#include "base/log.h"
#include "devices/backend/disk_host.h"

#include <errno.h>

static int new_disk(struct loop *loop, const char *name, const struct disk_options *options,
	const struct disk_host *host, const struct disk *common, struct disk **ret, struct err *err)
{
	int r;

	if (options->io != DISK_IO_SYNC) {
		r = disk_uring_new(loop, host, common, ret);
		if (!r)
			return 0;
		if (options->io == DISK_IO_URING)
			return err_errno(err, -r, "disk %s: io_uring is refused", name);
		log_debug("disk %s: io_uring is refused (errno %d), going on without", name, -r);
	}
	r = disk_file_new(host, common, ret);
	return r < 0 ? err_errno(err, -r, "disk %s", name) : 0;
}

static int open_disk(struct loop *loop, int fd, const char *name,
	const struct disk_options *options, struct disk **ret, struct err *err)
{
	struct disk_host host;
	struct disk common;
	int r;

	r = disk_host_open(fd, name, options, &host, &common, err);
	if (r < 0)
		return r;
	r = new_disk(loop, name, options, &host, &common, ret, err);
	if (r < 0)
		disk_host_close(&host);
	return r;
}

int disk_open(struct loop *loop, const char *path, const struct disk_options *options,
	struct disk **ret, struct err *err)
{
	return open_disk(loop, -1, path, options, ret, err);
}

int disk_from_fd(struct loop *loop, int fd, const char *name, const struct disk_options *options,
	struct disk **ret, struct err *err)
{
	if (fd < 0)
		return err_set(err, -EBADF, "disk %s: not a descriptor", name);
	return open_disk(loop, fd, name, options, ret, err);
}
