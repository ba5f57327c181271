// SPDX-License-Identifier: Apache-2.0
// The program that is run.
#include "jailer/program.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "jailer/tree.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define PROGRAM_MODE 0755

int program_open(const char *path, struct err *err)
{
	/* Opening a FIFO must not wait. */
	int CLEANUP_FD fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, errno, "--exec-file %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "--exec-file %s: is not a regular file", path);
	if (!(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return err_set(err, -EACCES, "--exec-file %s: is not executable (mode %04o)", path,
			st.st_mode & ALLPERMS);
	return TAKE_FD(fd);
}

static int copy(int from, int to)
{
	struct stat st;
	off_t at = 0;

	if (fstat(from, &st) < 0)
		return -errno;
	while (at < st.st_size) {
		ssize_t n = sendfile(to, from, &at, (size_t)(st.st_size - at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
	}
	return fchmod(to, PROGRAM_MODE) < 0 ? -errno : 0;
}

int program_copy(int fd, struct tree *tree, const char *name, struct err *err)
{
	const struct dir *root = &tree->root;
	int CLEANUP_FD to = -1;
	int r = ledger_room(&tree->ledger, err);

	if (r < 0)
		return r;
	to = openat(root->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0 && errno == EEXIST)
		return err_set(err, -EEXIST,
			"%s/%s: is there already: a VM of this --id runs, or ran and was not "
			"removed",
			root->path, name);
	if (to < 0)
		return err_errno(err, errno, "%s/%s", root->path, name);
	ledger_made(&tree->ledger, LEDGER_FILE, root->fd, name);
	r = copy(fd, to);
	return r < 0 ? err_errno(err, -r, "copying the program to %s/%s", root->path, name) : 0;
}
