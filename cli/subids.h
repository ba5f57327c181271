// SPDX-License-Identifier: Apache-2.0
// A user and a group ID of the VM's own, for who isn't root: out of the ranges that the host's
// administrator gave them.
#pragma once

#include <sys/types.h>

/*
 * Theory of operation
 *
 * /etc/subuid and /etc/subgid give a user ranges of IDs, and newuidmap and newgidmap, which are
 * setuid root, write them into the maps of a user namespace that the user has made:
 *
 *     in the namespace    on the host
 *     0                   the user         opens what the user may open
 *     SUBIDS_INSIDE       one of the range the monitor, once everything is open
 *
 * Which one of the range: that of hull's process ID, or the next that is free. A lock on one byte
 * of a file of the user's says which are in use: it is gone with who holds it.
 */

/* What the VM's user and group are in the namespace. */
#define SUBIDS_INSIDE 1

/*
 * struct subids
 * @uid, @gid:	on the host
 * @lock_fd:	says that they are in use while it is open; -1: there are none
 */
struct subids {
	uid_t uid;
	gid_t gid;
	int lock_fd;
};

#define SUBIDS_NONE ((struct subids){.lock_fd = -1})

/*
 * subids_choose() - find IDs that no other VM of this user has
 * @etc_fd:	/etc
 * @lock_fd:	a file that all of the user's VMs share; taken over
 * @user:	the caller's name, or NULL
 *
 * Return: 0; -ENOENT if the user has no range, or none is free; -errno.
 */
int subids_choose(struct subids *ids, int etc_fd, int lock_fd, uid_t uid, const char *user);

/*
 * subids_map() - write the maps of a child's user namespace
 * @pid:	has made it, and waits; the caller's child
 *
 * Return: 0, -ENOENT where there are no such programs, -EPERM where they refuse, or -errno.
 */
int subids_map(const struct subids *ids, pid_t pid);

/* subids_release() - harmless on SUBIDS_NONE. */
void subids_release(struct subids *ids);
