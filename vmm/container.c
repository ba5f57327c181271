// SPDX-License-Identifier: Apache-2.0
// The container in the guest.
#include "vmm/container.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_write.h"
#include "base/log.h"
#include "devices/backend/stream_local.h"
#include "vmm/routes.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* syscalls: loop: clock_gettime, close; start: openat */

/* The first to be forgotten: the oldest that has ended, whose output has been taken. */
static bool make_room(struct container *container)
{
	struct command **oldest = NULL;

	for (unsigned int i = 0; i < CONTAINER_COMMANDS_MAX; i++) {
		struct command **at = &container->others[i];

		if (!*at)
			return true;
		if (command_is_over(*at) && !(*at)->streams.client_count &&
			(!oldest || (*at)->ended_ns < (*oldest)->ended_ns))
			oldest = at;
	}
	if (!oldest)
		return false;
	command_free(*oldest);
	*oldest = NULL;
	return true;
}

struct command *container_command(struct container *container, unsigned long id)
{
	if (!id)
		return container->main;
	for (unsigned int i = 0; i < CONTAINER_COMMANDS_MAX; i++)
		if (container->others[i] && container->others[i]->id == id)
			return container->others[i];
	return NULL;
}

/* An id that neither a command nor a request has. */
static uint16_t new_id(struct container *container)
{
	bool taken = true;

	while (taken) {
		container->last_id = (uint16_t)(container->last_id % UINT16_MAX + 1);
		taken = container_command(container, container->last_id) ||
			parked_has_id(&container->parked, container->last_id) ||
			archives_has_id(&container->archives, container->last_id);
	}
	return container->last_id;
}

static int check_running(const struct container *container, struct err *err)
{
	if (!container->main || container->main->state != COMMAND_RUNNING)
		return err_set(err, -EBUSY, "container: it isn't running");
	return 0;
}

int container_exec(struct container *container, struct command_spec *spec, struct command **ret,
	struct err *err)
{
	int r = check_running(container, err);

	if (r < 0)
		return r;
	if (!make_room(container))
		return err_set(err, -EBUSY, "container: it has %d further commands already",
			CONTAINER_COMMANDS_MAX);
	for (unsigned int i = 0; i < CONTAINER_COMMANDS_MAX; i++) {
		if (container->others[i])
			continue;
		container->others[i] = command_new(container, new_id(container), spec);
		*ret = container->others[i];
		break;
	}
	return *ret ? 0 : err_set(err, -ENOMEM, "container: out of memory");
}

/* --- requests to the guest --- */

static int ask(
	struct container *container, struct agent_msg *msg, struct parked *parked, struct err *err)
{
	int r;

	msg->id = parked->id;
	r = agent_send(&container->agent, msg);
	if (r < 0) {
		parked_drop(parked);
		return err_errno(err, -r, "container: the guest");
	}
	return 0;
}

int container_freeze(struct container *container, bool on, uint64_t ticket, struct err *err)
{
	struct agent_msg msg = {.type = AGENT_FREEZE, .freeze.on = on};
	struct parked *parked;
	int r = check_running(container, err);

	if (r < 0)
		return r;
	if (on == container->frozen)
		return err_set(
			err, -EBUSY, "container: it is %s already", on ? "paused" : "not paused");
	parked = parked_add(&container->parked, PARKED_FREEZE, new_id(container), ticket, err);
	if (!parked)
		return err->code;
	parked->on = on;
	return ask(container, &msg, parked, err);
}

int container_stats(struct container *container, uint64_t ticket, struct err *err)
{
	struct agent_msg msg = {.type = AGENT_STATS};
	struct parked *parked;
	int r = check_running(container, err);

	if (r < 0)
		return r;
	parked = parked_add(&container->parked, PARKED_STATS, new_id(container), ticket, err);
	return parked ? ask(container, &msg, parked, err) : err->code;
}

/* Send ARCHIVE. */
static int ask_archive(
	struct container *container, uint16_t id, bool put, const char *path, struct err *err)
{
	struct agent_msg msg = {
		.type = AGENT_ARCHIVE,
		.id = id,
		.archive = {.port = CONTAINER_PORT(id, 0), .put = put},
	};
	int r;

