// SPDX-License-Identifier: Apache-2.0
// /metrics
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/monitor.h"

#include <string.h>

/* They are in every line; a line has room for all of a machine and this. */
#define PROPERTIES_MAX 16384

/* What the body says, before it is known whether the path can be opened. */
struct metrics_body {
	const char *path;
	const json_t *properties;
	bool emit_id;
};

/* Keep the properties as text. Return: 0 or -errno with @err set; @ret NULL for none. */
static int keep_properties(
	struct config *config, const json_t *properties, const char **ret, struct err *err)
{
	char CLEANUP_FREE *text = NULL;

	*ret = NULL;
	if (!json_object_size(properties))
		return 0;
	text = json_dumps(properties, JSON_COMPACT);
	if (text && strlen(text) > PROPERTIES_MAX)
		return err_set(err, -E2BIG,
			"metrics: field 'properties': %zu bytes, more than %d are too many",
			strlen(text), PROPERTIES_MAX);
	*ret = text ? config_keep(config, text) : NULL;
	return *ret ? 0 : err_set(err, -ENOMEM, "metrics: out of memory");
}

/* The first line is written when the path is opened, so what goes into it is set before. */
static int open_with(struct monitor *monitor, const struct metrics_body *body,
	const char *properties, struct err *err)
{
	struct config *config = &monitor->config;
	const char *path = config_keep(config, body->path), *old = config->metrics_properties;
	bool had_id = config->metrics_emit_id;
	int r;

	if (!path)
		return err_set(err, -ENOMEM, "metrics: out of memory");
	config->metrics_emit_id = body->emit_id;
	config->metrics_properties = properties;
	r = metrics_open(&monitor->metrics, path, err);
	if (r < 0) {
		config->metrics_emit_id = had_id;
		config->metrics_properties = old;
		config_drop(config, path);
		return r;
	}
	config->metrics_path = path;
	return 0;
}

int route_put_metrics(struct route_call *call, struct err *err)
{
	struct config *config = &call->monitor->config;
	struct metrics_body body = {.emit_id = config->metrics_emit_id};
	const char *properties = NULL;
	const struct json_field fields[] = {
		{.name = "metrics_path",
			.type = JSON_READ_STRING,
			.ret = &body.path,
			.required = true},
		JSON_BOOL("emit_id", &body.emit_id),
		JSON_OBJECT_FIELD("properties", &body.properties),
	};
	/* Of all resources this one lets pass what it doesn't know. */
	int r = json_read_lenient("metrics", call->body, fields, ARRAY_SIZE(fields), err);

	if (!r)
		r = keep_properties(config, body.properties, &properties, err);
	if (r < 0)
		return r;
	r = open_with(call->monitor, &body, properties, err);
	if (r < 0)
		config_drop(config, properties);
	return r;
}

int route_get_prometheus(struct route_call *call, struct err *err)
{
	int r = metrics_text(&call->monitor->metrics, call->out.buf);

	call->type = METRICS_TEXT_TYPE;
	return r < 0 ? err_errno(err, -r, "metrics") : 0;
}
