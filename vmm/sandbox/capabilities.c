// SPDX-License-Identifier: Apache-2.0
// No capabilities.
#include "vmm/sandbox/stages.h"

#include "base/err.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/securebits.h>
#include <sys/prctl.h>

int stage_capabilities(struct err *err)
{
	int r;

	/* While CAP_SETPCAP is still there. Without it, in no user namespace and not root, there is
	 * nothing to lose. */
	if (prctl(PR_SET_SECUREBITS,
		    SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_SETUID_FIXUP |
			    SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
			    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
		    0, 0, 0) < 0 &&
		errno != EPERM)
		return err_errno(err, errno, "jail: securing capabilities");
	capng_clear(CAPNG_SELECT_ALL);
	r = capng_apply(CAPNG_SELECT_ALL);
	if (r < 0)
		return err_set(err, -EPERM, "jail: giving up capabilities: code %d", r);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "jail: no_new_privs");
	return 0;
}
