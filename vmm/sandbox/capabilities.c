// SPDX-License-Identifier: Apache-2.0
// No capabilities.
#include "vmm/sandbox/stages.h"

#include "base/err.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* No part of being user 0, of becoming another user, or of an ambient set ever gives one again. */
#define SECURE_BITS                                                                                \
	(SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |        \
		SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |               \
		SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

/*
 * By hand: libcap-ng asks before and after for each capability and set, which is 200 system calls
 * more at each start of a guest, and as many of each start of the program are its constructor's.
 */
int stage_capabilities(struct err *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	/* Who has no CAP_SETPCAP, being neither root nor in a user namespace of its own, has
	 * nothing that could be bounded. */
	if (prctl(PR_SET_SECUREBITS, SECURE_BITS, 0, 0, 0) < 0 && errno != EPERM)
		return err_errno(err, errno, "jail: securing capabilities");
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EPERM)
				break;
			return err_errno(err, errno, "jail: bounding capability %lu", cap);
		}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_errno(err, errno, "jail: ambient capabilities");
	if (syscall(SYS_capset, &header, none) < 0)
		return err_errno(err, errno, "jail: giving up capabilities");
	/* The caller's keys are to be had by whoever is in the session. A container may forbid it.
	 */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS &&
		errno != EPERM)
		return err_errno(err, errno, "jail: session keyring");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "jail: no_new_privs");
	return 0;
}
