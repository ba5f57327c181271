// SPDX-License-Identifier: Apache-2.0
// A command in the container.
#include "vmm/command.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_write.h"
#include "vmm/container.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* syscalls: loop: clock_gettime */

struct command *command_new(struct container *container, uint16_t id, struct command_spec *spec)
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

void command_free(struct command *command)
{
	if (!command)
		return;
	streams_fini(&command->streams);
	command_spec_fini(&command->spec);
	free(command);
}

/* All who wait for its end learn of it. */
static void command_ended(struct command *command, enum command_state state)
{
	struct container *container = command->container;
	struct parked *parked;

	command->state = state;
	command->ended_ns = clock_ns();
	command->ended_cpu_ns = clock_cpu_ns();
	while ((parked = parked_find(&container->parked, PARKED_WAIT, command->id))) {
		struct api_reply reply = {.body = BUF_INIT(API_RESPONSE_MAX)};
		struct json_out out = {.buf = &reply.body};

		command_describe_end(command, &out);
		parked_answer(&container->parked, parked, &reply);
	}
	streams_over(&command->streams);
}

void command_killed(struct command *command)
{
	command->signal = SIGKILL;
	command->code = 128 + SIGKILL;
	command_ended(command, COMMAND_EXITED);
}

void command_failed(struct command *command, unsigned int code, const char *message)
{
	struct container *container = command->container;
	struct parked *parked;

	command->code = code;
	snprintf(command->message, sizeof(command->message), "%s", message);
	parked = parked_find(&container->parked, PARKED_START, command->id);
	if (parked)
		parked_fail(&container->parked, parked, command->message);
	command_ended(command, COMMAND_FAILED);
}

/* Ports for the streams it has. */
static void give_ports(const struct command *command, struct agent_spec *agent)
{
	if (agent->terminal) {
		agent->tty_port = CONTAINER_PORT(command->id, STREAM_OUT);
		return;
	}
	if (command->spec.streams.input)
		agent->stdin_port = CONTAINER_PORT(command->id, STREAM_IN);
	agent->stdout_port = CONTAINER_PORT(command->id, STREAM_OUT);
	agent->stderr_port = CONTAINER_PORT(command->id, STREAM_ERR);
}

int command_send(struct command *command)
{
	struct agent_spec agent = command->spec.agent;

	give_ports(command, &agent);
	agent.wall_clock_ns = clock_read(CLOCK_REALTIME);
	return agent_send_spec(&command->container->agent, command->id, &agent);
}

int command_start(struct command *command, uint64_t ticket, struct err *err)
{
	struct container *container = command->container;
	struct parked *parked;
	int r = 0;

	if (command->state != COMMAND_CREATED)
		return err_set(err, -EBUSY, "container: the command is started already");
	if (container->why)
		return err_set(err, -ENOTCONN, "container: %s", container->why);
	parked = parked_add(&container->parked, PARKED_START, command->id, ticket, err);
	if (!parked)
		return err->code;
	/* Without a guest, HELLO is what it waits for. */
	if (container->agent.state == AGENT_READY)
		r = command_send(command);
	if (r < 0) {
		parked_drop(parked);
		return err_errno(err, -r, "container: the guest doesn't take the command");
	}
	command->state = COMMAND_STARTING;
	return 0;
}

int command_wait(struct command *command, uint64_t ticket, struct err *err)
{
	if (!parked_add(&command->container->parked, PARKED_WAIT, command->id, ticket, err))
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

static bool on_started(struct command *command, const struct agent_started *started)
{
	struct container *container = command->container;
	struct parked *parked;

	if (command->state != COMMAND_STARTING)
		return false;
	command->state = COMMAND_RUNNING;
	command->pid = started->pid;
	command->started_ns = clock_ns();
	command->started_cpu_ns = clock_cpu_ns();
	parked = parked_find(&container->parked, PARKED_START, command->id);
	if (parked)
		parked_done(&container->parked, parked);
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

bool command_hear(struct command *command, const struct agent_msg *msg)
{
	if (msg->type == AGENT_STARTED)
		return on_started(command, &msg->started);
	if (msg->type == AGENT_EXITED)
		return on_exited(command, &msg->exited);
	if (command->state != COMMAND_STARTING && command->state != COMMAND_RUNNING)
		return false;
	command_failed(command, msg->failed.code, msg->failed.message);
	return true;
}
