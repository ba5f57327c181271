// SPDX-License-Identifier: Apache-2.0
// Cgroups of version 2: which controllers one has.
#include "jailer/cgroups.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#define LINE 1024

static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = line; (p = strstr(p, word)); p += len)
		if ((p == line || p[-1] == ' ') && (!p[len] || p[len] == ' '))
			return true;
	return false;
}

/* Each level hands on to the next what it was handed. */
int cgroups_v2_enable(
	const struct cgroups_hierarchy *hierarchy, const char *controller, struct err *err)
{
	char line[LINE], text[OPTIONS_NAME_MAX + 2];
	int dir = hierarchy->top;
	int r;

	r = cgroups_read(dir, "cgroup.controllers", line, sizeof(line));
	if (r < 0)
		return err_errno(err, -r, "%s/cgroup.controllers", hierarchy->path);
	if (!has_word(line, controller))
		return err_set(err, -ENOENT, "--cgroup: %s has no controller '%s', only: %s",
			hierarchy->path, controller, line);
	snprintf(text, sizeof(text), "+%s", controller);
	for (unsigned int i = 0; i < hierarchy->depth; i++) {
		r = cgroups_read(dir, "cgroup.subtree_control", line, sizeof(line));
		if (!r && !has_word(line, controller))
			r = cgroups_write(dir, "cgroup.subtree_control", text);
		if (r < 0)
			return err_errno(err, -r,
				"--cgroup: enabling controller '%s' in %s, level %u", controller,
				hierarchy->path, i);
		dir = hierarchy->fds[i];
	}
	return 0;
}
