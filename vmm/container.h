// SPDX-License-Identifier: Apache-2.0
// The container in the guest: what runs in it, and the requests that the guest is to answer.
#pragma once

#include "vmm/agent.h"
#include "vmm/api.h"
#include "vmm/container_spec.h"
#include "vmm/events.h"
#include "vmm/streams.h"

#include <stdbool.h>
#include <stdint.h>

struct config;
struct err;
struct json_out;
struct stream_backend;

/*
 * Theory of operation
 *
 *   API client                 container (loop)                   hull-init in the guest
 *      |                           | <--- vsock: HELLO ------------------ |
 *      | -- POST .../start ------> | ---- START or EXEC ----------------> |
 *      |        (parked)           | <=== streams: one connection each == |
 *      | <------- 204, 400 ------- | <--- STARTED, FAILED --------------- |
 *      | -- GET .../wait --------> |                                      |
 *      | <------- exit code ------ | <--- EXITED ------------------------ |
 *
 * The container's own command has id 0; further ones have those of the agent protocol, which are
 * also what clients call them. A command is made by a client, started once, and is there to be
 * asked about until the container is replaced or its place is needed.
 *
 * Requests that the guest answers are parked here with a deadline. The guest is hostile: an answer
 * that nobody asked for breaks the connection, and then all that is pending fails. What commands
 * print is bounded by struct streams.
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
};

/* Has it ended, or failed to start? */
static inline bool command_is_over(const struct command *command)
{
	return command->state == COMMAND_EXITED || command->state == COMMAND_FAILED;
}

/* Commands besides the container's own that are remembered, running or not. */
#define CONTAINER_COMMANDS_MAX (AGENT_IDS_MAX - 8)
/* Requests that wait: a client has one at a time. */
#define CONTAINER_REQUESTS_MAX API_CONNECTIONS_MAX

/* How long the guest may take to boot and start a command, and to answer anything else. */
#define CONTAINER_START_MS 300000
#define CONTAINER_ANSWER_MS 30000

enum container_request_kind {
	CONTAINER_NO_REQUEST,
	CONTAINER_START,
	CONTAINER_WAIT,
	CONTAINER_FREEZE,
	CONTAINER_STATS,
};

/*
 * struct container_request - a parked request
 * @id:		of the command, or of the agent's request
 * @on:		of CONTAINER_FREEZE
 * @deadline_ms: monotonic; UINT64_MAX for none
 */
struct container_request {
	enum container_request_kind kind;
	uint16_t id;
	bool on;
	uint64_t ticket;
	uint64_t deadline_ms;
};

/*
 * struct container
 * @present:	a client has said what it is
 * @frozen:	by a client
 * @events:	how far the monitor is, or NULL
 * @hello_ns:	when the guest said hello, CLOCK_MONOTONIC
 * @guest:	what it said
 * @why:	why the guest is lost, or NULL
 */
struct container {
	struct loop *loop;
	struct api *api;
	bool present;
	bool frozen;
	struct container_spec spec;
	struct agent agent;
	struct command *main;
	struct command *others[CONTAINER_COMMANDS_MAX];
	uint16_t last_id;
	struct container_request requests[CONTAINER_REQUESTS_MAX];
	struct loop_timer timer;
	const struct events *events;
	uint64_t hello_ns;
	struct agent_hello guest;
	const char *why;
};

/* container_init() - none yet. @api: where requests are answered. */
void container_init(struct container *container, struct loop *loop, struct api *api);

/* container_fini() - forget all of it. Harmless when zeroed. */
void container_fini(struct container *container);

/*
 * container_set() - say what the container is, in place of what was said before
 * @spec:	taken over on success
 *
 * Context: before the VM is started. Return: 0 or -errno with @err set.
 */
int container_set(struct container *container, struct container_spec *spec, struct err *err);

/*
 * container_backend() - have the guest's connections to hull-init's ports end here
 * @other:	for all other connections, or NULL; taken over on success
 *
 * Return: 0 or -errno.
 */
int container_backend(
	struct container *container, struct stream_backend *other, struct stream_backend **ret);

/*
 * container_place_drives() - put the container's drives where hull-init looks for them
 * @config:	its disks change places: the image comes first, and behind it what takes writes
 *
 * Does nothing without a container. Return: 0 or -errno with @err set: a drive is missing.
 */
int container_place_drives(struct container *container, struct config *config, struct err *err);

/* container_command() - find a command. @id: 0 is the container's own. Return: it, or NULL. */
struct command *container_command(struct container *container, unsigned long id);

/*
 * container_exec() - make a further command
 * @spec:	taken over on success
 *
 * Return: 0 or -errno with @err set.
 */
int container_exec(struct container *container, struct command_spec *spec, struct command **ret,
	struct err *err);

/*
 * command_start() - start it, or when the guest is up
 * @ticket:	answered when it runs, or with why it doesn't
 *
 * Return: 0 or -errno with @err set.
 */
int command_start(struct command *command, uint64_t ticket, struct err *err);

/* command_wait() - have @ticket answered when it has ended; which may be at once. Return: as above.
 */
int command_wait(struct command *command, uint64_t ticket, struct err *err);

/* command_signal(), command_resize() - Return: 0 or -errno with @err set. */
int command_signal(struct command *command, int signo, bool to_group, struct err *err);
int command_resize(struct command *command, uint16_t rows, uint16_t cols, struct err *err);

/* container_freeze() - stop all processes, or let them go on; @ticket is answered then. */
int container_freeze(struct container *container, bool on, uint64_t ticket, struct err *err);

/* container_stats() - have @ticket answered with what the container uses. */
int container_stats(struct container *container, uint64_t ticket, struct err *err);

/* container_shutdown() - ask the guest to power off. Return: 0, or -ENOTCONN. */
int container_shutdown(struct container *container);

/* What a GET answers; in container_describe.c. */
void container_describe(const struct container *container, struct json_out *out);
void container_describe_usage(const struct agent_usage *usage, struct json_out *out);
void command_describe(const struct command *command, struct json_out *out);
void command_describe_end(const struct command *command, struct json_out *out);
