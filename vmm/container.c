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

#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Host ports of streams: above those that people choose, four for each id.
 *
 *      PORT_BASE + 4 * id + stream
 */
#define PORT_BASE 0x40000000u
#define PORTS_PER_ID 4
#define PORT_END (PORT_BASE + PORTS_PER_ID * 65536u)

/* --- requests --- */

static void request_answer(
	struct container *container, struct container_request *request, struct api_reply *reply)
{
	request->kind = CONTAINER_NO_REQUEST;
	api_answer(container->api, request->ticket, reply);
}

static void request_fail(
	struct container *container, struct container_request *request, const char *message)
{
	struct api_reply reply = {.body = BUF_INIT(API_RESPONSE_MAX)};

	routes_fault(&reply, message);
	request_answer(container, request, &reply);
}

static void request_done(struct container *container, struct container_request *request)
{
	struct api_reply reply = {0};

	request_answer(container, request, &reply);
}

/* The timer runs only while something has a deadline. */
static void set_timer(struct container *container)
{
	uint64_t next = UINT64_MAX, now = clock_ms();

	for (unsigned int i = 0; i < CONTAINER_REQUESTS_MAX; i++) {
		const struct container_request *request = &container->requests[i];

		if (request->kind != CONTAINER_NO_REQUEST && request->deadline_ms < next)
			next = request->deadline_ms;
	}
	if (next != UINT64_MAX)
		loop_timer_set(&container->timer, next > now ? next - now : 1);
	else
		loop_timer_set(&container->timer, 0);
}

static void on_timer(struct loop_timer *timer)
{
	struct container *container = container_of(timer, struct container, timer);
	uint64_t now = clock_ms();

	for (unsigned int i = 0; i < CONTAINER_REQUESTS_MAX; i++) {
		struct container_request *request = &container->requests[i];

		if (request->kind != CONTAINER_NO_REQUEST && request->deadline_ms <= now)
			request_fail(
				container, request, "container: the guest didn't answer in time");
	}
	set_timer(container);
}

/* Park @ticket. Return: the request, or NULL with @err set. */
static struct container_request *request_add(struct container *container,
	enum container_request_kind kind, uint16_t id, uint64_t ticket, struct err *err)
{
	static const uint64_t times[] = {
		[CONTAINER_START] = CONTAINER_START_MS,
		[CONTAINER_WAIT] = 0,
		[CONTAINER_FREEZE] = CONTAINER_ANSWER_MS,
		[CONTAINER_STATS] = CONTAINER_ANSWER_MS,
	};

	/* The places of clients that have gone are found only now. */
	for (unsigned int i = 0; i < CONTAINER_REQUESTS_MAX; i++) {
		struct container_request *request = &container->requests[i];

		if (request->kind != CONTAINER_NO_REQUEST &&
			!api_is_parked(container->api, request->ticket))
			request->kind = CONTAINER_NO_REQUEST;
		if (request->kind != CONTAINER_NO_REQUEST)
			continue;
		*request = (struct container_request){
			.kind = kind,
			.id = id,
			.ticket = ticket,
			.deadline_ms = times[kind] ? clock_ms() + times[kind] : UINT64_MAX,
		};
		set_timer(container);
		return request;
	}
	err_set(err, -EBUSY, "container: too many requests wait already");
	return NULL;
}

static struct container_request *request_find(
	struct container *container, enum container_request_kind kind, uint16_t id)
{
	for (unsigned int i = 0; i < CONTAINER_REQUESTS_MAX; i++) {
		struct container_request *request = &container->requests[i];

		if (request->kind == kind && request->id == id)
			return request;
	}
	return NULL;
}

/* --- commands --- */

static struct command *command_new(
	struct container *container, uint16_t id, struct command_spec *spec)
{
	struct command *command = calloc(1, sizeof(*command));

	if (!command)
		return NULL;
	command->container = container;
	command->id = id;
	command->spec = *spec;
	*spec = (struct command_spec){0};
	streams_init(&command->streams, container->loop, &command->spec.streams);
	return command;
}

static void command_free(struct command *command)
{
	if (!command)
		return;
	streams_fini(&command->streams);
	command_spec_fini(&command->spec);
	free(command);
}

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
		taken = container_command(container, container->last_id);
		for (unsigned int i = 0; i < CONTAINER_REQUESTS_MAX; i++)
			taken |= container->requests[i].kind != CONTAINER_NO_REQUEST &&
				 container->requests[i].id == container->last_id;
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

/* All who wait for its end learn of it. */
static void command_ended(struct command *command, enum command_state state)
{
	struct container *container = command->container;
	struct container_request *request;

	command->state = state;
	command->ended_ns = clock_ns();
	while ((request = request_find(container, CONTAINER_WAIT, command->id))) {
		struct api_reply reply = {.body = BUF_INIT(API_RESPONSE_MAX)};
		struct json_out out = {.buf = &reply.body};

		command_describe_end(command, &out);
		request_answer(container, request, &reply);
	}
	streams_over(&command->streams);
}

