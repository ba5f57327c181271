// SPDX-License-Identifier: Apache-2.0
// The command's environment and the search along its PATH.
#pragma once

#include "protocol/agent.h"

/* What a container gets when neither image nor user say: the usual search path. */
#define ENV_PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* env_get() - the value of the first "NAME=value" for @name. Return: it, or NULL. */
const char *env_get(char *const *env, const char *name);

/*
 * env_build() - the environment of @spec with PATH, HOME, HOSTNAME and, on a terminal, TERM added
 * where missing
 * @home:	absolute
 * @ret:	NULL-terminated; one block, free() it; refers to the strings of @spec
 *
 * Return: 0 or -ENOMEM.
 */
int env_build(const struct agent_spec *spec, const char *home, char ***ret);

/* PATH_MAX: the kernel takes no longer name. */
#define ENV_CANDIDATE_MAX 4096

/*
 * env_candidate() - the next file to try for a command
 * @path:	in and out: the rest of the search path, NULL after the last entry
 * @name:	without a slash
 * @ret:	ENV_CANDIDATE_MAX bytes
 *
 * An empty entry means the working directory. Entries that give too long a name are left out.
 *
 * Return: whether there was one.
 */
bool env_candidate(const char **path, const char *name, char *ret);
