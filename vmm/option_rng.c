// SPDX-License-Identifier: Apache-2.0
// --rng
#include "vmm/options.h"

#include "base/err.h"
#include "vmm/config.h"
#include "vmm/option_value.h"

#include <errno.h>
#include <string.h>

int option_rng(char *text, struct config *config, struct err *err)
{
	struct config_rng *rng = &config->rng;

	if (rng->present)
		return err_set(err, -EINVAL, "--rng: given twice");
	rng->present = true;
	if (!text)
		return 0;
	if (strncmp(text, "rate=", 5))
		return err_set(err, -EINVAL, "--rng: '%s' is not rate=...", text);
	return option_rate("--rng rate", text + 5, &rng->rate, err);
}
