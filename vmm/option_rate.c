// SPDX-License-Identifier: Apache-2.0
// Rate limits, as a property of several options.
#include "vmm/option_value.h"

#include "base/err.h"
#include "devices/rate_limit.h"

#include <errno.h>
#include <string.h>

/* N/REFILL[+BURST] */
static int parse_bucket(
	const char *option, char *text, struct rate_bucket_config *ret, struct err *err)
{
	char *refill = strchr(text, '/'), *burst;
	size_t len;
	int r;

	if (!refill)
		return err_set(err, -EINVAL, "%s: '%s' has no /MILLISECONDS", option, text);
	*refill++ = '\0';
	burst = strchr(refill, '+');
	if (burst)
		*burst++ = '\0';
	len = strlen(refill);
	if (len > 2 && !strcmp(refill + len - 2, "ms"))
		refill[len - 2] = '\0';
	r = option_size(option, text, 0, UINT64_MAX, &ret->size, err);
	if (!r)
		r = option_number(option, refill, UINT64_MAX, &ret->refill_ms, err);
	if (!r && burst)
		r = option_size(option, burst, 0, UINT64_MAX, &ret->burst, err);
	if (!r && !ret->refill_ms)
		r = err_set(err, -EINVAL, "%s: 0 milliseconds", option);
	return r;
}

int option_rate(const char *option, char *text, struct rate_limit_config *ret, struct err *err)
{
	struct rate_limit_config config = {0};
	char *saved, *item;
	int r = 0;

	for (item = strtok_r(text, ";", &saved); item && !r; item = strtok_r(NULL, ";", &saved)) {
		if (!strncmp(item, "bw:", 3) && !config.bytes.size)
			r = parse_bucket(option, item + 3, &config.bytes, err);
		else if (!strncmp(item, "ops:", 4) && !config.ops.size)
			r = parse_bucket(option, item + 4, &config.ops, err);
		else
			r = err_set(err, -EINVAL,
				"%s: '%s' is neither bw:SIZE/MS[+BURST] nor ops:N/MS[+BURST]",
				option, item);
	}
	if (r < 0)
		return r;
	if (!config.bytes.size && !config.ops.size)
		return err_set(err, -EINVAL, "%s: no limit is named", option);
	*ret = config;
	return 0;
}
