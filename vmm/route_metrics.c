// SPDX-License-Identifier: Apache-2.0
// /metrics
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/monitor.h"

int route_put_metrics(struct route_call *call, struct err *err)
{
	struct config *config = &call->monitor->config;
	const json_t *properties = NULL;
	const char *path = NULL, *kept;
	bool emit_id = config->metrics_emit_id, had_id = emit_id;
	const struct json_field fields[] = {
		{.name = "metrics_path", .type = JSON_READ_STRING, .ret = &path, .required = true},
		JSON_BOOL("emit_id", &emit_id),
		JSON_OBJECT_FIELD("properties", &properties),
	};
	/* Of all resources this one lets pass what it doesn't know. */
	int r = json_read_lenient("metrics", call->body, fields, ARRAY_SIZE(fields), err);

	if (r < 0)
		return r;
	if (json_object_size(properties))
		return err_set(err, -ENOTSUP, "metrics: field 'properties' is not supported yet");
	kept = config_keep(config, path);
	if (!kept)
		return err_set(err, -ENOMEM, "metrics: out of memory");
	config->metrics_emit_id = emit_id;
	r = metrics_open(&call->monitor->metrics, kept, err);
	if (r < 0) {
		config->metrics_emit_id = had_id;
		config_drop(config, kept);
		return r;
	}
	config->metrics_path = kept;
	return 0;
}

int route_get_prometheus(struct route_call *call, struct err *err)
{
	int r = metrics_text(&call->monitor->metrics, call->out.buf);

	call->type = METRICS_TEXT_TYPE;
	return r < 0 ? err_errno(err, -r, "metrics") : 0;
}