	snprintf(msg.archive.path, sizeof(msg.archive.path), "%s", path);
	r = agent_send(&container->agent, &msg);
	return r < 0 ? err_errno(err, -r, "container: the guest") : 0;
}

static int check_archive(const struct container *container, const char *path, struct err *err)
{
	if (*path != '/')
		return err_set(err, -EINVAL, "archive: '%.100s' is not an absolute path", path);
	if (strlen(path) > AGENT_CWD_MAX)
		return err_set(err, -ENAMETOOLONG, "archive: the path is longer than %u bytes",
			AGENT_CWD_MAX);
	return check_running(container, err);
}

int container_archive_out(struct container *container, const char *path,
	const struct http_request *request, uint64_t ticket, struct err *err)
{
	struct archive *archive;
	uint16_t id;
	int r = check_archive(container, path, err);

	if (r < 0)
		return r;
	id = new_id(container);
	archive = archives_out(&container->archives, id, request, ticket, err);
	if (!archive)
		return err->code;
	r = ask_archive(container, id, false, path, err);
	if (r < 0)
		archive_free(archive);
	return r;
}

struct archive *container_archive_in(struct container *container, const char *path,
	const struct http_request *request, struct err *err)
{
	struct archive *archive;
	uint16_t id;

	if (check_archive(container, path, err) < 0)
		return NULL;
	id = new_id(container);
	archive = archives_in(&container->archives, id, request, err);
	if (archive && ask_archive(container, id, true, path, err) < 0) {
		archive_free(archive);
		return NULL;
	}
	return archive;
}

void container_client_gone(struct container *container, uint64_t ticket)
{
	archives_gone(&container->archives, ticket);
	parked_gone(&container->parked, ticket);
}

int container_shutdown(struct container *container)
{
	const struct agent_msg msg = {.type = AGENT_SHUTDOWN};

	return agent_send(&container->agent, &msg);
}

/* --- what the guest says --- */

static void on_hello(struct agent *agent, const struct agent_hello *hello)
{
	struct container *container = container_of(agent, struct container, agent);

	container->guest = *hello;
	container->hello_ns = clock_ns();
	container->hello_cpu_ns = clock_cpu_ns();
	if (container->main && container->main->state == COMMAND_STARTING &&
		command_send(container->main) < 0)
		command_failed(container->main, AGENT_EXIT_ERROR,
			"container: the guest doesn't take the command");
}

/* The container is gone, and with it all else that ran there. */
static void end_others(struct container *container, const char *why)
{
	for (unsigned int i = 0; i < CONTAINER_COMMANDS_MAX; i++) {
		struct command *command = container->others[i];

		if (!command || command_is_over(command))
			continue;
		if (command->state == COMMAND_RUNNING)
			command_killed(command);
		else
			command_failed(command, AGENT_EXIT_ERROR, why);
	}
	for (unsigned int i = 0; i < PARKED_MAX; i++) {
		struct parked *parked = &container->parked.items[i];

		if (parked->kind == PARKED_FREEZE || parked->kind == PARKED_STATS)
			parked_fail(&container->parked, parked, why);
	}
	archives_fail(&container->archives, why);
}

static bool on_result(struct container *container, const struct agent_msg *msg)
{
	struct parked *parked = parked_find(&container->parked, PARKED_FREEZE, msg->id);

	if (!parked)
		parked = parked_find(&container->parked, PARKED_STATS, msg->id);
	/* Or an archive, or it has come too late. */
	if (!parked)
		return archives_result(&container->archives, msg->id, &msg->result);
	if (msg->result.code) {
		parked_fail(&container->parked, parked, msg->result.message);
		return true;
	}
	if (parked->kind != PARKED_FREEZE)
		return false;
	container->frozen = parked->on;
	parked_done(&container->parked, parked);
	return true;
}

static bool on_usage(struct container *container, const struct agent_msg *msg)
{
	struct parked *parked = parked_find(&container->parked, PARKED_STATS, msg->id);
	struct api_reply reply = {.body = BUF_INIT(API_RESPONSE_MAX)};
	struct json_out out = {.buf = &reply.body};

	if (!parked)
		return true;
	container_describe_usage(container, &msg->usage, &out);
	parked_answer(&container->parked, parked, &reply);
	return true;
}