/* It can't be started: whoever asked for it is told. */
static void command_failed(struct command *command, unsigned int code, const char *message)
{
	struct container *container = command->container;
	struct container_request *request;

	command->code = code;
	snprintf(command->message, sizeof(command->message), "%s", message);
	request = request_find(container, CONTAINER_START, command->id);
	if (request)
		request_fail(container, request, command->message);
	command_ended(command, COMMAND_FAILED);
}

/* Ports for the streams it has. */
static void give_ports(const struct command *command, struct agent_spec *agent)
{
	uint32_t base = PORT_BASE + PORTS_PER_ID * command->id;

	if (agent->terminal) {
		agent->tty_port = base + STREAM_OUT;
		return;
	}
	agent->stdin_port = command->spec.streams.input ? base + STREAM_IN : 0;
	agent->stdout_port = base + STREAM_OUT;
	agent->stderr_port = base + STREAM_ERR;
}

/* Send START or EXEC to a guest that is up. Return: 0 or -errno. */
static int command_send(struct command *command)
{
	struct agent_spec agent = command->spec.agent;

	give_ports(command, &agent);
	agent.wall_clock_ns = clock_read(CLOCK_REALTIME);
	return agent_send_spec(&command->container->agent, command->id, &agent);
}

int command_start(struct command *command, uint64_t ticket, struct err *err)
{
	struct container *container = command->container;
	struct container_request *request;
	int r = 0;

	if (command->state != COMMAND_CREATED)
		return err_set(err, -EBUSY, "container: the command is started already");
	if (container->why)
		return err_set(err, -ENOTCONN, "container: %s", container->why);
	request = request_add(container, CONTAINER_START, command->id, ticket, err);
	if (!request)
		return err->code;
	/* Without a guest, HELLO is what it waits for. */
	if (container->agent.state == AGENT_READY)
		r = command_send(command);
	if (r < 0) {
		request->kind = CONTAINER_NO_REQUEST;
		return err_errno(err, -r, "container: the guest doesn't take the command");
	}
	command->state = COMMAND_STARTING;
	return 0;
}

int command_wait(struct command *command, uint64_t ticket, struct err *err)
{
	if (!request_add(command->container, CONTAINER_WAIT, command->id, ticket, err))
		return err->code;
	return 0;
}

static int command_tell(struct command *command, struct agent_msg *msg, struct err *err)
{
	int r;

	msg->id = command->id;
	if (command->state != COMMAND_RUNNING)
		return err_set(err, -ESRCH, "container: the command isn't running");
	r = agent_send(&command->container->agent, msg);
	return r < 0 ? err_errno(err, -r, "container: the guest") : 0;
}

int command_signal(struct command *command, int signo, bool to_group, struct err *err)
{
	struct agent_msg msg = {
		.type = AGENT_SIGNAL,
		.signal = {.signo = (uint32_t)signo, .to_group = to_group},
	};

	return command_tell(command, &msg, err);
}

int command_resize(struct command *command, uint16_t rows, uint16_t cols, struct err *err)
{
	struct agent_msg msg = {.type = AGENT_RESIZE, .resize = {rows, cols}};

	if (!command->spec.agent.terminal)
		return err_set(err, -EINVAL, "container: the command has no terminal");
	return command_tell(command, &msg, err);
}

/* --- requests to the guest --- */

static int ask(struct container *container, struct agent_msg *msg,
	struct container_request *request, struct err *err)
{
	int r;

	msg->id = request->id;
	r = agent_send(&container->agent, msg);
	if (r < 0) {
		request->kind = CONTAINER_NO_REQUEST;
		return err_errno(err, -r, "container: the guest");
	}
	return 0;
}

int container_freeze(struct container *container, bool on, uint64_t ticket, struct err *err)
{
	struct agent_msg msg = {.type = AGENT_FREEZE, .freeze.on = on};
	struct container_request *request;
	int r = check_running(container, err);

	if (r < 0)
		return r;
	if (on == container->frozen)
		return err_set(
			err, -EBUSY, "container: it is %s already", on ? "paused" : "not paused");
	request = request_add(container, CONTAINER_FREEZE, new_id(container), ticket, err);
	if (!request)
		return err->code;
	request->on = on;
	return ask(container, &msg, request, err);
}

int container_stats(struct container *container, uint64_t ticket, struct err *err)
{
	struct agent_msg msg = {.type = AGENT_STATS};
	struct container_request *request;
	int r = check_running(container, err);

	if (r < 0)
		return r;
	request = request_add(container, CONTAINER_STATS, new_id(container), ticket, err);
	return request ? ask(container, &msg, request, err) : err->code;
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
	if (container->main && container->main->state == COMMAND_STARTING &&
		command_send(container->main) < 0)
		command_failed(container->main, AGENT_EXIT_ERROR,
			"container: the guest doesn't take the command");
}

static bool on_started(struct command *command, const struct agent_started *started)
{
	struct container *container = command->container;
	struct container_request *request;

	if (command->state != COMMAND_STARTING)
		return false;
	command->state = COMMAND_RUNNING;
	command->pid = started->pid;
	command->started_ns = clock_ns();
	request = request_find(container, CONTAINER_START, command->id);
	if (request)
		request_done(container, request);
	return true;
}

