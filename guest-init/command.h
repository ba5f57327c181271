// SPDX-License-Identifier: Apache-2.0
// The last steps between a new process and the command.
#pragma once

#include "guest-init/user.h"
#include "protocol/agent.h"

/*
 * struct command - what to execute
 * @env:	of env_build()
 * @stdio:	descriptors for 0, 1, 2; close-on-exec, above 2; -1 = /dev/null. The slave three
 * times on a terminal.
 */
struct command {
	const struct agent_spec *spec;
	const struct user *user;
	char **env;
	int stdio[3];
};

/*
 * command_exec() - become the command
 *
 * Sets session, terminal, streams, limits, working directory, user, capabilities and signals, then
 * executes. All descriptors above 2 are closed by the exec.
 *
 * Return: only on failure: the exit code for FAILED, with @err set.
 */
enum agent_exit command_exec(const struct command *command, struct err *err);
