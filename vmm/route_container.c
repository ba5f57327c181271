// SPDX-License-Identifier: Apache-2.0
// /container and /container/exec
#include "vmm/routes.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/monitor.h"
#include "vmm/query.h"

#include <signal.h>
#include <string.h>

/* What clients of Docker know these streams as. */
#define TYPE_RAW "application/vnd.docker.raw-stream"
#define TYPE_FRAMED "application/vnd.docker.multiplexed-stream"

static const char *const signal_names[] = {
	[SIGHUP] = "SIGHUP",
	[SIGINT] = "SIGINT",
	[SIGQUIT] = "SIGQUIT",
	[SIGILL] = "SIGILL",
	[SIGTRAP] = "SIGTRAP",
	[SIGABRT] = "SIGABRT",
	[SIGBUS] = "SIGBUS",
	[SIGFPE] = "SIGFPE",
	[SIGKILL] = "SIGKILL",
	[SIGUSR1] = "SIGUSR1",
	[SIGSEGV] = "SIGSEGV",
	[SIGUSR2] = "SIGUSR2",
	[SIGPIPE] = "SIGPIPE",
	[SIGALRM] = "SIGALRM",
	[SIGTERM] = "SIGTERM",
	[SIGSTKFLT] = "SIGSTKFLT",
	[SIGCHLD] = "SIGCHLD",
	[SIGCONT] = "SIGCONT",
	[SIGSTOP] = "SIGSTOP",
	[SIGTSTP] = "SIGTSTP",
	[SIGTTIN] = "SIGTTIN",
	[SIGTTOU] = "SIGTTOU",
	[SIGURG] = "SIGURG",
	[SIGXCPU] = "SIGXCPU",
	[SIGXFSZ] = "SIGXFSZ",
	[SIGVTALRM] = "SIGVTALRM",
	[SIGPROF] = "SIGPROF",
	[SIGWINCH] = "SIGWINCH",
	[SIGIO] = "SIGIO",
	[SIGPWR] = "SIGPWR",
	[SIGSYS] = "SIGSYS",
};

/* Return: the container, or NULL with @err set. */
static struct container *need_container(const struct route_call *call, struct err *err)
{
	struct container *container = &call->monitor->container;

	if (container->present)
		return container;
	err_set(err, -ENOENT, "container: there is none: PUT /container comes first");
	return NULL;
}

/* The command that the path means: the container's own, or that of an id. Return: as above. */
static struct command *need_command(const struct route_call *call, struct err *err)
{
	struct container *container = need_container(call, err);
	struct command *command = NULL;
	unsigned long id;
	char *end;

	if (!container || !*call->id)
		return container ? container->main : NULL;
	id = strtoul(call->id, &end, 10);
	if (!*end && id)
		command = container_command(container, id);
	if (!command)
		err_set(err, -ENOENT, "container: there is no command '%s'", call->id);
	return command;
}

int route_put_container(struct route_call *call, struct err *err)
{
	struct container_spec spec;
	int r = container_spec_read((json_t *)(uintptr_t)call->body, &spec, err);

	if (r < 0)
		return r;
	r = container_set(&call->monitor->container, &spec, err);
	if (r < 0)
		container_spec_fini(&spec);
	return r;
}

int route_get_container(struct route_call *call, struct err *err)
{
	struct container *container = need_container(call, err);

	if (!container)
		return err->code;
	container_describe(container, &call->out);
	return 0;
}

int route_post_exec(struct route_call *call, struct err *err)
{
	struct container *container = need_container(call, err);
	struct command *command = NULL;
	struct command_spec spec;
	int r;

	if (!container)
		return err->code;
	r = command_spec_read((json_t *)(uintptr_t)call->body, &container->main->spec, &spec, err);
	if (r < 0)
		return r;
	r = container_exec(container, &spec, &command, err);
	if (r < 0) {
		command_spec_fini(&spec);
		return r;
	}
	command_describe(command, &call->out);
	return 0;
}

int route_get_exec(struct route_call *call, struct err *err)
{
	struct command *command = need_command(call, err);

	if (!command)
		return err->code;
	command_describe(command, &call->out);
	return 0;
}

int route_start_command(struct route_call *call, struct err *err)
{
	struct command *command = need_command(call, err);
	int r = command ? command_start(command, call->ticket, err) : err->code;

	return r < 0 ? r : API_PARKED;
}

int route_wait_command(struct route_call *call, struct err *err)
{
	struct command *command = need_command(call, err);
	int r;

	if (!command)
		return err->code;
	if (command_is_over(command)) {
		command_describe_end(command, &call->out);
		return 0;
	}
	r = command_wait(command, call->ticket, err);
	return r < 0 ? r : API_PARKED;
}

/* A number, or a name with or without "SIG". Return: it, or -EINVAL with @err set. */
static int read_signal(const json_t *json, struct err *err)
{
	const char *name = json_string_value(json);

	if (!json)
		return SIGKILL;
	if (json_is_integer(json)) {
		json_int_t number = json_integer_value(json);

		if (number >= 1 && number <= (json_int_t)AGENT_SIGNAL_MAX)
			return (int)number;
	}
	for (size_t i = 1; name && i < ARRAY_SIZE(signal_names); i++)
		if (!strcmp(name, signal_names[i]) || !strcmp(name, signal_names[i] + 3))
			return (int)i;
	return err_set(err, -EINVAL, "kill: field 'signal': '%.40s' is not a signal",
		name ? name : "the number");
}

