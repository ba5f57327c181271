// SPDX-License-Identifier: Apache-2.0
// A user ID for each VM.
#include "vmm/sandbox/stages.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <fcntl.h>
#include <grp.h>

/*
 * The process ID is had by no other process while this one lives, is free again with its end,
 * however that comes, and is not given again soon. So nothing has to be kept, locked or tidied up.
 * /proc says which it is where the processes of all VMs are seen, also to one that is the first of
 * a namespace of its own.
 */
int stage_uid_choose(int process, uid_t *ret_uid, struct err *err)
{
	int CLEANUP_FD fd = openat(process, "stat", O_RDONLY | O_CLOEXEC);
	char text[16];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	unsigned long pid;

	if (n < 0)
		return err_errno(err, errno, "jail: /proc/self/stat");
	text[n] = '\0';
	pid = strtoul(text, NULL, 10);
	if (!pid || pid >= CONFIG_JAIL_UID_COUNT)
		return err_set(err, -ERANGE, "jail: no user ID for process %lu", pid);
	*ret_uid = CONFIG_JAIL_UID_FIRST + (uid_t)pid;
	return 0;
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
