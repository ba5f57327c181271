// SPDX-License-Identifier: Apache-2.0
// A file or a directory with all below it, sent as a tar archive.
#include "guest-init/pack.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/tar_write.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* Older headers lack it. */
#define MQUEUE_SUPER_MAGIC 0x19800202

/* Each level has a descriptor open. */
#define DEPTH_MAX 500

/* Files with several names that are remembered; beyond that each name is sent as a file. */
#define LINKS_MAX 16384u
#define LINKS_SLOTS (2 * LINKS_MAX)

#define BUFFER_SIZE (128u * 1024)

struct link {
	dev_t dev;
	ino_t ino;
	char *name;
};

struct pack {
	int out;
	struct buf header;
	struct link *links; /* a hash table, made when there is the first */
	size_t links_count, len;
	struct tar_entry entry;
	uint8_t buffer[BUFFER_SIZE];
};

static int pack_flush(struct pack *pack, struct err *err)
{
	int r = io_write_full(pack->out, pack->buffer, pack->len);

	pack->len = 0;
	return r < 0 ? err_errno(err, -r, "sending the archive") : 0;
}

static int pack_bytes(struct pack *pack, const void *data, size_t n, struct err *err)
{
	const uint8_t *p = data;
	int r = 0;

	while (n && r == 0) {
		size_t part = BUFFER_SIZE - pack->len < n ? BUFFER_SIZE - pack->len : n;

		memcpy(pack->buffer + pack->len, p, part);
		pack->len += part;
		p += part;
		n -= part;
		if (pack->len == BUFFER_SIZE)
			r = pack_flush(pack, err);
	}
	return r;
}

static int pack_zeros(struct pack *pack, uint64_t n, struct err *err)
{
	static const uint8_t zeros[4096];
	int r = 0;

	while (n && r == 0) {
		size_t part = n < sizeof(zeros) ? (size_t)n : sizeof(zeros);

		r = pack_bytes(pack, zeros, part, err);
		n -= part;
	}
	return r;
}

static int pack_header(struct pack *pack, struct err *err)
{
	int r;

	pack->header.len = 0;
	r = tar_write_header(&pack->header, &pack->entry);
	if (r < 0)
		return err_errno(err, -r, "%s", pack->entry.name);
	return pack_bytes(pack, pack->header.data, pack->header.len, err);
}

/* What @st tells of the file whose name is in the entry already. */
static void entry_set(struct tar_entry *entry, enum tar_type type, const struct stat *st)
{
	bool device = type == TAR_CHAR || type == TAR_BLOCK_DEVICE;

	entry->type = type;
	entry->mode = st->st_mode & 07777;
	entry->uid = st->st_uid;
	entry->gid = st->st_gid;
	entry->size = type == TAR_FILE ? (uint64_t)st->st_size : 0;
	entry->mtime = st->st_mtim;
	entry->major = device ? major(st->st_rdev) : 0;
	entry->minor = device ? minor(st->st_rdev) : 0;
	entry->target[0] = '\0';
	entry->xattrs_len = 0;
}

/* The names in a list are one after the other; only the kernel has written it. */
static void xattrs_take(struct tar_entry *entry, int fd)
{
	static char names[TAR_XATTRS_SIZE], value[TAR_XATTRS_SIZE];
	ssize_t len = flistxattr(fd, names, sizeof(names));

	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		ssize_t n;

		if (strncmp(name, "user.", 5) != 0 && strcmp(name, "security.capability") != 0)
			continue;
		n = fgetxattr(fd, name, value, sizeof(value));
		if (n >= 0)
			tar_xattr_add(entry, name, value, (size_t)n);
	}
}

/* Where the file @st is in the table, or would be. */
static struct link *link_slot(struct pack *pack, const struct stat *st)
{
	size_t i = (st->st_ino * 2654435761u + st->st_dev) % LINKS_SLOTS;

	while (pack->links[i].name &&
		(pack->links[i].ino != st->st_ino || pack->links[i].dev != st->st_dev))
		i = (i + 1) % LINKS_SLOTS;
	return &pack->links[i];
}

