// SPDX-License-Identifier: Apache-2.0
// A tar archive that is received, unpacked into a directory.
#include "guest-init/unpack.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/tar_read.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* Directories, each in the one before, whose times are set when all in them is made. */
#define PENDING_MAX 64

/* Someone renames directories while a path is looked up: how often to try again. */
#define RACES_MAX 16

#define BUFFER_SIZE (128u * 1024)

/* A directory whose time is to be set; its name is the first @len bytes of the last one's. */
struct pending {
	int fd;
	size_t len;
	struct timespec mtime;
};

/* @resolve: how names are looked up from @root: not beyond it */
struct unpack {
	struct tar_reader reader;
	int in, root;
	uint64_t resolve;
	struct pending pending[PENDING_MAX];
	size_t pending_count;
	char pending_name[TAR_NAME_MAX + 1];
	struct tar_entry entry;
	uint8_t buffer[BUFFER_SIZE];
};

static ssize_t read_in(struct tar_reader *reader, void *data, size_t n)
{
	const struct unpack *unpack = container_of(reader, struct unpack, reader);
	ssize_t got;

	do
		got = read(unpack->in, data, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static int open_from(int dir, const char *name, uint64_t flags, uint64_t resolve)
{
	const struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
	int fd, races = 0;

	do
		fd = (int)syscall(SYS_openat2, dir, *name ? name : ".", &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN && races++ < RACES_MAX);
	return fd < 0 ? -errno : fd;
}

static void pending_pop(struct unpack *unpack)
{
	struct pending *last = &unpack->pending[--unpack->pending_count];
	const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, last->mtime};

	futimens(last->fd, times);
	close(last->fd);
	unpack->pending_name[last->len] = '\0';
}

/* Done with all directories that @name isn't in. */
static void pending_leave(struct unpack *unpack, const char *name)
{
	while (unpack->pending_count) {
		size_t len = unpack->pending[unpack->pending_count - 1].len;

		if (!len || (!strncmp(unpack->pending_name, name, len) && name[len] == '/'))
			break;
		pending_pop(unpack);
	}
}

static void pending_push(struct unpack *unpack, int fd)
{
	const struct tar_entry *entry = &unpack->entry;
	size_t len = strlen(entry->name);

	/* The directory itself can't be in another. */
	if (!len)
		while (unpack->pending_count)
			pending_pop(unpack);
	memcpy(unpack->pending_name, entry->name, len + 1);
	unpack->pending[unpack->pending_count++] =
		(struct pending){.fd = fd, .len = len, .mtime = entry->mtime};
	/* Too deep: what is made in it changes its time. */
	if (unpack->pending_count == PENDING_MAX)
		pending_pop(unpack);
}

/*
 * Open the directory that @name is in, and make what is missing of it if @make.
 * @ret_base:	the rest of @name
 */
static int parent_open(const struct unpack *unpack, const char *name, bool make,
	const char **ret_base, struct err *err)
{
	char part[TAR_NAME_MAX + 1];
	const char *slash = strrchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : 0;
	int CLEANUP_FD dir = -1;
	int fd;

	*ret_base = slash ? slash + 1 : name;
	memcpy(part, name, len);
	part[len] = '\0';
	fd = open_from(unpack->root, part, O_PATH | O_DIRECTORY, unpack->resolve);
	if (fd != -ENOENT || !make)
		return fd < 0 ? err_errno(err, -fd, "%s", part) : fd;
	dir = open_from(unpack->root, ".", O_PATH | O_DIRECTORY, unpack->resolve);
	for (size_t start = 0; start < len && dir >= 0;) {
		size_t end = start + strcspn(name + start, "/");

		if (end > len)
			end = len;
		memcpy(part, name, end);
		part[end] = '\0';
		fd = open_from(unpack->root, part, O_PATH | O_DIRECTORY, unpack->resolve);
		if (fd == -ENOENT && (mkdirat(dir, part + start, 0755) == 0 || errno == EEXIST))
			fd = open_from(unpack->root, part, O_PATH | O_DIRECTORY, unpack->resolve);
		close(dir);
		dir = fd;
		start = end + 1;
	}
	return dir < 0 ? err_errno(err, -dir, "%s", part) : TAKE_FD(dir);
}

static void xattrs_set(const struct tar_entry *entry, int fd)
{
	const char *name;
	const void *value;
	size_t pos = 0, len;

	/* As with other engines, a file system that has none of a kind is no reason to fail. */
	while (tar_xattr_next(entry, &pos, &name, &value, &len))
		fsetxattr(fd, name, value, len, 0);
}

/* Owner first: changing it takes set-user-id bits and capabilities away. */
static int attributes_set(const struct tar_entry *entry, int fd, struct err *err)
{
	if (fchown(fd, entry->uid, entry->gid) < 0)
		return err_errno(err, errno, "%s: owner", entry->name);
	if (fchmod(fd, entry->mode) < 0)
		return err_errno(err, errno, "%s: mode", entry->name);
	xattrs_set(entry, fd);
	return 0;
}

/* Take away what is in the place of something new. A directory stays. Return: 0 or -errno. */
static int place_clear(int dir, const char *base)
{
	return unlinkat(dir, base, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int make_dir(struct unpack *unpack, int dir, const char *base, struct err *err)
{
	const struct tar_entry *entry = &unpack->entry;
	int CLEANUP_FD fd =
		open_from(unpack->root, entry->name, O_RDONLY | O_DIRECTORY, unpack->resolve);
	int r;

	if (fd == -ENOENT || fd == -ENOTDIR) {
		r = fd == -ENOTDIR ? place_clear(dir, base) : 0;
		if (r == 0 && mkdirat(dir, base, 0700) < 0)
			r = -errno;
		if (r < 0)
			return err_errno(err, -r, "%s", entry->name);
		fd = openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	if (fd < 0)
		return err_errno(err, -fd, "%s", entry->name);
	r = attributes_set(entry, fd, err);
	if (r == 0)
		pending_push(unpack, TAKE_FD(fd));
	return r;
}

static int make_file(struct unpack *unpack, int dir, const char *base, struct err *err)
{
	const struct tar_entry *entry = &unpack->entry;
	const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, entry->mtime};
	int CLEANUP_FD fd =
		openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;
	int r;

	if (fd < 0)
		return err_errno(err, errno, "%s", entry->name);
	while ((n = tar_read_data(&unpack->reader, unpack->buffer, BUFFER_SIZE, err)) > 0) {
		r = io_write_full(fd, unpack->buffer, (size_t)n);
		if (r < 0)
			return err_errno(err, -r, "%s", entry->name);
	}
	if (n < 0)
		return (int)n;
	r = attributes_set(entry, fd, err);
	if (r == 0 && futimens(fd, times) < 0)
		r = err_errno(err, errno, "%s: time", entry->name);
	return r;
}

static int make_hardlink(struct unpack *unpack, int dir, const char *base, struct err *err)
{
	const struct tar_entry *entry = &unpack->entry;
	const char *target;
	int CLEANUP_FD from = parent_open(unpack, entry->target, false, &target, err);

	if (from < 0)
		return from;
	if (linkat(from, target, dir, base, 0) < 0)
		return err_errno(err, errno, "%s: link to %s", entry->name, entry->target);
	return 0;
}

/* Symlinks, devices and FIFOs. */
static int make_special(struct unpack *unpack, int dir, const char *base, struct err *err)
{
	const struct tar_entry *entry = &unpack->entry;
	const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, entry->mtime};
	mode_t type = entry->type == TAR_CHAR           ? S_IFCHR
		      : entry->type == TAR_BLOCK_DEVICE ? S_IFBLK
							: S_IFIFO;
	int r;

	if (entry->type == TAR_SYMLINK)
		r = symlinkat(entry->target, dir, base);
	else
		r = mknodat(dir, base, type | (entry->mode & 0777),
			makedev(entry->major, entry->minor));
	if (r == 0)
		r = fchownat(dir, base, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		r = utimensat(dir, base, times, AT_SYMLINK_NOFOLLOW);
	return r < 0 ? err_errno(err, errno, "%s", entry->name) : 0;
}

static int make_entry(struct unpack *unpack, struct err *err)
{
	const struct tar_entry *entry = &unpack->entry;
	const char *base;
	int CLEANUP_FD dir = parent_open(unpack, entry->name, true, &base, err);
	int r;

	if (dir < 0)
		return dir;
	pending_leave(unpack, entry->name);
	if (entry->type == TAR_DIR)
		return make_dir(unpack, dir, base, err);
	r = place_clear(dir, base);
	if (r < 0)
		return err_errno(err, -r, "%s", entry->name);
	if (entry->type == TAR_FILE)
		return make_file(unpack, dir, base, err);
	if (entry->type == TAR_HARDLINK)
		return make_hardlink(unpack, dir, base, err);
	return make_special(unpack, dir, base, err);
}

/* Open the directory, and decide how names in it are looked up. */
static int root_open(struct unpack *unpack, const char *path, struct err *err)
{
	struct stat st, top;
	int fd = open_from(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, RESOLVE_NO_MAGICLINKS);

	if (fd < 0)
		return err_errno(err, -fd, "%s", path);
	unpack->root = fd;
	if (fstat(fd, &st) < 0 || stat("/", &top) < 0)
		return err_errno(err, errno, "%s", path);
	/* In the root itself absolute links are as good as others. */
	unpack->resolve = st.st_dev == top.st_dev && st.st_ino == top.st_ino ? RESOLVE_IN_ROOT
									     : RESOLVE_BENEATH;
	unpack->resolve |= RESOLVE_NO_MAGICLINKS;
	return 0;
}

int unpack_tree(const char *path, int in, struct err *err)
{
	struct unpack *unpack = calloc(1, sizeof(*unpack));
	int r;

	if (!unpack)
		return err_errno(err, ENOMEM, "an archive");
	unpack->in = in;
	unpack->root = -1;
	tar_reader_init(&unpack->reader, read_in);
	r = root_open(unpack, path, err);
	if (r == 0)
		while ((r = tar_read_next(&unpack->reader, &unpack->entry, err)) > 0) {
			r = make_entry(unpack, err);
			if (r < 0)
				break;
		}
	while (unpack->pending_count)
		pending_pop(unpack);
	if (unpack->root >= 0)
		close(unpack->root);
	free(unpack);
	return r;
}
