// SPDX-License-Identifier: Apache-2.0
// Namespaces of the VM's own.
#include "vmm/sandbox/stages.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OTHERS (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static bool has_capability(unsigned int cap)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	return syscall(SYS_capget, &header, data) == 0 &&
	       data[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

bool stage_may_make_namespaces(void)
{
	return has_capability(CAP_SYS_ADMIN);
}

int stage_namespaces(struct err *err)
{
	if (unshare(OTHERS) < 0)
		return err_errno(err, errno, "jail: new namespaces%s",
			errno == ENOSPC ? ", of which /proc/sys/user/max_..._namespaces allow no "
					  "more"
					: "");
	return 0;
}

static int write_map(int process, const char *name, const char *text, struct err *err)
{
	int CLEANUP_FD fd = openat(process, name, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : io_write_full(fd, text, strlen(text));

	return r < 0 ? err_errno(err, -r, "jail: user namespace: %s", name) : 0;
}

int stage_user_namespace(int process, bool others, struct err *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char text[48];
	int r;

	/* Its map would be refused when there is no way back. */
	if (uid == 0 && !has_capability(CAP_SETFCAP))
		return err_set(err, -ENOTSUP,
			"jail: root without CAP_SETFCAP can make no user namespace for itself");
	/* It can be off: a sysctl, a limit of 0, another security module, or a chroot around us. */
	if (unshare(CLONE_NEWUSER | (others ? OTHERS : 0)) < 0)
		return err_set(err, errno == ENOMEM ? -ENOMEM : -ENOTSUP,
			"jail: this host lets user %u make no user namespace (%s)", uid,
			strerror(errno));
	/* Becoming another user has made the maps root's. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "jail: user namespace");
	/* Only who can't change groups may say which group it is. */
	r = write_map(process, "setgroups", "deny", err);
	snprintf(text, sizeof(text), "%u %u 1\n", uid, uid);
	if (!r)
		r = write_map(process, "uid_map", text, err);
	snprintf(text, sizeof(text), "%u %u 1\n", gid, gid);
	if (!r)
		r = write_map(process, "gid_map", text, err);
	return r;
}
