// SPDX-License-Identifier: Apache-2.0
// Directories that nobody else can have tampered with.
#include "jailer/dir.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "jailer/ledger.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/*
 * Theory of operation
 *
 * A name means what it meant when it was checked only as long as nobody else can change the
 * directory that it is in. So the way down to the base directory, and from there to the VM's own
 * directories, is gone step by step, each step from the open directory before it, and each
 * directory is checked after it was opened: root's, and writable to nobody else. Links are never
 * followed. What lies in the VM's root directory may have been put there for the VM, by its user;
 * of that nothing is opened, changed or replaced: files are made where none of the name is.
 */

#define OTHERS_WRITE (S_IWGRP | S_IWOTH)

int dir_openat(int dir, const char *name, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* @sticky: others may add to it, but not replace what isn't theirs. */
static int check_dir(int fd, const char *path, uid_t uid, bool sticky, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (st.st_uid != 0 && st.st_uid != uid)
		return err_set(err, -EPERM,
			"%s: belongs to user %u, who could replace what is in it", path, st.st_uid);
	if (st.st_mode & OTHERS_WRITE && !(sticky && st.st_mode & S_ISVTX))
		return err_set(err, -EPERM,
			"%s: others than its owner can replace what is in it (mode %04o)", path,
			st.st_mode & ALLPERMS);
	return 0;
}

/* Open @name, which is there, in @parent. */
static int enter(int parent, const char *name, const char *path, struct err *err)
{
	int fd = dir_openat(parent, name, O_RDONLY | O_DIRECTORY);

	if (fd == -ELOOP)
		return err_set(err, fd, "%s: is a symbolic link", path);
	return fd < 0 ? err_errno(err, -fd, "%s", path) : fd;
}

/* The path of an open directory, without links. */
static int real_path(const char *path, char *ret, size_t size, struct err *err)
{
	int CLEANUP_FD fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char link[32];
	ssize_t n;

	if (fd < 0)
		return err_errno(err, errno, "--chroot-base-dir %s", path);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, ret, size - 1);
	if (n < 0)
		return err_errno(err, errno, "%s", link);
	if ((size_t)n == size - 1 || *ret != '/')
		return err_set(
			err, -ENAMETOOLONG, "--chroot-base-dir %s: has no path from here", path);
	ret[n] = '\0';
	return 0;
}

int dir_open_base(const char *path, struct dir *ret, struct err *err)
{
	char name[NAME_MAX + 1];
	int fd, r;

	*ret = (struct dir){.fd = -1};
	r = real_path(path, ret->path, sizeof(ret->path), err);
	if (r < 0)
		return r;
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "/");
	for (char *p = ret->path + 1; *p;) {
		size_t len = strcspn(p, "/");
		int CLEANUP_FD parent = fd;
		char next = p[len];

		memcpy(name, p, len);
		name[len] = '\0';
		/* The path up to the parent, then to what is in it. */
		p[-1] = '\0';
		r = check_dir(parent, *ret->path ? ret->path : "/", 0, true, err);
		p[-1] = '/';
		p[len] = '\0';
		fd = r < 0 ? r : enter(parent, name, ret->path, err);
		if (fd < 0)
			return fd;
		p[len] = next;
		p += len + (next == '/');
	}
	ret->fd = fd;
	return check_dir(fd, ret->path, 0, false, err);
}

int dir_make(const struct dir *parent, const char *name, struct dir *ret, struct ledger *ledger,
	struct err *err)
{
	int r = ledger_room(ledger, err);

	if (r < 0)
		return r;
	if ((size_t)snprintf(ret->path, sizeof(ret->path), "%s%s%s", parent->path,
		    parent->path[1] ? "/" : "", name) >= sizeof(ret->path))
		return err_set(err, -ENAMETOOLONG, "%s: the path of '%s' in it is too long",
			parent->path, name);
	if (mkdirat(parent->fd, name, 0700) == 0) {
		ret->made = true;
		ledger_made(ledger, LEDGER_DIR, parent->fd, name);
	} else if (errno != EEXIST) {
		return err_errno(err, errno, "making directory %s", ret->path);
	}
	ret->fd = enter(parent->fd, name, ret->path, err);
	if (ret->fd < 0)
		return ret->fd;
	r = check_dir(ret->fd, ret->path, ret->uid, false, err);
	if (!r && ret->made && fchmod(ret->fd, 0755) < 0)
		r = err_errno(err, errno, "%s", ret->path);
	return r;
}

int dir_give(const struct dir *dir, uid_t uid, gid_t gid, struct ledger *ledger, struct err *err)
{
	struct stat before;
	int r = ledger_room(ledger, err);

	if (r < 0)
		return r;
	if (fstat(dir->fd, &before) < 0)
		return err_errno(err, errno, "%s", dir->path);
	if (!dir->made)
		ledger_owner(ledger, dir->fd, &before);
	if (fchmod(dir->fd, 0700) < 0 || fchown(dir->fd, uid, gid) < 0)
		return err_errno(err, errno, "giving %s to user %u, group %u", dir->path, uid, gid);
	return 0;
}
