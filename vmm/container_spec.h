// SPDX-License-Identifier: Apache-2.0
// What a client says of a container and its commands, as JSON.
#pragma once

#include "protocol/agent.h"
#include "vmm/streams.h"

#include <jansson.h>

struct err;
struct json_out;

/*
 * struct command_spec - one command
 * @agent:	without ports; its strings are those of @document
 * @document:	a reference of our own
 * @args, @env:	owned arrays, NULL-terminated
 * @streams:	what its streams are like
 */
struct command_spec {
	struct agent_spec agent;
	json_t *document;
	char **args, **env;
	struct streams_config streams;
};

/*
 * struct container_spec - the container and its own command
 * @rootfs:	id of the drive with the image
 * @disk:	id of the drive that takes writes, or NULL
 * @mount_drives: ids of the drives of @command.agent.mounts, or NULL for one of another kind
 */
struct container_spec {
	struct command_spec command;
	const char *rootfs;
	const char *disk;
	const char *mount_drives[AGENT_MOUNTS_MAX];
};

/*
 * container_spec_read() - take the body of PUT /container
 * @json:	untrusted; referred to until container_spec_fini()
 * @ret:	filled on success only
 *
 * Return: 0, or -errno with @err set.
 */
int container_spec_read(json_t *json, struct container_spec *ret, struct err *err);
void container_spec_fini(struct container_spec *spec);

/*
 * command_spec_read() - take a further command
 * @container:	whose environment, directory and user it has where @json says nothing
 *
 * As container_spec_read(). The strings may be the container's.
 */
int command_spec_read(json_t *json, const struct command_spec *container, struct command_spec *ret,
	struct err *err);
void command_spec_fini(struct command_spec *spec);
