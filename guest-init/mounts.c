// SPDX-License-Identifier: Apache-2.0
// The container's mounts.
#include "guest-init/mounts.h"

#include "base/cleanup.h"
#include "guest-init/rootfs.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

/* Of open_tree and move_mount: the C library's headers may lack them, and the kernel's don't go
 * with all of its versions. */
#define TREE_CLONE 1u
#define MOVE_FROM_EMPTY 0x04u
#define MOVE_TO_EMPTY 0x40u

#define SAFE (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* In order. An optional one is left out where the kernel lacks its file system, or the directory
 * for it. */
static const struct {
	const char *type, *target;
	unsigned long flags;
	const char *data;
	bool optional;
} mounts[] = {
	{"proc", "/proc", SAFE, NULL, false},
	{"tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k", false},
	{"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5",
		true},
	{"tmpfs", "/dev/shm", SAFE, "mode=1777,size=65536k", false},
	{"mqueue", "/dev/mqueue", SAFE, NULL, true},
	{"sysfs", "/sys", SAFE | MS_RDONLY, NULL, true},
	{"cgroup2", "/sys/fs/cgroup", SAFE | MS_RDONLY, NULL, true},
};

static const struct {
	const char *path;
	unsigned int major, minor;
} nodes[] = {
	{"/dev/null", 1, 3},
	{"/dev/zero", 1, 5},
	{"/dev/full", 1, 7},
	{"/dev/random", 1, 8},
	{"/dev/urandom", 1, 9},
	{"/dev/tty", 5, 0},
};

static const struct {
	const char *path, *target;
} links[] = {
	{"/dev/ptmx", "pts/ptmx"},
	{"/dev/fd", "/proc/self/fd"},
	{"/dev/stdin", "/proc/self/fd/0"},
	{"/dev/stdout", "/proc/self/fd/1"},
	{"/dev/stderr", "/proc/self/fd/2"},
	{"/dev/core", "/proc/kcore"},
};

/* Docker's lists. What the kernel doesn't have is skipped. */
static const char *const masked[] = {
	"/proc/acpi",
	"/proc/asound",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
};

static const char *const readonly[] = {
	"/proc/bus",
	"/proc/fs",
	"/proc/irq",
	"/proc/sys",
	"/proc/sysrq-trigger",
};

/* What stays writable under a read-only root, as with podman. */
static const struct {
	const char *path;
	mode_t mode;
} writable[] = {
	{"/run", 0755},
	{"/tmp", 01777},
	{"/var/tmp", 01777},
};

int mounts_enter(struct err *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(err, errno, "making mounts private");
	if (chdir(ROOTFS_CONTAINER) < 0)
		return err_errno(err, errno, "%s", ROOTFS_CONTAINER);
	/* Old and new root at one place: the old one then lies on top, and is taken away. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_errno(err, errno, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_errno(err, errno, "detaching the old root");
	return 0;
}

int mounts_mkdir(const char *path, struct err *err)
{
	char part[PATH_MAX];
	struct stat st;
	size_t len = strlen(path);

	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		return err_set(err, -ENOTDIR, "%s: not a directory", path);
	}
	if (len >= sizeof(part))
		return err_set(err, -ENAMETOOLONG, "%s: too long", path);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_errno(err, errno, "mkdir %s", part);
	}
	if (stat(path, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "%s: not a directory", path);
	return 0;
}

static int mount_one(size_t i, struct err *err)
{
	bool in_sys = !strncmp(mounts[i].target, "/sys/", 5);
	int r = in_sys ? 0 : mounts_mkdir(mounts[i].target, err);

	if (r < 0)
		return r;
	if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
		    mounts[i].data) == 0)
		return 0;
	if (mounts[i].optional && (errno == ENODEV || errno == ENOENT))
		return 0;
	return err_errno(err, errno, "mount %s on %s", mounts[i].type, mounts[i].target);
}

int mounts_make(struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		int r = mount_one(i, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if (mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) <
			0)
			return err_errno(err, errno, "mknod %s", nodes[i].path);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlink(links[i].target, links[i].path) < 0)
			return err_errno(err, errno, "symlink %s", links[i].path);
	return 0;
}

/* Bind @path onto itself and close it to writing. */
static int readonly_one(const char *path, struct err *err)
{
	if (mount(path, path, NULL, MS_BIND, NULL) < 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "bind %s", path);
	if (mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | SAFE, NULL) < 0)
		return err_errno(err, errno, "remount %s", path);
	return 0;
}