static bool on_message(struct agent *agent, const struct agent_msg *msg)
{
	struct container *container = container_of(agent, struct container, agent);
	struct command *command;
	bool fine;

	if (msg->type == AGENT_RESULT)
		return on_result(container, msg);
	if (msg->type == AGENT_USAGE)
		return on_usage(container, msg);
	if (msg->type != AGENT_STARTED && msg->type != AGENT_EXITED && msg->type != AGENT_FAILED)
		return false;
	command = container_command(container, msg->id);
	fine = command && command_hear(command, msg);
	if (fine && command == container->main && command_is_over(command))
		end_others(container, "container: it has ended");
	return fine;
}

static void on_broken(struct agent *agent, const char *why)
{
	struct container *container = container_of(agent, struct container, agent);
	bool over = container->main && command_is_over(container->main);

	/* It powers off, then. */
	log_at(over ? LOG_DEBUG : LOG_WARN, LOG_ORIGIN, "container: the guest is lost: %s", why);
	container->why = "the guest is lost";
	if (container->main && !command_is_over(container->main))
		command_failed(container->main, AGENT_EXIT_ERROR, "container: the guest is lost");
	end_others(container, "container: the guest is lost");
}

static const struct agent_ops agent_ops = {
	.hello = on_hello,
	.message = on_message,
	.broken = on_broken,
};

/* A stream_local_fn. */
static int on_dial(void *ctx, uint32_t port, int fd)
{
	struct container *container = ctx;
	struct command *command;

	if (port == AGENT_PORT)
		return fd < 0 ? 0 : agent_connect(&container->agent, fd);
	if (port < CONTAINER_PORT(0, 0) || port > CONTAINER_PORT(UINT16_MAX, 3))
		return STREAM_LOCAL_NOT_MINE;
	if (archives_has_id(&container->archives, (uint16_t)CONTAINER_PORT_ID(port)))
		return CONTAINER_PORT_STREAM(port) ? -ECONNREFUSED
						   : archives_connect(&container->archives,
							     (uint16_t)CONTAINER_PORT_ID(port), fd);
	command = container_command(container, CONTAINER_PORT_ID(port));
	if (!command || CONTAINER_PORT_STREAM(port) >= STREAMS_COUNT ||
		command->state == COMMAND_CREATED)
		return -ECONNREFUSED;
	return streams_connect(&command->streams, (enum stream)CONTAINER_PORT_STREAM(port), fd);
}

int container_backend(
	struct container *container, struct stream_backend *other, struct stream_backend **ret)
{
	return stream_local_new(other, on_dial, container, ret);
}

void container_init(struct container *container, struct loop *loop, struct api *api)
{
	*container = (struct container){.loop = loop, .statm_fd = -1};
	parked_init(&container->parked, loop, api);
	archives_init(&container->archives, loop, api);
	agent_init(&container->agent, loop, &agent_ops);
}

int container_set(struct container *container, struct container_spec *spec, struct err *err)
{
	struct command_spec own = spec->command;
	struct command *command;

	if (container->main && container->main->state != COMMAND_CREATED)
		return err_set(err, -EBUSY, "container: it is started already");
	command = command_new(container, 0, &own);
	if (!command)
		return err_set(err, -ENOMEM, "container: out of memory");
	command_free(container->main);
	container->main = command;
	if (container->statm_fd < 0)
		container->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	/* The command's part is the command's now. */
	container->spec = *spec;
	container->spec.command = (struct command_spec){0};
	container->present = true;
	*spec = (struct container_spec){0};
	return 0;
}

void container_fini(struct container *container)
{
	if (!container->loop)
		return;
	if (container->present && container->statm_fd >= 0)
		close(container->statm_fd);
	agent_fini(&container->agent);
	command_free(container->main);
	for (unsigned int i = 0; i < CONTAINER_COMMANDS_MAX; i++)
		command_free(container->others[i]);
	archives_fini(&container->archives);
	parked_fini(&container->parked);
	*container = (struct container){0};
}
