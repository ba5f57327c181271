// SPDX-License-Identifier: Apache-2.0
// Who the command runs as: a user string resolved in the image's own passwd and group files.
#pragma once

#include "base/err.h"
#include "protocol/agent.h"

#include <stddef.h>
#include <sys/types.h>

/* More than any sane account; the kernel's own limit of 65536 would only cost memory here. */
#define USER_GROUPS_MAX 256
/* Thousands of accounts; a larger file is a trap. */
#define USER_FILE_MAX (1024u * 1024)
/* Ids above are refused, as by other container engines: the upper half has special meanings. */
#define USER_ID_MAX 0x7fffffffu

/*
 * struct user - the identity of a process
 * @groups:	supplementary groups, the first of which is @gid: a process that has changed its
 *		group, as a set-group-ID program does, must not escape what is denied to @gid
 * @home:	absolute; "/" when the image doesn't tell
 */
struct user {
	uid_t uid;
	gid_t gid;
	gid_t groups[USER_GROUPS_MAX];
	size_t n_groups;
	char home[AGENT_CWD_MAX + 1];
};

/* The content of a file; not NUL-terminated, and hostile. */
struct user_file {
	const char *text;
	size_t len;
};

/*
 * user_lookup() - resolve @spec in the content of the two files
 * @spec:	"", NAME, UID, NAME:GROUP, UID:GID and so on; an empty user is uid 0, an empty group
 *		none, as other container engines have it
 * @passwd, @group:	empty when the image has none
 *
 * Ids need no entry. Further supplementary groups are those whose members name the user, unless
 * @spec names a group.
 *
 * Return: 0; -ENOENT for an unknown name; -EINVAL for a malformed @spec; -E2BIG for too many
 * groups.
 */
int user_lookup(const char *spec, const struct user_file *passwd, const struct user_file *group,
	struct user *ret, struct err *err);

/*
 * user_resolve() - user_lookup() in /etc/passwd and /etc/group of the current root
 *
 * Return: as user_lookup(), -EFBIG for a file above USER_FILE_MAX, or another -errno.
 */
int user_resolve(const char *spec, struct user *ret, struct err *err);
