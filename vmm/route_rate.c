// SPDX-License-Identifier: Apache-2.0
// Rate limiters, as several resources have them.
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "devices/rate_limit.h"

int route_read_bucket(
	const char *what, const json_t *json, struct rate_bucket_config *bucket, struct err *err)
{
	struct rate_bucket_config read = {0};
	const struct json_field fields[] = {
		{.name = "size",
			.type = JSON_READ_UINT,
			.ret = &read.size,
			.required = true,
			.max = INT64_MAX},
		{.name = "refill_time",
			.type = JSON_READ_UINT,
			.ret = &read.refill_ms,
			.required = true,
			.max = INT64_MAX},
		JSON_UINT("one_time_burst", &read.burst, 0, INT64_MAX),
	};
	int r = json_read_lenient(what, json, fields, ARRAY_SIZE(fields), err);

	if (!r)
		*bucket = read;
	return r;
}

int route_read_rate(
	const char *what, const json_t *json, struct rate_limit_config *rate, struct err *err)
{
	const json_t *bytes = NULL, *ops = NULL;
	const struct json_field fields[] = {
		JSON_OBJECT_FIELD("bandwidth", &bytes),
		JSON_OBJECT_FIELD("ops", &ops),
	};
	struct rate_limit_config read = *rate;
	int r;

	if (!json)
		return 0;
	r = json_read(what, json, fields, ARRAY_SIZE(fields), err);
	if (!r && bytes)
		r = route_read_bucket(what, bytes, &read.bytes, err);
	if (!r && ops)
		r = route_read_bucket(what, ops, &read.ops, err);
	if (!r)
		*rate = read;
	return r;
}

static void describe_bucket(
	struct json_out *out, const char *key, const struct rate_bucket_config *bucket)
{
	if (!bucket->size || !bucket->refill_ms) {
		json_put_null(out, key);
		return;
	}
	json_begin(out, key, '{');
	json_put_uint(out, "size", bucket->size);
	json_put_uint(out, "one_time_burst", bucket->burst);
	json_put_uint(out, "refill_time", bucket->refill_ms);
	json_end(out, '}');
}

void route_describe_rate(
	struct json_out *out, const char *key, const struct rate_limit_config *rate)
{
	if (!rate->bytes.size && !rate->ops.size) {
		json_put_null(out, key);
		return;
	}
	json_begin(out, key, '{');
	describe_bucket(out, "bandwidth", &rate->bytes);
	describe_bucket(out, "ops", &rate->ops);
	json_end(out, '}');
}
