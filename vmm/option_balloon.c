// SPDX-License-Identifier: Apache-2.0
// --balloon
#include "vmm/options.h"

#include "base/err.h"
#include "vmm/config.h"
#include "vmm/option_value.h"

#include <errno.h>
#include <string.h>

#define STATS_MAX_S 86400

int option_balloon(char *text, struct config *config, struct err *err)
{
	struct config_balloon *balloon = &config->balloon;
	struct balloon_config *device = &balloon->device;
	bool sized = false;
	char *saved, *item;
	uint64_t value = 0;
	int r = 0;

	if (balloon->present)
		return err_set(err, -EINVAL, "--balloon: given twice");
	for (item = strtok_r(text, ",", &saved); item && !r; item = strtok_r(NULL, ",", &saved)) {
		if (!strncmp(item, "size=", 5)) {
			r = option_number("--balloon size", item + 5, UINT32_MAX, &value, err);
			device->target_mib = (uint32_t)value;
			sized = true;
		} else if (!strncmp(item, "stats=", 6)) {
			r = option_number("--balloon stats", item + 6, STATS_MAX_S, &value, err);
			device->stats_s = (uint32_t)value;
		} else if (!strcmp(item, "deflate-on-oom")) {
			device->deflate_on_oom = true;
		} else if (!strcmp(item, "reporting")) {
			device->reporting = true;
		} else {
			r = err_set(err, -EINVAL, "--balloon: unknown part '%s'", item);
		}
	}
	if (!r && !sized)
		r = err_set(err, -EINVAL, "--balloon: needs size=MIB, which may be 0");
	balloon->present = true;
	return r;
}
