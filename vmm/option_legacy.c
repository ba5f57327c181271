// SPDX-License-Identifier: Apache-2.0
// --legacy
#include "vmm/options.h"

#include "base/err.h"
#include "vmm/config.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	unsigned int parts;
} legacy_parts[] = {
	{"pit", CONFIG_LEGACY_PIT | CONFIG_LEGACY_PIC},
	{"pic", CONFIG_LEGACY_PIC},
	{"rtc", CONFIG_LEGACY_RTC},
};

int option_legacy(char *text, struct config *config, struct err *err)
{
	const size_t count = sizeof(legacy_parts) / sizeof(legacy_parts[0]);
	char *item;

	while ((item = strsep(&text, ","))) {
		size_t i = 0;

		while (i < count && strcmp(item, legacy_parts[i].name))
			i++;
		if (i == count)
			return err_set(
				err, -EINVAL, "--legacy: '%s' is none of pit, pic, rtc", item);
		config->legacy |= legacy_parts[i].parts;
	}
	return 0;
}
