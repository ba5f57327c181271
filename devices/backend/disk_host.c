// SPDX-License-Identifier: Apache-2.0
// A raw host file or block device: opened, checked, locked.
#include "devices/backend/disk_host.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * syscalls: loop: close, fcntl(1 == F_GETFL), fcntl(1 == F_SETFL), fcntl(1 == F_OFD_SETLK),
 * ioctl(1 == BLKGETSIZE64), newfstatat, openat, statx
 */

/* What direct I/O is sure to be content with where the kernel doesn't tell. */
#define DIRECT_ALIGN_DEFAULT 4096
/* Larger blocks than this no guest can use: a page of theirs. */
#define BLOCK_SIZE_MAX 4096
/* And no host file system has larger ones. */
#define DISCARD_SIZE_MAX (64U * 1024)

static bool is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

int64_t disk_host_size(const struct disk_host *host)
{
	int fd = host->fds[DISK_FD_BUFFERED];
	struct stat st;
	uint64_t size = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode))
		return st.st_size;
	if (ioctl(fd, BLKGETSIZE64, &size) < 0)
		return -errno;
	return size > INT64_MAX ? -EFBIG : (int64_t)size;
}

int disk_host_refresh(const struct disk_host *host, struct disk *disk)
{
	int64_t size = disk_host_size(host);

	if (size < 0)
		return (int)size;
	/* A part of a block at the end can't be shown to the guest. */
	size -= size % disk->block_size;
	if (!size)
		return -ENODATA;
	disk->capacity = (uint64_t)size;
	return 0;
}

/* Is @fd something that has sectors, and how many bytes? */
static int check_size(
	const struct disk_host *host, const char *name, uint64_t *ret_size, struct err *err)
{
	struct stat st;
	int64_t size;

	if (fstat(host->fds[DISK_FD_BUFFERED], &st) < 0)
		return err_errno(err, errno, "disk %s: can't be examined", name);
	if (S_ISDIR(st.st_mode))
		return err_set(err, -EISDIR, "disk %s: is a directory", name);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, -EINVAL, "disk %s: is neither a file nor a block device", name);
	size = disk_host_size(host);
	if (size < 0)
		return err_errno(err, (int)-size, "disk %s: can't get the device's size", name);
	if (!size)
		return err_set(err, -EINVAL, "disk %s: is empty", name);
	if (size % DISK_SECTOR)
		return err_set(err, -EINVAL, "disk %s: size %lld is not a multiple of %d bytes",
			name, (long long)size, DISK_SECTOR);
	*ret_size = (uint64_t)size;
	return 0;
}

