// SPDX-License-Identifier: Apache-2.0
// A user ID for each VM.
#include "vmm/sandbox/stages.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Theory of operation
 *
 * A VM's user ID is a byte of the file CONFIG_JAIL_UID_FILE: who holds the lock on byte N has ID
 * CONFIG_JAIL_UID_FIRST + N. The lock goes with the open file description, so with the process,
 * however it ends, and nothing has to be tidied up. Each looks first at a place that depends on the
 * time, so that an ID isn't had again by the very next VM.
 */

static int uid_file_open(struct err *err)
{
	struct stat st;
	int fd;

	if (mkdir(CONFIG_JAIL_DIR, 0755) < 0 && errno != EEXIST)
		return err_errno(err, errno, "jail: " CONFIG_JAIL_DIR);
	fd = open(CONFIG_JAIL_UID_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, errno, "jail: " CONFIG_JAIL_UID_FILE);
	/* Whoever else could write to it could have all IDs, or none be left. */
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 ||
		(st.st_mode & (S_IWGRP | S_IWOTH))) {
		close(fd);
		return err_set(err, -EPERM,
			"jail: " CONFIG_JAIL_UID_FILE
			" is not root's alone, so no user ID can be taken");
	}
	return fd;
}

int stage_uid_take(uid_t *ret_uid, int *ret_fd, struct err *err)
{
	int CLEANUP_FD fd = uid_file_open(err);
	unsigned int first = (unsigned int)(clock_us() % CONFIG_JAIL_UID_COUNT);

	if (fd < 0)
		return fd;
	for (unsigned int i = 0; i < CONFIG_JAIL_UID_COUNT; i++) {
		unsigned int n = (first + i) % CONFIG_JAIL_UID_COUNT;
		struct flock lock = {
			.l_type = F_WRLCK,
			.l_whence = SEEK_SET,
			.l_start = n,
			.l_len = 1,
		};

		if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
			*ret_uid = CONFIG_JAIL_UID_FIRST + n;
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
		if (errno != EAGAIN && errno != EACCES)
			return err_errno(err, errno, "jail: locking " CONFIG_JAIL_UID_FILE);
	}
	return err_set(err, -EAGAIN, "jail: all %u user IDs from %u are taken by other microVMs",
		CONFIG_JAIL_UID_COUNT, CONFIG_JAIL_UID_FIRST);
}

int stage_become(uid_t uid, gid_t gid, struct err *err)
{
	if (setgroups(0, NULL) < 0)
		return err_errno(err, errno, "jail: giving up groups");
	if (setresgid(gid, gid, gid) < 0)
		return err_errno(err, errno, "jail: group ID %u", gid);
	if (setresuid(uid, uid, uid) < 0)
		return err_errno(err, errno, "jail: user ID %u", uid);
	return 0;
}
