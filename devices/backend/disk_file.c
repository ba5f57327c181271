// SPDX-License-Identifier: Apache-2.0
// A disk in a raw file or block device.
#include "devices/backend/disk_file.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "devices/backend/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct disk_file {
	struct disk disk;
	int fd;
};

static void disk_file_read(struct disk *disk, const struct iovec *iov, int count, uint64_t offset,
	disk_done_fn *done, void *ctx)
{
	const struct disk_file *df = container_of(disk, struct disk_file, disk);
	ssize_t n;

	do
		n = preadv(df->fd, iov, count, (off_t)offset);
	while (n < 0 && errno == EINTR);
	done(ctx, n < 0 ? -errno : n);
}

static void disk_file_write(struct disk *disk, const struct iovec *iov, int count, uint64_t offset,
	disk_done_fn *done, void *ctx)
{
	const struct disk_file *df = container_of(disk, struct disk_file, disk);
	ssize_t n;

	do
		n = pwritev(df->fd, iov, count, (off_t)offset);
	while (n < 0 && errno == EINTR);
	done(ctx, n < 0 ? -errno : n);
}

static void disk_file_flush(struct disk *disk, disk_done_fn *done, void *ctx)
{
	const struct disk_file *df = container_of(disk, struct disk_file, disk);

	done(ctx, fdatasync(df->fd) < 0 ? -errno : 0);
}

static void disk_file_drain(struct disk *disk)
{
	/* Every request has ended before the call that made it returned. */
}

static void disk_file_free(struct disk *disk)
{
	struct disk_file *df = container_of(disk, struct disk_file, disk);

	close(df->fd);
	free(df);
}

static const struct disk_ops disk_file_ops = {
	.read = disk_file_read,
	.write = disk_file_write,
	.flush = disk_file_flush,
	.drain = disk_file_drain,
	.free = disk_file_free,
};

/* The size in bytes of what @fd is, checked. */
static int disk_file_size(int fd, const char *name, uint64_t *ret_size, struct err *err)
{
	struct stat st;
	uint64_t size;

	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "disk %s: can't be examined", name);
	if (S_ISDIR(st.st_mode))
		return err_set(err, -EISDIR, "disk %s: is a directory", name);
	if (S_ISREG(st.st_mode))
		size = (uint64_t)st.st_size;
	else if (!S_ISBLK(st.st_mode))
		return err_set(err, -EINVAL, "disk %s: is neither a file nor a block device", name);
	else if (ioctl(fd, BLKGETSIZE64, &size) < 0)
		return err_errno(err, errno, "disk %s: can't get the device's size", name);
	if (!size)
		return err_set(err, -EINVAL, "disk %s: is empty", name);
	if (size % DISK_SECTOR)
		return err_set(err, -EINVAL, "disk %s: size %llu is not a multiple of %d bytes",
			name, (unsigned long long)size, DISK_SECTOR);
	*ret_size = size;
	return 0;
}

/* Can @fd do what is asked of it? An inherited one may have been opened in any way. */
static int disk_file_check_mode(int fd, const char *name, bool read_only, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return err_errno(err, errno, "disk %s", name);
	if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH))
		return err_set(err, -EBADF, "disk %s: is not open for reading", name);
	if (!read_only && (flags & O_ACCMODE) != O_RDWR)
		return err_set(err, -EBADF, "disk %s: is not open for writing; add ',ro'?", name);
	return 0;
}

/*
 * Lock the whole file for as long as the description is open. These locks belong to the
 * description, so closing another descriptor of the same file doesn't drop them, and a process
 * that handed us its descriptor doesn't conflict with us.
 */
static int disk_file_lock(int fd, const char *name, bool read_only, struct err *err)
{
	struct flock lock = {.l_type = read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return err_set(err, -EBUSY, "disk %s: is in use by another program%s", name,
			read_only ? " that writes to it" : "");
	/* Some network file systems have no locks; that must not make them useless. */
	log_debug("disk %s: can't be locked (errno %d), going on without", name, errno);
	return 0;
}

int disk_file_from_fd(int fd, const char *name, bool read_only, struct disk **ret, struct err *err)
{
	int CLEANUP_FD owned = fd;
	struct disk_file *df;
	uint64_t size = 0;
	int r;

	r = disk_file_check_mode(fd, name, read_only, err);
	if (r < 0)
		return r;
	r = disk_file_size(fd, name, &size, err);
	if (r < 0)
		return r;
	r = disk_file_lock(fd, name, read_only, err);
	if (r < 0)
		return r;
	df = malloc(sizeof(*df));
	if (!df)
		return err_set(err, -ENOMEM, "disk %s: out of memory", name);
	*df = (struct disk_file){
		.disk = {.ops = &disk_file_ops, .capacity = size, .read_only = read_only},
		.fd = TAKE_FD(owned),
	};
	*ret = &df->disk;
	return 0;
}

int disk_file_open(const char *path, bool read_only, struct disk **ret, struct err *err)
{
	/* Non-blocking, or opening a FIFO would wait for its writer; it means nothing to files. */
	int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, flags);

	if (fd < 0 && errno == EISDIR)
		return err_set(err, -EISDIR, "disk %s: is a directory", path);
	if (fd < 0)
		return err_errno(err, errno, "disk %s: can't be opened for %s", path,
			read_only ? "reading" : "writing");
	return disk_file_from_fd(fd, path, read_only, ret, err);
}
