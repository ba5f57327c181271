// SPDX-License-Identifier: Apache-2.0
// --memory
#include "vmm/options.h"

#include "base/err.h"
#include "vmm/config.h"
#include "vmm/option_value.h"

#include <errno.h>
#include <string.h>

/* More than any machine has; keeps sums of guest addresses far from wrapping. */
#define MEMORY_MAX (64ull << 40)

int option_memory(char *text, struct config *config, struct err *err)
{
	char *comma = strchr(text, ',');
	const char *kind = comma ? comma + 1 : NULL;
	uint64_t size = 0, unit;
	int r;

	if (comma)
		*comma = '\0';
	config->pages = CONFIG_PAGES_SMALL;
	if (kind && !strcmp(kind, "hugetlb"))
		config->pages = CONFIG_PAGES_HUGETLB;
	else if (kind && !strcmp(kind, "thp"))
		config->pages = CONFIG_PAGES_THP;
	else if (kind)
		return err_set(err, -EINVAL, "--memory: '%s' is neither hugetlb nor thp", kind);
	r = option_size("--memory", text, 20, MEMORY_MAX, &size, err);
	if (r < 0)
		return r;
	unit = kind ? 2 : 1;
	if (size % (unit << 20))
		return err_set(err, -EINVAL, "--memory: %s is not a multiple of %u MiB", text,
			(unsigned int)unit);
	config->memory = size;
	return 0;
}