static int mask_one(const char *path, struct err *err)
{
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "%s", path);
	if (S_ISDIR(st.st_mode))
		r = mount("tmpfs", path, "tmpfs", SAFE | MS_RDONLY, "mode=755");
	else
		r = mount("/dev/null", path, NULL, MS_BIND, NULL);
	return r < 0 ? err_errno(err, errno, "masking %s", path) : 0;
}

int mounts_mask(struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(readonly) && r == 0; i++)
		r = readonly_one(readonly[i], err);
	for (size_t i = 0; i < ARRAY_SIZE(masked) && r == 0; i++)
		r = mask_one(masked[i], err);
	return r;
}

int mounts_seal(struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(writable); i++) {
		const char *path = writable[i].path;
		bool missing = access(path, F_OK) < 0;
		int r = mounts_mkdir(path, err);

		if (r < 0)
			return r;
		if (missing && chmod(path, writable[i].mode) < 0)
			return err_errno(err, errno, "chmod %s", path);
		if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0)
			return err_errno(err, errno, "bind %s", path);
		if (mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV, NULL) < 0)
			return err_errno(err, errno, "remount %s", path);
	}
	if (mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return err_errno(err, errno, "making the root read-only");
	return 0;
}

int mounts_bind(const char *source, const char *target, struct err *err)
{
	int CLEANUP_FD fd =
		open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(err, errno, "%s", target);
	if (mount(source, target, NULL, MS_BIND, NULL) < 0)
		return err_errno(err, errno, "bind %s on %s", source, target);
	return 0;
}

int mounts_take(const struct agent_spec *spec, struct mounts_further *ret, struct err *err)
{
	char path[ROOTFS_FURTHER_SIZE];

	*ret = (struct mounts_further){0};
	for (size_t i = 0; i < spec->n_mounts; i++) {
		int tree;

		rootfs_further(i, path);
		tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, TREE_CLONE | O_CLOEXEC);
		if (tree < 0)
			return err_errno(err, errno, "%s: open_tree", spec->mounts[i].path);
		ret->trees[ret->count++] = tree;
	}
	return 0;
}

int mounts_prepare(const struct agent_spec *spec, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < spec->n_mounts && r == 0; i++)
		r = mounts_mkdir(spec->mounts[i].path, err);
	return r;
}

static int add_one(const char *path, int tree, struct err *err)
{
	const struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
	int CLEANUP_FD dir = -1;
	struct stat st, root;
	int r = mounts_mkdir(path, err);

	if (r < 0)
		return r;
	dir = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	if (dir < 0 || fstat(dir, &st) < 0 || stat("/", &root) < 0)
		return err_errno(err, errno, "mounting on %s", path);
	/* It would only be seen by some. */
	if (st.st_dev == root.st_dev && st.st_ino == root.st_ino)
		return err_set(err, -EINVAL, "mounting on %s: that is the root", path);
	if (syscall(SYS_move_mount, tree, "", dir, "", MOVE_FROM_EMPTY | MOVE_TO_EMPTY) < 0)
		return err_errno(err, errno, "mounting on %s", path);
	return 0;
}

int mounts_add(const struct agent_spec *spec, struct mounts_further *further, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < further->count; i++) {
		if (r == 0)
			r = add_one(spec->mounts[i].path, further->trees[i], err);
		close(TAKE_FD(further->trees[i]));
	}
	return r;
}
