// SPDX-License-Identifier: Apache-2.0
// A command in the container: its own, or a further one.
#pragma once

#include "protocol/agent.h"
#include "vmm/container_spec.h"
#include "vmm/streams.h"

#include <stdbool.h>
#include <stdint.h>

struct container;
struct err;
struct json_out;

/*
 * Theory of operation
 *
 *     CREATED --command_start()--> STARTING --STARTED--> RUNNING --EXITED--> EXITED
 *                                     |                     |
 *                                     +-------FAILED--------+--------------> FAILED
 *
 * The requests of its clients are parked in the container (vmm/parked.h).
 */
enum command_state {
	COMMAND_CREATED,
	COMMAND_STARTING, /* START or EXEC waits for HELLO, or for its answer */
	COMMAND_RUNNING,
	COMMAND_EXITED,
	COMMAND_FAILED,
};

/*
 * struct command - one command
 * @pid:	in the guest; for display
 * @code:	exit code, 128 + N for signal N; of COMMAND_FAILED one of enum agent_exit
 * @signal:	that killed it, or 0
 * @message:	why it failed; from the guest: untrusted
 * @started_ns, @ended_ns:	of CLOCK_MONOTONIC, or 0
 * @started_cpu_ns, @ended_cpu_ns:	the monitor's CPU time then
 */
struct command {
	struct container *container;
	uint16_t id;
	enum command_state state;
	struct command_spec spec;
	struct streams streams;
	uint32_t pid;
	unsigned int code;
	unsigned int signal;
	char message[AGENT_TEXT_MAX + 1];
	uint64_t started_ns, ended_ns;
	uint64_t started_cpu_ns, ended_cpu_ns;
};

/* Has it ended, or failed to start? */
static inline bool command_is_over(const struct command *command)
{
	return command->state == COMMAND_EXITED || command->state == COMMAND_FAILED;
}

/*
 * command_new() - make one, in @container's list or not
 * @spec:	taken over on success
 *
 * Return: it, or NULL without memory.
 */
struct command *command_new(struct container *container, uint16_t id, struct command_spec *spec);
void command_free(struct command *command);

/*
 * command_start() - start it, or when the guest is up
 * @ticket:	answered when it runs, or with why it doesn't
 *
 * Return: 0 or -errno with @err set.
 */
int command_start(struct command *command, uint64_t ticket, struct err *err);

/* command_wait() - have @ticket answered when it has ended. Return: 0 or -errno with @err set. */
int command_wait(struct command *command, uint64_t ticket, struct err *err);

/* command_signal(), command_resize() - Return: 0 or -errno with @err set. */
int command_signal(struct command *command, int signo, bool to_group, struct err *err);
int command_resize(struct command *command, uint16_t rows, uint16_t cols, struct err *err);

/* command_send() - send START or EXEC to a guest that is up. Return: 0 or -errno. */
int command_send(struct command *command);

/* command_failed() - it can't be started, or go on: whoever waits is told. @message: untrusted */
void command_failed(struct command *command, unsigned int code, const char *message);

/* command_killed() - it ended with the container. */
void command_killed(struct command *command);

/*
 * command_hear() - the guest says STARTED, EXITED or FAILED about it
 *
 * Return: false if that makes no sense now.
 */
bool command_hear(struct command *command, const struct agent_msg *msg);

/* What a GET answers, and a wait; in container_describe.c. */
void command_describe(const struct command *command, struct json_out *out);
void command_describe_end(const struct command *command, struct json_out *out);
