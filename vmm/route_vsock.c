// SPDX-License-Identifier: Apache-2.0
// /vsock
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/monitor.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

/* syscalls: start: newfstatat */

/* Smallest and largest guest context identifiers (virtio 1.2 5.10.4). */
#define CID_MIN 3
#define CID_MAX 0xfffffffeu
/* Behind the path comes "_PORT" for what the guest connects to. */
#define UDS_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

int route_put_vsock(struct route_call *call, struct err *err)
{
	struct config *config = &call->monitor->config;
	const char *uds = "", *id = NULL, *kept;
	uint64_t cid = 0;
	const struct json_field fields[] = {
		{.name = "guest_cid",
			.type = JSON_READ_UINT,
			.ret = &cid,
			.required = true,
			.min = CID_MIN,
			.max = CID_MAX},
		{.name = "uds_path", .type = JSON_READ_STRING, .ret = &uds, .required = true},
		JSON_STRING("vsock_id", &id),
	};
	struct stat st;
	int r = json_read("vsock", call->body, fields, ARRAY_SIZE(fields), err);

	if (r < 0)
		return r;
	call->deprecated = id;
	if (!*uds || strlen(uds) > UDS_MAX)
		return err_set(err, -EINVAL, "vsock: field 'uds_path': '%s' has not 1 to %zu bytes",
			uds, UDS_MAX);
	/* A socket may be one that nobody serves any more, which is seen at the start. */
	if (lstat(uds, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST, "vsock: field 'uds_path': %s exists already", uds);
	kept = config_keep(config, uds);
	if (!kept)
		return err_set(err, -ENOMEM, "vsock: out of memory");
	config_drop(config, config->vsock.uds);
	config->vsock = (struct config_vsock){.cid = (uint32_t)cid, .uds = kept, .fd = -1};
	return 0;
}

void route_describe_vsock(const struct monitor *monitor, struct json_out *out)
{
	const struct config_vsock *vsock = &monitor->config.vsock;

	if (!vsock->cid) {
		json_put_null(out, "vsock");
		return;
	}
	json_begin(out, "vsock", '{');
	json_put_uint(out, "guest_cid", vsock->cid);
	json_put_string(out, "uds_path", vsock->uds);
	json_end(out, '}');
}
