// SPDX-License-Identifier: Apache-2.0
// The image store.
#include "image/store.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* The lock that keeps the clean-up away from half-made entries of tmp/. */
#define TMP_LOCK "tmp"

/* Folders inside an entry of tmp/: an OCI layout has three levels, what skopeo unpacks may have
 * more. */
#define WALK_DEPTH_MAX 64

int store_default_path(char ret_path[PATH_MAX], struct err *err)
{
	const char *store = getenv("HULL_STORE");
	const char *data = getenv("XDG_DATA_HOME");
	const char *home = getenv("HOME");
	int n;

	if (store && store[0])
		n = snprintf(ret_path, PATH_MAX, "%s", store);
	else if (geteuid() == 0)
		n = snprintf(ret_path, PATH_MAX, "/var/lib/hull");
	else if (data && data[0] == '/')
		n = snprintf(ret_path, PATH_MAX, "%s/hull", data);
	else if (home && home[0] == '/')
		n = snprintf(ret_path, PATH_MAX, "%s/.local/share/hull", home);
	else
		return err_set(err, -ENOENT,
			"image store: none of HULL_STORE, XDG_DATA_HOME and HOME is set");
	if (n >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "image store: path too long");
	return 0;
}

/* Make the folder and those above it; only the last is private to its user. */
static int make_path(const char *path, struct err *err)
{
	char copy[PATH_MAX];
	struct stat st;

	if (!stat(path, &st))
		return S_ISDIR(st.st_mode)
			       ? 0
			       : err_set(err, -ENOTDIR, "image store %s: not a folder", path);
	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return err_set(err, -ENAMETOOLONG, "image store: path too long");
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0755) && errno != EEXIST)
			return err_errno(err, errno, "image store: mkdir %s", copy);
		*slash = '/';
	}
	if (mkdir(path, 0700) && errno != EEXIST)
		return err_errno(err, errno, "image store: mkdir %s", path);
	return 0;
}

static int open_subdir(int dirfd, const char *path, const char *name, int *ret_fd, struct err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;

	*ret_fd = openat(dirfd, name, flags);
	if (*ret_fd < 0 && errno == ENOENT) {
		if (mkdirat(dirfd, name, 0700) && errno != EEXIST)
			return err_errno(err, errno, "image store: mkdir %s/%s", path, name);
		*ret_fd = openat(dirfd, name, flags);
	}
	if (*ret_fd < 0)
		return err_errno(err, errno, "image store: open %s/%s", path, name);
	return 0;
}

static int remove_at(int dirfd, const char *name, unsigned int depth)
{
	struct dirent *entry;
	DIR *dir;
	int fd, r = 0;

	if (!unlinkat(dirfd, name, 0))
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth >= WALK_DEPTH_MAX)
		return -ELOOP;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (!r && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			r = remove_at(fd, entry->d_name, depth + 1);
	}
	closedir(dir);
	if (!r && unlinkat(dirfd, name, AT_REMOVEDIR))
		r = -errno;
	return r;
}

int store_remove(int dirfd, const char *name)
{
	return remove_at(dirfd, name, 0);
}