/* Can @fd do what is asked of it? An inherited one may have been opened in any way. */
static int check_mode(int fd, const char *name, bool read_only, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return err_errno(err, errno, "disk %s", name);
	if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH))
		return err_set(err, -EBADF, "disk %s: is not open for reading", name);
	if (!read_only && (flags & O_ACCMODE) != O_RDWR)
		return err_set(err, -EBADF, "disk %s: is not open for writing; add ',ro'?", name);
	if (!read_only && (flags & O_APPEND))
		return err_set(err, -EBADF, "disk %s: is open for appending only", name);
	/* It says nothing about files, but io_uring would give up where it has to wait. */
	if ((flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return err_errno(err, errno, "disk %s", name);
	return 0;
}

/*
 * Lock the whole file for as long as the description is open. These locks belong to the
 * description, so closing another descriptor of the same file doesn't drop them, and a process
 * that handed us its descriptor doesn't conflict with us.
 */
static int lock(int fd, const char *name, bool read_only, struct err *err)
{
	struct flock flock = {.l_type = read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &flock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return err_set(err, -EBUSY, "disk %s: is in use by another program%s", name,
			read_only ? " that writes to it" : "");
	/* Some network file systems have no locks; that must not make them useless. */
	log_debug("disk %s: can't be locked (errno %d), going on without", name, errno);
	return 0;
}

/*
 * Another description of the file that @fd has open. A jailed process has no /proc: there the name
 * must still mean the same file. Return: a descriptor or -errno.
 */
static int open_again(int fd, const char *name, int flags)
{
	struct stat first, second;
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	if (again >= 0 || errno != ENOENT)
		return again < 0 ? -errno : again;
	/* Non-blocking as it may be anything by now. */
	again = open(name, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (again < 0)
		return -errno;
	if (fstat(fd, &first) < 0 || fstat(again, &second) < 0 || first.st_dev != second.st_dev ||
		first.st_ino != second.st_ino || fcntl(again, F_SETFL, flags) < 0) {
		close(again);
		return -ESTALE;
	}
	return again;
}

/* Another description of the same file, for direct I/O, and what that wants. */
static int open_direct(struct disk_host *host, const char *name, bool read_only, struct disk *disk,
	struct err *err)
{
	uint32_t memory = DIRECT_ALIGN_DEFAULT, offset = DIRECT_ALIGN_DEFAULT;
	struct statx stx;
	int fd = open_again(
		host->fds[DISK_FD_BUFFERED], name, (read_only ? O_RDONLY : O_RDWR) | O_DIRECT);

	if (fd == -EINVAL)
		return err_set(err, -EINVAL, "disk %s: its file system has no direct I/O", name);
	if (fd < 0)
		return err_errno(err, -fd, "disk %s: can't be opened for direct I/O", name);
	host->fds[DISK_FD_DIRECT] = fd;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
		(stx.stx_mask & STATX_DIOALIGN)) {
		memory = stx.stx_dio_mem_align;
		offset = stx.stx_dio_offset_align;
		if (!is_power_of_two(memory) || !is_power_of_two(offset))
			return err_set(err, -EINVAL, "disk %s: has no direct I/O", name);
		/* The guest had better know, if the disk consists of such blocks. */
		if (offset > DISK_SECTOR && offset <= BLOCK_SIZE_MAX &&
			disk->capacity % offset == 0)
			disk->block_size = offset;
	}
	host->memory_mask = memory - 1;
	host->offset_mask = offset - 1;
	return 0;
}

static int host_init(struct disk_host *host, const char *name, const struct disk_options *options,
	struct disk *disk, struct err *err)
{
	int fd = host->fds[DISK_FD_BUFFERED];
	struct stat st;
	int r;

	r = check_mode(fd, name, options->read_only, err);
	if (!r)
		r = check_size(host, name, &disk->capacity, err);
	if (!r)
		r = lock(fd, name, options->read_only, err);
	if (!r && options->direct)
		r = open_direct(host, name, options->read_only, disk, err);
	if (r < 0)
		return r;
	disk->discard_size = disk->block_size;
	if (fstat(fd, &st) == 0 && is_power_of_two((uint64_t)st.st_blksize) &&
		st.st_blksize > disk->block_size && st.st_blksize <= DISCARD_SIZE_MAX)
		disk->discard_size = (uint32_t)st.st_blksize;
	return 0;
}

int disk_host_open(int fd, const char *name, const struct disk_options *options,
	struct disk_host *ret, struct disk *disk, struct err *err)
{
	struct disk_host host = {.fds = {fd, -1}};
	struct disk common = {.block_size = DISK_SECTOR, .read_only = options->read_only};
	int r;

	if (fd < 0) {
		/* Non-blocking, or opening a FIFO would wait for its writer. */
		fd = open(name, (options->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK |
					O_NOCTTY);
		if (fd < 0 && errno == EISDIR)
			return err_set(err, -EISDIR, "disk %s: is a directory", name);
		if (fd < 0)
			return err_errno(err, errno, "disk %s: can't be opened for %s", name,
				options->read_only ? "reading" : "writing");
		host.fds[DISK_FD_BUFFERED] = fd;
	}
	r = host_init(&host, name, options, &common, err);
	if (r < 0) {
		disk_host_close(&host);
		return r;
	}
	*ret = host;
	*disk = common;
	return 0;
}

void disk_host_close(struct disk_host *host)
{
	for (int i = 0; i < DISK_FD_COUNT; i++)
		if (host->fds[i] >= 0)
			close(host->fds[i]);
}
