// SPDX-License-Identifier: Apache-2.0
// An empty file system as root.
#include "vmm/sandbox/stages.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Theory of operation
 *
 * A tmpfs of a few pages is mounted over the root, and the granted directories are bound into it
 * under the names they have on the host, so that a path means the same before and after. Then it
 * takes the root's place, the old root is unmounted with all below it, and the tmpfs is made
 * read-only. Nothing of this is seen outside the mount namespace, which ends with the process. The
 * working directory stays where it was if there is still such a place: names relative to it go on
 * meaning the same.
 */

#define TMPFS_SIZE "64k"

static int make_tmpfs(struct err *err)
{
	int CLEANUP_FD fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int mount_fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "size", TMPFS_SIZE, 0) < 0 ||
		fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
		fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_errno(err, errno, "jail: a file system of its own");
	mount_fd = fsmount(
		fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mount_fd < 0 ? err_errno(err, errno, "jail: mounting its file system") : mount_fd;
}

/* The directories down to @path, an absolute one, in the new root. Return: 0 or -errno. */
static int make_directories(int root, const char *path)
{
	char partial[CONFIG_JAIL_PATH_MAX];

	if (strlen(path) > sizeof(partial))
		return -ENAMETOOLONG;
	for (const char *p = path + 1; *p; p++) {
		const char *end = strchrnul(p, '/');
		size_t len = (size_t)(end - (path + 1));

		memcpy(partial, path + 1, len);
		partial[len] = '\0';
		if (mkdirat(root, partial, 0755) < 0 && errno != EEXIST)
			return -errno;
		if (!*end)
			break;
		p = end;
	}
	return 0;
}

/*
 * The root is granted, which hull-jailer made for this VM alone: it takes the place of the empty
 * file system, with what is mounted in it. All grants are in it already.
 */
static int copy_root(const struct config_jail_grant *grant, struct err *err)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			    (grant->writable ? 0 : MOUNT_ATTR_RDONLY),
	};
	int CLEANUP_FD tree =
		open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (tree < 0 ||
		mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return err_errno(err, errno, "jail: granting /");
	return TAKE_FD(tree);
}

static const struct config_jail_grant *find_root(const struct config_jail *config)
{
	const struct config_jail_grant *found = NULL;

	for (unsigned int i = 0; i < config->grant_count; i++)
		if (!strcmp(config->grants[i].path, "/"))
			found = &config->grants[i];
	return found;
}

static int bind_grant(int root, const struct config_jail_grant *grant, struct err *err)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			    (grant->writable ? 0 : MOUNT_ATTR_RDONLY),
	};
	int CLEANUP_FD tree = open_tree(
		AT_FDCWD, grant->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	int r;

	if (tree < 0 ||
		mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return err_errno(err, errno, "jail: granting %s", grant->path);
	r = make_directories(root, grant->path);
	if (!r && move_mount(tree, "", root, grant->path + 1, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		r = -errno;
	return r < 0 ? err_errno(err, -r, "jail: granting %s", grant->path) : 0;
}

int stage_root(const struct config_jail *config, struct err *err)
{
	const struct config_jail_grant *whole = find_root(config);
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
	char CLEANUP_FREE *cwd = getcwd(NULL, 0);
	int CLEANUP_FD root = -1;
	int r;

	/* What is unmounted here stays mounted elsewhere. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(err, errno, "jail: private mounts");
	root = whole ? copy_root(whole, err) : make_tmpfs(err);
	if (root < 0)
		return root;
	if (move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(err, errno, "jail: mounting its root");
	for (unsigned int i = 0; i < config->grant_count; i++) {
		if (!strcmp(config->grants[i].path, "/"))
			continue;
		r = bind_grant(root, &config->grants[i], err);
		if (r < 0)
			return r;
	}
	if (config->grant_count && cwd && (r = make_directories(root, cwd)) < 0)
		return err_errno(err, -r, "jail: working directory %s", cwd);
	/* The old root comes to lie on the new one, whence it can be unmounted. */
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_errno(err, errno, "jail: changing the root");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_errno(err, errno, "jail: leaving the old root");
	if (config->grant_count && cwd && chdir(cwd) < 0 && chdir("/") < 0)
		return err_errno(err, errno, "jail: working directory");
	if (!whole && mount_setattr(root, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)) < 0)
		return err_errno(err, errno, "jail: making its root read-only");
	return 0;
}
