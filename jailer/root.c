// SPDX-License-Identifier: Apache-2.0
// The mount namespace in which the VM's directory is the root.
#include "jailer/root.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

int root_separate(struct err *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_errno(err, errno, "a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_errno(err, errno, "mounts of its own");
	return 0;
}

int root_change(int dir, struct err *err)
{
	int CLEANUP_FD tree = open_tree(
		dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);

	if (tree < 0 || move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(err, errno, "mounting the root directory");
	/* The old root comes to lie on the new one, whence it can be unmounted. */
	if (fchdir(tree) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_errno(err, errno, "changing the root directory");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_errno(err, errno, "leaving the old root directory");
	return 0;
}

int root_process(struct err *err)
{
	int fd = open_tree(AT_FDCWD, "/proc/self", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return fd < 0 ? err_errno(err, errno, "/proc/self") : fd;
}
