// SPDX-License-Identifier: Apache-2.0
// Resource limits.
#include "vmm/sandbox/stages.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <sys/prctl.h>
#include <sys/resource.h>

/* Descriptors: the vsock device's connections and their greeters, the API's, devices. */
#define NOFILE_MAX 2048
/* Beside vCPUs: the kernel's workers of io_uring count as threads. */
#define NPROC_MORE 64
/* A log, the console's output. */
#define FSIZE_MIN (1ull << 30)

static int set_limit(int resource, const char *name, uint64_t value, struct err *err)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)resource, &now) < 0)
		return err_errno(err, errno, "jail: limit of %s", name);
	/* Never more than whoever started us allows. */
	if (now.rlim_max > value)
		now.rlim_max = value;
	now.rlim_cur = now.rlim_max;
	if (setrlimit((__rlimit_resource_t)resource, &now) < 0)
		return err_errno(err, errno, "jail: limit of %s", name);
	return 0;
}

int stage_limits(const struct config *config, bool alone, struct err *err)
{
	const struct config_jail *jail = &config->jail;
	const struct {
		int resource;
		const char *name;
		uint64_t value;
	} limits[] = {
		{RLIMIT_NOFILE, "open files", jail->nofile ? jail->nofile : NOFILE_MAX},
		{RLIMIT_FSIZE, "file size", jail->fsize ? jail->fsize : CONFIG_JAIL_FSIZE},
		{RLIMIT_NPROC, "threads", config->cpus + NPROC_MORE},
		{RLIMIT_CORE, "core dumps", 0},
		{RLIMIT_MSGQUEUE, "message queues", 0},
		{RLIMIT_MEMLOCK, "locked memory", 0},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(limits) && !r; i++) {
		/* Those of all the user's other programs would count, too. */
		if (limits[i].resource == RLIMIT_NPROC && !alone)
			continue;
		r = set_limit(limits[i].resource, limits[i].name, limits[i].value, err);
	}
	if (!r && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		r = err_errno(err, errno, "jail: closing to debuggers");
	return r;
}
