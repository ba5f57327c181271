// SPDX-License-Identifier: Apache-2.0
// --vsock
#include "vmm/options.h"

#include "base/err.h"
#include "vmm/config.h"
#include "vmm/option_value.h"

#include <errno.h>
#include <string.h>

/* Smallest and largest guest context identifiers: 0 to 2 are taken (virtio 1.2 5.10.4). */
#define CID_MIN 3
#define CID_MAX 0xfffffffeu

int option_vsock(char *text, struct config *config, struct err *err)
{
	struct config_vsock *vsock = &config->vsock;
	char *saved, *item;
	uint64_t cid = 0;
	int r = 0;

	if (vsock->cid)
		return err_set(err, -EINVAL, "--vsock: given twice");
	for (item = strtok_r(text, ",", &saved); item && !r; item = strtok_r(NULL, ",", &saved)) {
		if (!strncmp(item, "cid=", 4) && cid) {
			r = err_set(err, -EINVAL, "--vsock: two of cid=N");
		} else if (!strncmp(item, "cid=", 4)) {
			r = option_number("--vsock cid", item + 4, CID_MAX, &cid, err);
			if (!r && cid < CID_MIN)
				r = err_set(err, -EINVAL, "--vsock cid: %s is reserved, use %d up",
					item + 4, CID_MIN);
		} else if (!strncmp(item, "uds=", 4)) {
			vsock->uds = item + 4;
		} else if (!strncmp(item, "fd=", 3)) {
			r = option_fd("--vsock fd", item + 3, &vsock->fd, err);
		} else if (!strcmp(item, "seqpacket")) {
			vsock->seqpacket = true;
		} else {
			r = err_set(err, -EINVAL, "--vsock: unknown part '%s'", item);
		}
	}
	if (r < 0)
		return r;
	if (!cid || (vsock->uds && !*vsock->uds) || !vsock->uds == (vsock->fd < 0))
		return err_set(err, -EINVAL, "--vsock: needs cid=N and one of uds=PATH, fd=N");
	if (vsock->seqpacket && !vsock->uds)
		return err_set(err, -EINVAL, "--vsock: seqpacket needs uds=PATH");
	vsock->cid = (uint32_t)cid;
	return 0;
}
