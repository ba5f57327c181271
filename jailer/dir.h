// SPDX-License-Identifier: Apache-2.0
// Directories that nobody else can have tampered with.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct ledger;

#define DIR_PATH_MAX 4096

/*
 * struct dir - an open directory
 * @path:	for messages
 * @uid:	besides root, who may own it, and what is made in it; 0: only root
 * @made:	it wasn't there before
 */
struct dir {
	int fd;
	uid_t uid;
	bool made;
	char path[DIR_PATH_MAX];
};

/*
 * dir_open_base() - open a directory that an operator names
 * @path:	may go through symbolic links; @ret->path is without
 *
 * Only root may be able to change it, and to put another in its place: that is checked of each
 * directory on the way, too.
 *
 * Return: 0 or -errno with @err set.
 */
int dir_open_base(const char *path, struct dir *ret, struct err *err);

/*
 * dir_make() - open directory @name in @parent, made if it isn't there
 * @name:	one component
 * @ret:	its @uid is set already
 * @ledger:	notes it if it was made
 *
 * One that is there must be a directory, not a link to one, which only root, or @ret->uid, can
 * change.
 *
 * Return: 0 or -errno with @err set.
 */
int dir_make(const struct dir *parent, const char *name, struct dir *ret, struct ledger *ledger,
	struct err *err);

/* dir_give() - make @uid and @gid its owner, nobody else's to look into. Return: 0 or -errno. */
int dir_give(const struct dir *dir, uid_t uid, gid_t gid, struct ledger *ledger, struct err *err);

/*
 * dir_openat() - open without following any link, and without leaving @dir
 * @flags:	of open(2); O_CLOEXEC is added
 *
 * Return: a descriptor or -errno.
 */
int dir_openat(int dir, const char *name, int flags);
