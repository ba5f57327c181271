// SPDX-License-Identifier: Apache-2.0
// Resource limits.
#include "jailer/resources.h"

#include "base/err.h"
#include "jailer/options.h"

#include <errno.h>
#include <sys/resource.h>

static int set(__rlimit_resource_t resource, const char *name, uint64_t value, struct err *err)
{
	const struct rlimit limit = {.rlim_cur = value, .rlim_max = value};

	if (setrlimit(resource, &limit) < 0)
		return err_errno(
			err, errno, "--resource-limit %s=%llu", name, (unsigned long long)value);
	return 0;
}

int resources_set(const struct options *options, struct err *err)
{
	int r = options->fsize_given ? set(RLIMIT_FSIZE, "fsize", options->fsize, err) : 0;

	return r < 0 ? r : set(RLIMIT_NOFILE, "no-file", options->no_file, err);
}