int route_kill_command(struct route_call *call, struct err *err)
{
	struct command *command = need_command(call, err);
	const json_t *json = NULL;
	bool group = false;
	const struct json_field fields[] = {
		{.name = "signal", .type = JSON_READ_ANY, .ret = &json},
		JSON_BOOL("group", &group),
	};
	int r = command ? 0 : err->code;

	if (!r && call->body)
		r = json_read("kill", call->body, fields, ARRAY_SIZE(fields), err);
	if (!r)
		r = read_signal(json, err);
	return r < 0 ? r : command_signal(command, r, group, err);
}

int route_resize_command(struct route_call *call, struct err *err)
{
	struct command *command = need_command(call, err);
	uint64_t rows = 0, cols = 0;
	const struct json_field fields[] = {
		{.name = "height",
			.type = JSON_READ_UINT,
			.ret = &rows,
			.required = true,
			.max = UINT16_MAX},
		{.name = "width",
			.type = JSON_READ_UINT,
			.ret = &cols,
			.required = true,
			.max = UINT16_MAX},
	};
	int r = command ? json_read("resize", call->body, fields, ARRAY_SIZE(fields), err)
			: err->code;

	return r < 0 ? r : command_resize(command, (uint16_t)rows, (uint16_t)cols, err);
}

/* Answer with a stream to or from @command. */
static int answer_stream(struct route_call *call, struct command *command,
	const struct streams_attach *attach, struct err *err)
{
	struct streams_client *client = streams_attach(&command->streams, attach);

	if (!client)
		return err_set(err, -EBUSY, "container: too many clients, or no memory for one");
	call->reply->status = call->upgrade ? 101 : 200;
	call->reply->type = attach->framed ? TYPE_FRAMED : TYPE_RAW;
	call->reply->stream = streams_client_start;
	call->reply->stream_ctx = client;
	return 0;
}

int route_attach_command(struct route_call *call, struct err *err)
{
	struct command *command = need_command(call, err);
	struct stream_log_query history = {.tail = UINT64_MAX};
	bool in = false, out = false, error = false, stream = true, logs = false, raw = false;
	const struct query_field fields[] = {
		{"stdin", QUERY_BOOL, &in},
		{"stdout", QUERY_BOOL, &out},
		{"stderr", QUERY_BOOL, &error},
		{"stream", QUERY_BOOL, &stream},
		{"logs", QUERY_BOOL, &logs},
		{"raw", QUERY_BOOL, &raw},
	};
	int r = command ? query_read(call->query, fields, ARRAY_SIZE(fields), err) : err->code;
	struct streams_attach attach = {.follow = stream};

	if (r < 0)
		return r;
	if (!in && !out && !error)
		return err_set(err, -EINVAL, "attach: none of stdin, stdout and stderr is wanted");
	if (in && !command->spec.streams.input)
		return err_set(err, -EINVAL, "attach: the command takes no input");
	if (command->spec.agent.terminal && !out && error)
		return err_set(err, -EINVAL, "attach: a terminal has no stderr");
	if (raw && out && error && !command->spec.agent.terminal)
		return err_set(err, -EINVAL, "attach: 'raw' is for one of stdout and stderr");
	if (command->spec.agent.terminal)
		error = false;
	attach.streams = (in ? STREAM_BIT(STREAM_IN) : 0) | (out ? STREAM_BIT(STREAM_OUT) : 0) |
			 (error ? STREAM_BIT(STREAM_ERR) : 0);
	attach.framed = !raw && !command->spec.agent.terminal && (out || error);
	history.streams = attach.streams;
	history.framed = attach.framed;
	attach.history = logs ? &history : NULL;
	return answer_stream(call, command, &attach, err);
}

int route_get_logs(struct route_call *call, struct err *err)
{
	struct command *command = need_command(call, err);
	struct stream_log_query history = {.tail = UINT64_MAX};
	bool out = false, error = false;
	uint64_t since = 0;
	struct streams_attach attach = {.history = &history};
	const struct query_field fields[] = {
		{"follow", QUERY_BOOL, &attach.follow},
		{"stdout", QUERY_BOOL, &out},
		{"stderr", QUERY_BOOL, &error},
		{"since", QUERY_UINT, &since},
		{"tail", QUERY_UINT, &history.tail},
		{"timestamps", QUERY_BOOL, &history.timestamps},
	};
	int r = command ? query_read(call->query, fields, ARRAY_SIZE(fields), err) : err->code;

	if (r < 0)
		return r;
	if (!command->spec.streams.log_size)
		return err_set(err, -EINVAL, "logs: none is kept: 'log_size' is 0");
	if (since > UINT64_MAX / 1000000000)
		return err_set(err, -EINVAL, "query: 'since' is too large");
	history.since_ns = since * 1000000000;
	/* Both, unless one is named. */
	history.streams = (out || !error ? STREAM_BIT(STREAM_OUT) : 0) |
			  (error || !out ? STREAM_BIT(STREAM_ERR) : 0);
	history.framed = attach.framed = !command->spec.agent.terminal;
	attach.streams = history.streams;
	return answer_stream(call, command, &attach, err);
}

int route_pause_container(struct route_call *call, struct err *err)
{
	struct container *container = need_container(call, err);
	int r = container ? container_freeze(container, true, call->ticket, err) : err->code;

	return r < 0 ? r : API_PARKED;
}

int route_unpause_container(struct route_call *call, struct err *err)
{
	struct container *container = need_container(call, err);
	int r = container ? container_freeze(container, false, call->ticket, err) : err->code;

	return r < 0 ? r : API_PARKED;
}

int route_get_stats(struct route_call *call, struct err *err)
{
	struct container *container = need_container(call, err);
	int r = container ? container_stats(container, call->ticket, err) : err->code;

	return r < 0 ? r : API_PARKED;
}