static void remove_if_stale(struct store *store, const char *name)
{
	int CLEANUP_FD fd =
		openat(store->tmp_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int r;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		return;
	r = store_remove(store->tmp_fd, name);
	if (r)
		log_warn("image store: can't remove tmp/%s: %s", name, strerror(-r));
}

static int open_lock(struct store *store, const char *name)
{
	return openat(store->locks_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Remove what killed builders left. Not finding the lock free is fine: somebody else cleans. */
static void clean_up(struct store *store)
{
	int CLEANUP_FD lock = -1;
	struct dirent *entry;
	DIR *dir;
	int fd = openat(store->tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (lock < 0) {
			lock = open_lock(store, TMP_LOCK);
			if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB))
				break;
		}
		remove_if_stale(store, entry->d_name);
	}
	closedir(dir);
}

int store_open(const char *path, struct store **ret_store, struct err *err)
{
	char buf[PATH_MAX];
	struct store *store;
	int CLEANUP_FD root = -1;
	int r;

	if (path && !*path)
		return err_set(err, -EINVAL, "image store: the path is empty");
	if (!path) {
		r = store_default_path(buf, err);
		if (r)
			return r;
		path = buf;
	}
	r = make_path(path, err);
	if (r)
		return r;
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_errno(err, errno, "image store: open %s", path);
	store = malloc(sizeof(*store));
	if (!store)
		return err_set(err, -ENOMEM, "image store: out of memory");
	*store = (struct store){-1, -1, -1, -1};
	r = open_subdir(root, path, "tmp", &store->tmp_fd, err);
	if (!r)
		r = open_subdir(root, path, "rootfs", &store->rootfs_fd, err);
	if (!r)
		r = open_subdir(root, path, "pulled", &store->pulled_fd, err);
	if (!r)
		r = open_subdir(root, path, "locks", &store->locks_fd, err);
	if (r) {
		store_close(store);
		return r;
	}
	clean_up(store);
	*ret_store = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	cleanup_fd(&store->tmp_fd);
	cleanup_fd(&store->rootfs_fd);
	cleanup_fd(&store->pulled_fd);
	cleanup_fd(&store->locks_fd);
	free(store);
}

int store_lock(struct store *store, const char *name, int *ret_fd, struct err *err)
{
	int CLEANUP_FD fd = open_lock(store, name);

	if (fd < 0)
		return err_errno(err, errno, "image store: lock %s", name);
	if (flock(fd, LOCK_EX))
		return err_errno(err, errno, "image store: lock %s", name);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int temp_create(struct store *store, struct store_temp *ret_temp, bool dir, struct err *err)
{
	int CLEANUP_FD lock = open_lock(store, TMP_LOCK);
	int CLEANUP_FD fd = -1;
	uint64_t id;

	if (lock < 0 || flock(lock, LOCK_SH))
		return err_errno(err, errno, "image store: lock %s", TMP_LOCK);
	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return err_errno(err, errno, "image store: random number");
	snprintf(ret_temp->name, sizeof(ret_temp->name), "%016llx", (unsigned long long)id);
	if (dir) {
		if (mkdirat(store->tmp_fd, ret_temp->name, 0700))
			return err_errno(err, errno, "image store: make tmp/%s", ret_temp->name);
		fd = openat(store->tmp_fd, ret_temp->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		fd = openat(
			store->tmp_fd, ret_temp->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	}
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) {
		int errnum = errno;

		store_remove(store->tmp_fd, ret_temp->name);
		return err_errno(err, errnum, "image store: make tmp/%s", ret_temp->name);
	}
	ret_temp->store = store;
	ret_temp->fd = TAKE_FD(fd);
	return 0;
}

int store_temp_file(struct store *store, struct store_temp *ret_temp, struct err *err)
{
	return temp_create(store, ret_temp, false, err);
}

int store_temp_dir(struct store *store, struct store_temp *ret_temp, struct err *err)
{
	return temp_create(store, ret_temp, true, err);
}

void store_temp_discard(struct store_temp *temp)
{
	if (temp->name[0] && temp->store)
		store_remove(temp->store->tmp_fd, temp->name);
	temp->name[0] = '\0';
	cleanup_fd(&temp->fd);
	temp->fd = -1;
}

/* Rename over a file replaces it at once. A folder that is in the way moves to tmp/, where it is
 * garbage from then on; a reader that comes between finds nothing and waits for the lock. */
static int rename_over(struct store *store, const char *from, int dirfd, const char *to)
{
	char old[STORE_NAME_SIZE + 4];
	struct stat st;

	if (fstatat(dirfd, to, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode))
		return renameat(store->tmp_fd, from, dirfd, to) ? -errno : 0;
	snprintf(old, sizeof(old), "%s.old", from);
	if (renameat(dirfd, to, store->tmp_fd, old) || renameat(store->tmp_fd, from, dirfd, to))
		return -errno;
	return store_remove(store->tmp_fd, old);
}

/* Sync a file, or a folder with all in it; closes @fd. */
static int sync_tree(int fd, unsigned int depth)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int r = fstat(fd, &st) || fsync(fd) ? -errno : 0;

	dir = r || !S_ISDIR(st.st_mode) ? NULL : fdopendir(fd);
	if (!dir) {
		close(fd);
		return !r && S_ISDIR(st.st_mode) ? -ENOMEM : r;
	}
	if (depth >= WALK_DEPTH_MAX)
		r = -ELOOP;
	while (!r && (entry = readdir(dir))) {
		int sub;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		sub = openat(fd, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		r = sub < 0 ? -errno : sync_tree(sub, depth + 1);
	}
	closedir(dir);
	return r;
}

int store_temp_publish(struct store_temp *temp, int dirfd, const char *name, struct err *err)
{
	/* Opened anew: reading a folder moves the position of its descriptor. */
	int fd = openat(temp->store->tmp_fd, temp->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int r = fd < 0 ? -errno : sync_tree(fd, 0);

	if (r)
		return err_errno(err, -r, "image store: sync %s", name);
	r = rename_over(temp->store, temp->name, dirfd, name);
	if (r)
		return err_errno(err, -r, "image store: rename %s", name);
	temp->name[0] = '\0';
	if (fsync(dirfd))
		return err_errno(err, errno, "image store: sync %s", name);
	return 0;
}
