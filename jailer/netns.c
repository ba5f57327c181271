// SPDX-License-Identifier: Apache-2.0
// The network namespace that the VM joins.
#include "jailer/netns.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

int netns_open(const char *path, struct err *err)
{
	int CLEANUP_FD fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return err_errno(err, errno, "--netns %s", path);
	if (fs.f_type != NSFS_MAGIC || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return err_set(err, -EINVAL, "--netns %s: is not a network namespace", path);
	return TAKE_FD(fd);
}
