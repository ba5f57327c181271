// SPDX-License-Identifier: Apache-2.0
// The capabilities and the identity a command is left with.
#include "guest-init/caps.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAP_BIT(cap) (1ULL << (cap))

const uint64_t caps_default =
	CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_FOWNER) |
	CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_NET_RAW) | CAP_BIT(CAP_SETGID) | CAP_BIT(CAP_SETUID) |
	CAP_BIT(CAP_SETFCAP) | CAP_BIT(CAP_SETPCAP) | CAP_BIT(CAP_NET_BIND_SERVICE) |
	CAP_BIT(CAP_SYS_CHROOT) | CAP_BIT(CAP_KILL) | CAP_BIT(CAP_AUDIT_WRITE);

/* Capability sets are 64 bits wide; the kernel refuses to read those that it doesn't know. */
#define CAPS_END 64

static int caps_set(uint64_t caps)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{.effective = (uint32_t)caps, .permitted = (uint32_t)caps},
		{.effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32)},
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Lower the bounding set to @caps. What isn't in it is taken out of @caps. Return: 0 or -errno. */
static int bounding_set(uint64_t *caps, struct err *err)
{
	for (unsigned int cap = 0; cap < CAPS_END; cap++) {
		int r = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (r == 1 && *caps & CAP_BIT(cap))
			continue;
		*caps &= ~CAP_BIT(cap);
		if (r == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_errno(err, errno, "bounding set");
	}
	return 0;
}

int caps_become(const struct user *user, uint64_t caps, struct err *err)
{
	/* First: lowering it takes CAP_SETPCAP, which a change of user drops. */
	int r = bounding_set(&caps, err);

	if (r < 0)
		return r;
	if (setgroups(user->n_groups, user->groups) < 0)
		return err_errno(err, errno, "setgroups");
	/* The calling thread is the only one, so the raw calls do; libc would look for others. */
	if (syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0)
		return err_errno(err, errno, "setresgid %u", user->gid);
	if (syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
		return err_errno(err, errno, "setresuid %u", user->uid);
	r = caps_set(user->uid ? 0 : caps);
	if (r < 0)
		return err_errno(err, -r, "capset");
	return 0;
}