static bool on_exited(struct command *command, const struct agent_exited *exited)
{
	if (command->state != COMMAND_RUNNING)
		return false;
	command->signal = exited->signal;
	command->code = exited->signal ? 128 + exited->signal : exited->code;
	command_ended(command, COMMAND_EXITED);
	return true;
}

/* The container is gone, and with it all else that ran there. */
static void end_others(struct container *container, const char *why)
{
	for (unsigned int i = 0; i < CONTAINER_COMMANDS_MAX; i++) {
		struct command *command = container->others[i];

		if (!command || command_is_over(command))
			continue;
		if (command->state == COMMAND_RUNNING) {
			command->signal = 9;
			command->code = 128 + 9;
			command_ended(command, COMMAND_EXITED);
		} else {
			command_failed(command, AGENT_EXIT_ERROR, why);
		}
	}
	for (unsigned int i = 0; i < CONTAINER_REQUESTS_MAX; i++) {
		struct container_request *request = &container->requests[i];

		if (request->kind == CONTAINER_FREEZE || request->kind == CONTAINER_STATS)
			request_fail(container, request, why);
	}
}

static bool on_result(struct container *container, const struct agent_msg *msg)
{
	struct container_request *request = request_find(container, CONTAINER_FREEZE, msg->id);

	if (!request)
		request = request_find(container, CONTAINER_STATS, msg->id);
	/* It may have come too late. */
	if (!request)
		return true;
	if (msg->result.code) {
		request_fail(container, request, msg->result.message);
		return true;
	}
	if (request->kind != CONTAINER_FREEZE)
		return false;
	container->frozen = request->on;
	request_done(container, request);
	return true;
}

static bool on_usage(struct container *container, const struct agent_msg *msg)
{
	struct container_request *request = request_find(container, CONTAINER_STATS, msg->id);
	struct api_reply reply = {.body = BUF_INIT(API_RESPONSE_MAX)};
	struct json_out out = {.buf = &reply.body};

	if (!request)
		return true;
	container_describe_usage(&msg->usage, &out);
	request_answer(container, request, &reply);
	return true;
}

static bool on_command(struct command *command, const struct agent_msg *msg)
{
	bool fine = true;

	if (msg->type == AGENT_STARTED)
		fine = on_started(command, &msg->started);
	else if (msg->type == AGENT_EXITED)
		fine = on_exited(command, &msg->exited);
	else if (command->state != COMMAND_STARTING && command->state != COMMAND_RUNNING)
		fine = false;
	else
		command_failed(command, msg->failed.code, msg->failed.message);
	if (fine && !command->id && command_is_over(command))
		end_others(command->container, "container: it has ended");
	return fine;
}

static bool on_message(struct agent *agent, const struct agent_msg *msg)
{
	struct container *container = container_of(agent, struct container, agent);
	struct command *command;

	if (msg->type == AGENT_RESULT)
		return on_result(container, msg);
	if (msg->type == AGENT_USAGE)
		return on_usage(container, msg);
	if (msg->type != AGENT_STARTED && msg->type != AGENT_EXITED && msg->type != AGENT_FAILED)
		return false;
	command = container_command(container, msg->id);
	return command && on_command(command, msg);
}

static void on_broken(struct agent *agent, const char *why)
{
	struct container *container = container_of(agent, struct container, agent);

	log_warn("container: the guest is lost: %s", why);
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
	if (port < PORT_BASE || port >= PORT_END)
		return STREAM_LOCAL_NOT_MINE;
	command = container_command(container, (port - PORT_BASE) / PORTS_PER_ID);
	if (!command || (port - PORT_BASE) % PORTS_PER_ID >= STREAMS_COUNT ||
		command->state == COMMAND_CREATED)
		return -ECONNREFUSED;
	return streams_connect(
		&command->streams, (enum stream)((port - PORT_BASE) % PORTS_PER_ID), fd);
}

int container_backend(
	struct container *container, struct stream_backend *other, struct stream_backend **ret)
{
	return stream_local_new(other, on_dial, container, ret);
}

void container_init(struct container *container, struct loop *loop, struct api *api)
{
	*container = (struct container){.loop = loop, .api = api};
	agent_init(&container->agent, loop, &agent_ops);
}

int container_set(struct container *container, struct container_spec *spec, struct err *err)
{
	struct command_spec own = spec->command;
	struct command *command;
	int r = 0;

	if (container->main && container->main->state != COMMAND_CREATED)
		return err_set(err, -EBUSY, "container: it is started already");
	if (!container->timer.fn)
		r = loop_timer_init(container->loop, &container->timer, on_timer);
	if (r < 0)
		return err_errno(err, -r, "container: timer");
	command = command_new(container, 0, &own);
	if (!command)
		return err_set(err, -ENOMEM, "container: out of memory");
	command_free(container->main);
	container->main = command;
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
	agent_fini(&container->agent);
	command_free(container->main);
	for (unsigned int i = 0; i < CONTAINER_COMMANDS_MAX; i++)
		command_free(container->others[i]);
	if (container->timer.fn)
		loop_timer_fini(container->loop, &container->timer);
	*container = (struct container){0};
}
