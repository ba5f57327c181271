// SPDX-License-Identifier: Apache-2.0
// --memory
#include "vmm/options.h"

#include "base/err.h"
#include "vmm/config.h"
#include "vmm/option_value.h"

#include <errno.h>

/* More than any machine has; keeps sums of guest addresses far from wrapping. */
#define MEMORY_MAX (64ull << 40)

int option_memory(const char *text, struct config *config, struct err *err)
{
	uint64_t size = 0;
	int r = option_size("--memory", text, 20, MEMORY_MAX, &size, err);

	if (r < 0)
		return r;
	if (size % (1 << 20))
		return err_set(err, -EINVAL, "--memory: %s is not a multiple of 1 MiB", text);
	config->memory = size;
	return 0;
}
