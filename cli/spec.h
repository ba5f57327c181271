// SPDX-License-Identifier: Apache-2.0
// What to run in the guest: the image's configuration and the user's options put together.
#pragma once

#include "cli/strlist.h"
#include "protocol/agent.h"

struct err;
struct image_config;
struct run_options;

/*
 * struct spec - the container and its command
 * @args, @env:		owned
 * @agent:		borrows from @args, @env, the options and the image's configuration;
 *			the terminal's size is left 0, and ports are not for dialing: they tell
 *			which streams there are
 */
struct spec {
	struct strlist args;
	struct strlist env;
	struct agent_spec agent;
};

/*
 * spec_build() - merge, by the rules of docker and podman
 * @config:	untrusted text of the image
 * @hostname:	checked
 * @ret:	to be released by spec_fini() in any case
 *
 * The command is the entry point followed by arguments. An entry point of the user's replaces the
 * image's together with the image's arguments; an empty one leaves those. Arguments of the user
 * replace the image's. Variables are, later ones winning: PATH, HOSTNAME and for a terminal TERM;
 * the image's; files'; the user's.
 *
 * Return: 0 or -errno with a message.
 */
int spec_build(const struct run_options *options, const struct image_config *config,
	const char *hostname, struct spec *ret, struct err *err);

void spec_fini(struct spec *spec);
