// SPDX-License-Identifier: Apache-2.0
// /entropy
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "vmm/monitor.h"

int route_put_entropy(struct route_call *call, struct err *err)
{
	struct rate_limit_config rate = {0};
	const json_t *limiter = NULL;
	const struct json_field fields[] = {
		JSON_OBJECT_FIELD("rate_limiter", &limiter),
	};
	int r = json_read("entropy", call->body, fields, ARRAY_SIZE(fields), err);

	if (!r)
		r = route_read_rate("entropy: rate_limiter", limiter, &rate, err);
	if (!r)
		call->monitor->config.rng = (struct config_rng){.present = true, .rate = rate};
	return r;
}

void route_describe_entropy(const struct monitor *monitor, struct json_out *out)
{
	const struct config_rng *rng = &monitor->config.rng;

	if (!rng->present) {
		json_put_null(out, "entropy");
		return;
	}
	json_begin(out, "entropy", '{');
	route_describe_rate(out, "rate_limiter", &rng->rate);
	json_end(out, '}');
}
