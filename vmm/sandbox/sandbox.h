// SPDX-License-Identifier: Apache-2.0
// The jail: what the monitor gives up before its guest's first instruction.
#pragma once

#include "vmm/config.h"

#include <sys/types.h>

struct err;

/*
 * struct sandbox
 * @jailed:	sandbox_enter() is done: nothing can be opened by a host's path any more, but in the
 *		directories that were granted
 * @uid, @gid:	what the process is then
 * @layers:	of enum config_jail_layer, a bit each: those that are in place
 */
struct sandbox {
	bool jailed;
	uid_t uid;
	gid_t gid;
	unsigned int layers;
};

/*
 * sandbox_enter() - give up all but what is open
 * @sandbox:	zeroed
 * @config:	whether, as whom, which directories stay, which layers may be missing; the
 *directories' names are made absolute
 *
 * On failure some of it is given up already: the process can only end.
 *
 * Context: loop thread, while there is no other.
 * Return: 0 or -errno with @err set, which names the layer and, where the host lacks it, how to go
 * on without.
 */
int sandbox_enter(struct sandbox *sandbox, struct config *config, struct err *err);
