// SPDX-License-Identifier: Apache-2.0
// The agent protocol: the rules for a container's specification.
#include "protocol/agent_valid.h"

#include "protocol/agent.h"
#include "protocol/agent_network.h"

#include <string.h>

static bool hostname_valid(const char *name)
{
	size_t len = strnlen(name, AGENT_HOSTNAME_MAX + 1);

	if (!len || len > AGENT_HOSTNAME_MAX || name[0] == '.' || name[0] == '-')
		return false;
	for (; *name; name++) {
		bool letter = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z');
		bool digit = *name >= '0' && *name <= '9';

		if (!letter && !digit && *name != '.' && *name != '-' && *name != '_')
			return false;
	}
	return true;
}

static bool port_valid(uint32_t port)
{
	return port != AGENT_PORT && port != UINT32_MAX;
}

static bool ports_valid(const struct agent_spec *spec)
{
	uint32_t in = spec->stdin_port, out = spec->stdout_port, err = spec->stderr_port;

	if (spec->terminal)
		return !in && !out && !err && spec->tty_port && port_valid(spec->tty_port);
	if (spec->tty_port || spec->rows || spec->cols)
		return false;
	if (!port_valid(in) || !port_valid(out) || !port_valid(err))
		return false;
	return !((in && (in == out || in == err)) || (out && out == err));
}

static bool rlimits_valid(const struct agent_spec *spec)
{
	uint32_t seen = 0;

	if (spec->n_rlimits > AGENT_RLIMITS_MAX)
		return false;
	for (size_t i = 0; i < spec->n_rlimits; i++) {
		const struct agent_rlimit *limit = &spec->rlimits[i];

		if (limit->resource >= AGENT_RLIMITS_MAX || limit->soft > limit->hard)
			return false;
		if (seen & 1u << limit->resource)
			return false;
		seen |= 1u << limit->resource;
	}
	return true;
}

static bool path_valid(const char *path)
{
	return path && path[0] == '/' && strnlen(path, AGENT_CWD_MAX + 1) <= AGENT_CWD_MAX;
}

static bool mounts_valid(const struct agent_spec *spec)
{
	if (spec->n_mounts > AGENT_MOUNTS_MAX)
		return false;
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct agent_mount *mount = &spec->mounts[i];
		bool disk = mount->kind == AGENT_MOUNT_DISK;

		if (!disk && mount->kind != AGENT_MOUNT_TMPFS)
			return false;
		if (mount->disk > (disk ? 25 : 0) || (disk && mount->size))
			return false;
		if (mount->flags & ~(AGENT_MOUNT_READONLY | AGENT_MOUNT_NOEXEC))
			return false;
		if (!path_valid(mount->path))
			return false;
	}
	return true;
}

bool agent_spec_valid(const struct agent_spec *spec)
{
	if (!spec->args || !spec->args[0])
		return false;
	if (spec->cwd && !path_valid(spec->cwd))
		return false;
	if (spec->user && strnlen(spec->user, AGENT_USER_MAX + 1) > AGENT_USER_MAX)
		return false;
	if (spec->hostname && !hostname_valid(spec->hostname))
		return false;
	if ((unsigned int)spec->root > AGENT_ROOT_READONLY)
		return false;
	if (spec->caps >> (AGENT_CAP_MAX + 1) || (spec->caps && !spec->caps_given))
		return false;
	if (spec->pids_max > AGENT_PIDS_MAX)
		return false;
	return ports_valid(spec) && rlimits_valid(spec) && mounts_valid(spec) &&
	       agent_network_valid(spec);
}