/* Another name of a file that was sent: a link to the first. Return: 1 if it was one, 0, -errno. */
static int pack_link(struct pack *pack, const struct stat *st, struct err *err)
{
	struct link *link;
	int r;

	if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
		return 0;
	if (!pack->links)
		pack->links = calloc(LINKS_SLOTS, sizeof(*pack->links));
	if (!pack->links)
		return 0;
	link = link_slot(pack, st);
	if (link->name) {
		entry_set(&pack->entry, TAR_HARDLINK, st);
		snprintf(pack->entry.target, sizeof(pack->entry.target), "%s", link->name);
		r = pack_header(pack, err);
		return r < 0 ? r : 1;
	}
	if (pack->links_count < LINKS_MAX && (link->name = strdup(pack->entry.name))) {
		link->dev = st->st_dev;
		link->ino = st->st_ino;
		pack->links_count++;
	}
	return 0;
}

static int pack_file(struct pack *pack, int fd, const struct stat *st, struct err *err)
{
	uint64_t left = (uint64_t)st->st_size;
	int r;

	entry_set(&pack->entry, TAR_FILE, st);
	xattrs_take(&pack->entry, fd);
	r = pack_header(pack, err);
	while (r == 0 && left) {
		size_t room = BUFFER_SIZE - pack->len;
		ssize_t n = read(fd, pack->buffer + pack->len, left < room ? left : room);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "%s", pack->entry.name);
		if (n == 0)
			break;
		pack->len += (size_t)n;
		left -= (uint64_t)n;
		if (pack->len == BUFFER_SIZE)
			r = pack_flush(pack, err);
	}
	if (r == 0)
		r = pack_zeros(pack, left, err);
	return r < 0 ? r : pack_zeros(pack, tar_padding((uint64_t)st->st_size), err);
}

static bool is_pseudo(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	switch ((unsigned long)fs.f_type) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case DEVPTS_SUPER_MAGIC:
	case MQUEUE_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

static int pack_child(struct pack *pack, int dir, const char *name, int depth, struct err *err);

/* @fd is closed. */
static int pack_dir(struct pack *pack, int fd, const struct stat *st, int depth, struct err *err)
{
	size_t len = strlen(pack->entry.name);
	struct dirent *child;
	DIR *dir;
	int r;

	entry_set(&pack->entry, TAR_DIR, st);
	xattrs_take(&pack->entry, fd);
	r = pack_header(pack, err);
	if (r < 0 || is_pseudo(fd)) {
		close(fd);
		return r;
	}
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_errno(err, errno, "%s", pack->entry.name);
	}
	while (r == 0 && (errno = 0, child = readdir(dir))) {
		size_t child_len = strlen(child->d_name);

		if (!strcmp(child->d_name, ".") || !strcmp(child->d_name, ".."))
			continue;
		if (depth == DEPTH_MAX || len + 1 + child_len >= TAR_NAME_MAX) {
			r = err_set(err, -ENAMETOOLONG, "the directories are too deep");
			break;
		}
		pack->entry.name[len] = '/';
		memcpy(pack->entry.name + len + 1, child->d_name, child_len + 1);
		r = pack_child(pack, dirfd(dir), child->d_name, depth + 1, err);
		pack->entry.name[len] = '\0';
	}
	if (r == 0 && errno)
		r = err_errno(err, errno, "%s", pack->entry.name);
	closedir(dir);
	return r;
}

/* Neither file nor directory: @dir and @name for the text of a symlink. */
static int pack_special(
	struct pack *pack, int dir, const char *name, const struct stat *st, struct err *err)
{
	struct tar_entry *entry = &pack->entry;
	ssize_t n;

	switch (st->st_mode & S_IFMT) {
	case S_IFLNK:
		entry_set(entry, TAR_SYMLINK, st);
		n = readlinkat(dir, name, entry->target, TAR_NAME_MAX);
		if (n <= 0)
			return 0;
		entry->target[n] = '\0';
		break;
	case S_IFCHR:
		entry_set(entry, TAR_CHAR, st);
		break;
	case S_IFBLK:
		entry_set(entry, TAR_BLOCK_DEVICE, st);
		break;
	case S_IFIFO:
		entry_set(entry, TAR_FIFO, st);
		break;
	default:
		return 0;
	}
	return pack_header(pack, err);
}

