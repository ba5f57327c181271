// SPDX-License-Identifier: Apache-2.0
// The container in the guest: what runs in it, and what the guest says about it.
#pragma once

#include "vmm/agent.h"
#include "vmm/archives.h"
#include "vmm/command.h"
#include "vmm/container_spec.h"
#include "vmm/events.h"
#include "vmm/parked.h"

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

/* Commands besides the container's own that are remembered, running or not. */
#define CONTAINER_COMMANDS_MAX (AGENT_IDS_MAX - 8)
/*
 * Host ports of streams: above those that people choose, four for each id.
 */
#define CONTAINER_PORT(id, stream) (0x40000000u + 4u * (id) + (stream))
#define CONTAINER_PORT_ID(port) (((port)-CONTAINER_PORT(0, 0)) / 4u)
#define CONTAINER_PORT_STREAM(port) ((port) % 4u)

/*
 * struct container
 * @present:	a client has said what it is
 * @frozen:	by a client
 * @events:	how far the monitor is, or NULL
 * @hello_ns:	when the guest said hello, CLOCK_MONOTONIC
 * @hello_cpu_ns:	the monitor's CPU time then
 * @guest:	what it said
 * @why:	why the guest is lost, or NULL
 * @statm_fd:	/proc/self/statm, or -1; a jailed process can't open it
 */
struct container {
	struct loop *loop;
	bool present;
	bool frozen;
	struct container_spec spec;
	struct agent agent;
	struct command *main;
	struct command *others[CONTAINER_COMMANDS_MAX];
	uint16_t last_id;
	struct parked_list parked;
	struct archives archives;
	const struct events *events;
	uint64_t hello_ns;
	uint64_t hello_cpu_ns;
	struct agent_hello guest;
	const char *why;
	int statm_fd;
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

/* container_freeze() - stop all processes, or let them go on; @ticket is answered then. */
int container_freeze(struct container *container, bool on, uint64_t ticket, struct err *err);

/* container_stats() - have @ticket answered with what the container uses. */
int container_stats(struct container *container, uint64_t ticket, struct err *err);

/*
 * container_archive_out(), container_archive_in() - have files sent, or unpacked
 * @path:	in the container; untrusted
 * @request:	its head
 * @ticket:	is answered with a stream
 *
 * Return: 0, or the archive to which the client's connection goes; or -errno, or NULL, with @err
 * set.
 */
int container_archive_out(struct container *container, const char *path,
	const struct http_request *request, uint64_t ticket, struct err *err);
struct archive *container_archive_in(struct container *container, const char *path,
	const struct http_request *request, struct err *err);

/* container_client_gone() - the client of a request has gone, whether or not that is one of these.
 */
void container_client_gone(struct container *container, uint64_t ticket);

/* container_shutdown() - ask the guest to power off. Return: 0, or -ENOTCONN. */
int container_shutdown(struct container *container);

/* What a GET answers; in container_describe.c. */
void container_describe(const struct container *container, struct json_out *out);
void container_describe_usage(
	const struct container *container, const struct agent_usage *usage, struct json_out *out);
