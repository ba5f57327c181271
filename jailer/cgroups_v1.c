// SPDX-License-Identifier: Apache-2.0
// Cgroups of version 1: what a new one lacks.
#include "jailer/cgroups.h"

#include "base/cleanup.h"
#include "base/err.h"

#define LINE 4096

/* A list of @file, empty in a new cgroup, becomes that of the one above. */
static int fill(int above, int dir, const char *file)
{
	char line[LINE];
	int r = cgroups_read(dir, file, line, sizeof(line));

	if (r < 0 || *line)
		return r;
	r = cgroups_read(above, file, line, sizeof(line));
	if (!r && !*line)
		r = -ENODATA;
	return r < 0 ? r : cgroups_write(dir, file, line);
}

int cgroups_v1_fill(const struct cgroups_hierarchy *hierarchy, struct err *err)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	int above = hierarchy->top;

	for (unsigned int i = 0; i < hierarchy->depth; i++) {
		for (size_t n = 0; n < ARRAY_SIZE(files); n++) {
			int r = fill(above, hierarchy->fds[i], files[n]);

			if (r < 0)
				return err_errno(err, -r, "cgroup in %s: filling %s from above",
					hierarchy->path, files[n]);
		}
		above = hierarchy->fds[i];
	}
	return 0;
}