/* What was there a moment ago may be gone, or something else. */
static bool vanished(int errnum)
{
	return errnum == ENOENT || errnum == ELOOP || errnum == ENOTDIR || errnum == ENXIO;
}

static int pack_child(struct pack *pack, int dir, const char *name, int depth, struct err *err)
{
	int CLEANUP_FD fd = -1;
	struct stat st;
	bool is_dir;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return vanished(errno) ? 0 : err_errno(err, errno, "%s", pack->entry.name);
	r = pack_link(pack, &st, err);
	if (r)
		return r < 0 ? r : 0;
	is_dir = S_ISDIR(st.st_mode);
	if (!is_dir && !S_ISREG(st.st_mode))
		return pack_special(pack, dir, name, &st, err);
	fd = openat(dir, name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (is_dir ? O_DIRECTORY : 0));
	if (fd < 0 || fstat(fd, &st) < 0)
		return vanished(errno) ? 0 : err_errno(err, errno, "%s", pack->entry.name);
	if (is_dir)
		return pack_dir(pack, TAKE_FD(fd), &st, depth, err);
	return S_ISREG(st.st_mode) ? pack_file(pack, fd, &st, err) : 0;
}

static int open_inside(const char *path, uint64_t flags)
{
	const struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

/* The last part of @path, as all names begin with it. */
static int top_name(const char *path, char ret[TAR_NAME_MAX + 1])
{
	size_t end = strlen(path), start;

	while (end && path[end - 1] == '/')
		end--;
	for (start = end; start && path[start - 1] != '/'; start--)
		;
	if (end == start || (end - start == 2 && !strncmp(path + start, "..", 2))) {
		memcpy(ret, ".", sizeof("."));
		return 0;
	}
	if (end - start > TAR_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(ret, path + start, end - start);
	ret[end - start] = '\0';
	return 0;
}

static int pack_top(struct pack *pack, const char *path, struct err *err)
{
	int CLEANUP_FD found = open_inside(path, O_PATH);
	int CLEANUP_FD fd = -1;
	struct stat st, again;
	bool is_dir;

	if (found < 0 || fstat(found, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (top_name(path, pack->entry.name) < 0)
		return err_set(err, -ENAMETOOLONG, "%s: too long", path);
	is_dir = S_ISDIR(st.st_mode);
	if (!is_dir && !S_ISREG(st.st_mode)) {
		if (S_ISSOCK(st.st_mode))
			return err_set(err, -EINVAL, "%s: a socket can't be sent", path);
		return pack_special(pack, -1, "", &st, err);
	}
	fd = open_inside(path, O_RDONLY | O_NONBLOCK | (is_dir ? O_DIRECTORY : 0));
	if (fd < 0 || fstat(fd, &again) < 0)
		return err_errno(err, errno, "%s", path);
	if (is_dir)
		return pack_dir(pack, TAKE_FD(fd), &again, 0, err);
	if (!S_ISREG(again.st_mode))
		return err_set(err, -ESTALE, "%s: has just become something else", path);
	return pack_file(pack, fd, &again, err);
}

int pack_tree(const char *path, int out, struct err *err)
{
	struct pack *pack = calloc(1, sizeof(*pack));
	int r;

	if (!pack)
		return err_errno(err, ENOMEM, "an archive");
	pack->out = out;
	pack->header = BUF_INIT(2 * TAR_WRITE_MAX);
	r = pack_top(pack, path, err);
	if (r == 0) {
		pack->header.len = 0;
		r = tar_write_end(&pack->header);
		if (r < 0)
			err_errno(err, -r, "the archive's end");
	}
	if (r == 0)
		r = pack_bytes(pack, pack->header.data, pack->header.len, err);
	if (r == 0)
		r = pack_flush(pack, err);
	buf_fini(&pack->header);
	for (size_t i = 0; pack->links && i < LINKS_SLOTS; i++)
		free(pack->links[i].name);
	free(pack->links);
	free(pack);
	return r;
}
