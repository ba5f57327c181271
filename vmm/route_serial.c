// SPDX-License-Identifier: Apache-2.0
// /serial
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/monitor.h"

int route_put_serial(struct route_call *call, struct err *err)
{
	struct config *config = &call->monitor->config;
	const char *path = NULL, *kept;
	struct rate_bucket_config bucket = {0};
	const json_t *rate = NULL;
	const struct json_field fields[] = {
		JSON_STRING("serial_out_path", &path),
		JSON_OBJECT_FIELD("rate_limiter", &rate),
	};
	int r = json_read("serial", call->body, fields, ARRAY_SIZE(fields), err);

	if (!r && rate)
		r = route_read_bucket("serial: rate_limiter", rate, &bucket, err);
	if (r < 0)
		return r;
	kept = config_keep(config, path);
	if (!kept != !path)
		return err_set(err, -ENOMEM, "serial: out of memory");
	config_drop(config, config->serial.path);
	config->serial =
		(struct config_serial){.kind = path ? CONFIG_SERIAL_FILE : CONFIG_SERIAL_STDIO,
			.path = kept,
			.fd = -1,
			.rate = bucket};
	return 0;
}
