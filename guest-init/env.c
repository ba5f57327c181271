// SPDX-License-Identifier: Apache-2.0
// The command's environment and the search along its PATH.
#include "guest-init/env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *env_get(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++)
		if (!strncmp(*env, name, len) && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

int env_build(const struct agent_spec *spec, const char *home, char ***ret)
{
	const struct {
		const char *name, *value;
	} defaults[] = {
		{"PATH", ENV_PATH_DEFAULT},
		{"HOSTNAME", spec->hostname},
		{"HOME", home},
		{"TERM", spec->terminal ? "xterm" : NULL},
	};
	const size_t n_defaults = sizeof(defaults) / sizeof(defaults[0]);
	size_t n = 0, text = 0;
	char **env, *next;

	while (spec->env[n])
		n++;
	for (size_t i = 0; i < n_defaults; i++)
		if (defaults[i].value)
			text += strlen(defaults[i].name) + strlen(defaults[i].value) + 2;
	env = malloc((n + n_defaults + 1) * sizeof(*env) + text);
	if (!env)
		return -ENOMEM;
	next = (char *)(env + n + n_defaults + 1);
	memcpy(env, spec->env, n * sizeof(*env));
	for (size_t i = 0; i < n_defaults; i++) {
		size_t size;

		if (!defaults[i].value || env_get(spec->env, defaults[i].name))
			continue;
		size = strlen(defaults[i].name) + strlen(defaults[i].value) + 2;
		snprintf(next, size, "%s=%s", defaults[i].name, defaults[i].value);
		env[n++] = next;
		next += size;
	}
	env[n] = NULL;
	*ret = env;
	return 0;
}

bool env_candidate(const char **path, const char *name, char *ret)
{
	size_t name_len = strlen(name);

	while (*path) {
		const char *entry = *path;
		size_t len = strcspn(entry, ":");

		*path = entry[len] ? entry + len + 1 : NULL;
		if (!len) {
			entry = ".";
			len = 1;
		}
		if (len + 1 + name_len + 1 > ENV_CANDIDATE_MAX)
			continue;
		memcpy(ret, entry, len);
		ret[len] = '/';
		memcpy(ret + len + 1, name, name_len + 1);
		return true;
	}
	return false;
}
