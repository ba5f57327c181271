// SPDX-License-Identifier: Apache-2.0
// Landlock: the file system once more, the network, and signals.
#include "vmm/sandbox/stages.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What older headers don't know. */
#define ACCESS_FS_REFER (1ull << 13)     /* from version 2 */
#define ACCESS_FS_TRUNCATE (1ull << 14)  /* 3 */
#define ACCESS_NET_ALL 3ull              /* 4: TCP bind and connect */
#define ACCESS_FS_IOCTL_DEV (1ull << 15) /* 5 */
#define SCOPE_ALL 3ull                   /* 6: abstract UNIX sockets, signals */
#define ACCESS_FS_FIRST ((1ull << 13) - 1)

/* As of version 6; an older kernel is given less of it. */
struct ruleset_attr {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

#define ATTR_SIZE_FS 8
#define ATTR_SIZE_NET 16

static size_t ruleset_for(int version, struct ruleset_attr *ret)
{
	*ret = (struct ruleset_attr){.fs = ACCESS_FS_FIRST};
	if (version >= 2)
		ret->fs |= ACCESS_FS_REFER;
	if (version >= 3)
		ret->fs |= ACCESS_FS_TRUNCATE;
	if (version >= 5)
		ret->fs |= ACCESS_FS_IOCTL_DEV;
	if (version < 4)
		return ATTR_SIZE_FS;
	ret->net = ACCESS_NET_ALL;
	if (version < 6)
		return ATTR_SIZE_NET;
	ret->scoped = SCOPE_ALL;
	return sizeof(*ret);
}

static int allow(int ruleset, const struct config_jail_grant *grant, struct err *err)
{
	int CLEANUP_FD dir = open(grant->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = {
		.parent_fd = dir,
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE |
				  (grant->writable ? LANDLOCK_ACCESS_FS_WRITE_FILE : 0),
	};

	if (dir < 0 ||
		syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return err_errno(err, errno, "jail: Landlock: granting %s", grant->path);
	return 0;
}

int stage_landlock(const struct config_jail *config, struct err *err)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset_attr attr;
	int CLEANUP_FD ruleset = -1;
	size_t size;
	int r;

	if (version < 1)
		return err_set(err, -ENOTSUP, "jail: this host's kernel has no Landlock");
	size = ruleset_for((int)version, &attr);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return err_errno(err, errno, "jail: Landlock");
	for (unsigned int i = 0; i < config->grant_count; i++) {
		if (config->grants[i].sockets)
			continue;
		r = allow(ruleset, &config->grants[i], err);
		if (r < 0)
			return r;
	}
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_errno(err, errno, "jail: Landlock");
	return 0;
}
