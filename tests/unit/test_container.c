// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/container.h: what a guest may say when, and what comes of it.
#include "vmm/container.h"

#include "base/err.h"
#include "devices/backend/stream_local.h"
#include "tests/lib/fake_agent.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"
#include "vmm/config.h"
#include "vmm/json_read.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Where streams begin. */
#define PORT_BASE CONTAINER_PORT(0, 0)

static struct loop loop;
static struct api api;
static struct container container;
static struct fake_agent guest;
static struct err err;

static void set(const char *text)
{
	json_t *json = json_parse(text, strlen(text), &err);
	struct container_spec spec;

	ck_assert_ptr_nonnull(json);
	ck_assert_msg(container_spec_read(json, &spec, &err) == 0, "%s", err.msg);
	json_decref(json);
	ck_assert_int_eq(container_set(&container, &spec, &err), 0);
}

static void setup(void)
{
	struct stream_backend *backend;

	ck_assert_int_eq(loop_init(&loop), 0);
	container_init(&container, &loop, &api);
	set("{\"rootfs\":{\"drive_id\":\"image\"},\"pids_limit\":9,\"process\":{\"args\":[\"sh\","
	    "\"-c\",\"x\"],"
	    "\"env\":[\"A=1\"],\"cwd\":\"/w\",\"stdin\":true},\"hostname\":\"box\"}");
	ck_assert_int_eq(container_backend(&container, NULL, &backend), 0);
	fake_agent_init(&guest, &loop, backend);
}

static void teardown(void)
{
	fake_agent_fini(&guest);
	container_fini(&container);
	loop_fini(&loop);
}

static const struct agent_msg hello = {.type = AGENT_HELLO};
static const struct agent_msg started = {.type = AGENT_STARTED, .started.pid = 2};

/* START is heard, the command runs. */
static void run(void)
{
	ck_assert_int_eq(command_start(container.main, 1, &err), 0);
	fake_agent_say(&guest, hello);
	ck_assert_int_eq(fake_agent_hear(&guest).type, AGENT_START);
	fake_agent_say(&guest, started);
	ck_assert_int_eq(container.main->state, COMMAND_RUNNING);
}

/* Return: what container_spec_read() makes of "args" and what follows them. */
static int read_args(const char *args)
{
	struct container_spec spec;
	char text[256];
	json_t *json;
	int r;

	snprintf(text, sizeof(text), "{\"rootfs\":{\"drive_id\":\"i\"},\"process\":{\"args\":[%s}}",
		args);
	json = json_parse(text, strlen(text), &err);
	ck_assert_ptr_nonnull(json);
	r = container_spec_read(json, &spec, &err);
	json_decref(json);
	if (r == 0) {
		ck_assert_str_eq(spec.command.agent.args[0], "a\xff");
		ck_assert_str_eq(spec.command.agent.args[1], "b");
		ck_assert_str_eq(spec.command.agent.cwd, "/\xfe");
		ck_assert_str_eq(spec.command.agent.user, "u\xff");
		container_spec_fini(&spec);
	}
	return r;
}

START_TEST(bytes_that_are_no_text)
{
	static const char *const bad[] = {"{\"base64\":\"Yf8\"}", "{\"base64\":\"AA==\"}",
		"{\"base64\":1}", "{\"base64\":\"Yf8=\",\"x\":1}", "{}", "1"};
	char text[128];

	ck_assert_int_eq(read_args("{\"base64\":\"Yf8=\"},\"b\"],\"cwd\":{\"base64\":\"L/4=\"},"
				   "\"user\":{\"base64\":\"df8=\"}"),
		0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "%s]", bad[i]);
		ck_assert_msg(read_args(text) == -EINVAL, "%s", bad[i]);
		ck_assert_ptr_nonnull(strstr(err.msg, "element 0 is not a string"));
		snprintf(text, sizeof(text), "\"x\"],\"cwd\":%s", bad[i]);
		ck_assert_msg(read_args(text) == -EINVAL, "%s", bad[i]);
		ck_assert_ptr_nonnull(strstr(err.msg, "field 'cwd' is not a string"));
	}
}
END_TEST

START_TEST(life_of_a_command)
{
	struct agent_spec spec;
	struct agent_msg msg;
	int out;

	ck_assert_int_eq(fake_agent_dial(&guest, PORT_BASE + STREAM_OUT), -ECONNREFUSED);
	ck_assert_int_eq(command_start(container.main, 1, &err), 0);
	ck_assert_int_eq(command_start(container.main, 1, &err), -EBUSY);
	fake_agent_say(&guest, hello);
	msg = fake_agent_hear(&guest);
	ck_assert_int_eq(msg.type, AGENT_START);
	ck_assert_int_eq(agent_spec_decode(msg.spec.data, msg.spec.len, &spec), 0);
	ck_assert_str_eq(spec.args[2], "x");
	ck_assert_str_eq(spec.hostname, "box");
	ck_assert_uint_eq(spec.pids_max, 9);
	ck_assert_uint_eq(spec.stdin_port, PORT_BASE + STREAM_IN);
	ck_assert_uint_eq(spec.stderr_port, PORT_BASE + STREAM_ERR);
	ck_assert_uint_gt(spec.wall_clock_ns, 0);
	agent_spec_fini(&spec);
	out = fake_agent_dial(&guest, PORT_BASE + STREAM_OUT);
	ck_assert_int_ge(out, 0);
	ck_assert_int_eq(fake_agent_dial(&guest, PORT_BASE + STREAM_OUT), -EALREADY);
	ck_assert_int_eq(fake_agent_dial(&guest, PORT_BASE + 3), -ECONNREFUSED);
	ck_assert_int_eq(fake_agent_dial(&guest, PORT_BASE + 4 + STREAM_OUT), -ECONNREFUSED);
	ck_assert_int_eq(fake_agent_dial(&guest, AGENT_PORT), -EALREADY);
	ck_assert_int_eq(fake_agent_dial(&guest, 77), -ECONNREFUSED);
	fake_agent_say(&guest, started);
	ck_assert_int_eq(container.main->state, COMMAND_RUNNING);
	ck_assert_int_eq(command_signal(container.main, 15, true, &err), 0);
	msg = fake_agent_hear(&guest);
	ck_assert_int_eq(msg.type, AGENT_SIGNAL);
	ck_assert(msg.signal.to_group);
	ck_assert_int_eq(command_resize(container.main, 1, 2, &err), -EINVAL);
	fake_agent_say(&guest, (struct agent_msg){.type = AGENT_EXITED, .exited.signal = 15});
	ck_assert_int_eq(container.main->state, COMMAND_EXITED);
	ck_assert_uint_eq(container.main->code, 143);
	ck_assert_int_eq(command_signal(container.main, 15, true, &err), -ESRCH);
	ck_assert_int_eq(container_shutdown(&container), 0);
	ck_assert_int_eq(fake_agent_hear(&guest).type, AGENT_SHUTDOWN);
	close(out);
}
END_TEST

START_TEST(further_commands)
{
	const char text[] = "{\"args\":[\"ls\"]}";
	const struct agent_msg not_found = {
		.type = AGENT_FAILED, .id = 1, .failed = {127, "ls: not found"}};
	json_t *json = json_parse(text, strlen(text), &err);
	struct command_spec spec, more;
	struct command *command = NULL;
	struct agent_spec sent;
	struct agent_msg msg;

	ck_assert_int_eq(command_spec_read(json, &container.main->spec, &spec, &err), 0);
	ck_assert_int_eq(container_exec(&container, &spec, &command, &err), -EBUSY);
	run();
	ck_assert_int_eq(container_exec(&container, &spec, &command, &err), 0);
	ck_assert_uint_eq(command->id, 1);
	ck_assert_ptr_eq(container_command(&container, 1), command);
	ck_assert_int_eq(command_start(command, 2, &err), 0);
	msg = fake_agent_hear(&guest);
	ck_assert_int_eq(msg.type, AGENT_EXEC);
	ck_assert_uint_eq(msg.id, 1);
	ck_assert_int_eq(agent_spec_decode(msg.spec.data, msg.spec.len, &sent), 0);
	ck_assert_str_eq(sent.args[0], "ls");
	/* What it doesn't say is the container's. */
	ck_assert_str_eq(sent.env[0], "A=1");
	ck_assert_str_eq(sent.cwd, "/w");
	ck_assert_uint_eq(sent.stdin_port, 0);
	ck_assert_uint_eq(sent.stdout_port, PORT_BASE + 4 + STREAM_OUT);
	agent_spec_fini(&sent);
	fake_agent_say(&guest, not_found);
	ck_assert_int_eq(command->state, COMMAND_FAILED);
	ck_assert_uint_eq(command->code, 127);
	ck_assert_str_eq(command->message, "ls: not found");

	ck_assert_int_eq(command_spec_read(json, &container.main->spec, &more, &err), 0);
	ck_assert_int_eq(container_exec(&container, &more, &command, &err), 0);
	ck_assert_int_eq(command_start(command, 3, &err), 0);
	ck_assert_int_eq(fake_agent_hear(&guest).id, 2);
	fake_agent_say(&guest, (struct agent_msg){.type = AGENT_STARTED, .id = 2});
	ck_assert_int_eq(command->state, COMMAND_RUNNING);
	/* The end of the container is its end, too. */
	fake_agent_say(&guest, (struct agent_msg){.type = AGENT_EXITED});
	ck_assert_int_eq(command->state, COMMAND_EXITED);
	ck_assert_uint_eq(command->code, 137);
	json_decref(json);
}
END_TEST

START_TEST(requests)
{
	struct agent_msg msg;

	ck_assert_int_eq(container_freeze(&container, true, 1, &err), -EBUSY);
	run();
	ck_assert_int_eq(container_freeze(&container, false, 1, &err), -EBUSY);
	ck_assert_int_eq(container_freeze(&container, true, 1, &err), 0);
	msg = fake_agent_hear(&guest);
	ck_assert_int_eq(msg.type, AGENT_FREEZE);
	ck_assert(msg.freeze.on);
	fake_agent_say(&guest, (struct agent_msg){.type = AGENT_RESULT, .id = msg.id});
	ck_assert(container.frozen);
	ck_assert_int_eq(container_stats(&container, 2, &err), 0);
	msg = fake_agent_hear(&guest);
	ck_assert_int_eq(msg.type, AGENT_STATS);
	fake_agent_say(&guest, (struct agent_msg){.type = AGENT_USAGE, .id = msg.id});
	/* Too late, or never asked for: passed over. */
	fake_agent_say(&guest, (struct agent_msg){.type = AGENT_USAGE, .id = msg.id});
	fake_agent_say(
		&guest, (struct agent_msg){.type = AGENT_RESULT, .id = 9, .result = {5, "why"}});
	ck_assert_int_eq(container.agent.state, AGENT_READY);
}
END_TEST

/* Each client waits with one request; one who goes leaves its place to others. */
START_TEST(clients_that_wait)
{
	run();
	for (uint64_t ticket = 1; ticket <= PARKED_MAX; ticket++)
		ck_assert_int_eq(command_wait(container.main, ticket, &err), 0);
	ck_assert_int_eq(command_wait(container.main, 99, &err), -EBUSY);
	container_client_gone(&container, 77);
	ck_assert_int_eq(command_wait(container.main, 99, &err), -EBUSY);
	container_client_gone(&container, 5);
	ck_assert_int_eq(command_wait(container.main, 99, &err), 0);
	fake_agent_say(&guest, (struct agent_msg){.type = AGENT_EXITED});
	ck_assert_int_eq(command_wait(container.main, 1, &err), 0);
}
END_TEST

/* What a guest may not say; the connection ends, and the container is told lost. */
START_TEST(out_of_turn)
{
	const struct agent_msg bad[] = {
		hello,
		started,
		{.type = AGENT_STARTED, .id = 1},
		{.type = AGENT_EXITED, .id = 1},
		{.type = AGENT_FAILED, .id = 65535, .failed = {125, "x"}},
	};

	run();
	fake_agent_say(&guest, bad[_i]);
	ck_assert_int_eq(container.agent.state, AGENT_BROKEN);
	ck_assert_int_eq(container.main->state, COMMAND_FAILED);
	ck_assert_int_eq(command_start(container.main, 1, &err), -EBUSY);
	ck_assert_int_eq(container_stats(&container, 1, &err), -EBUSY);
	ck_assert_int_eq(fake_agent_dial(&guest, AGENT_PORT), -EALREADY);
}
END_TEST

START_TEST(not_hello_first)
{
	fake_agent_say(&guest, started);
	ck_assert_int_eq(container.agent.state, AGENT_BROKEN);
	ck_assert_int_eq(container.main->state, COMMAND_FAILED);
}
END_TEST

START_TEST(the_guest_is_lost)
{
	run();
	shutdown(guest.fd, SHUT_RDWR);
	loop_step(&loop);
	ck_assert_int_eq(container.main->state, COMMAND_FAILED);
	ck_assert_uint_eq(container.main->code, AGENT_EXIT_ERROR);
}
END_TEST

START_TEST(drives)
{
	struct config config;

	config_init(&config);
	set("{\"rootfs\":{\"drive_id\":\"c\",\"writable\":\"disk\",\"writable_drive_id\":\"a\"},"
	    "\"process\":{\"args\":[\"sh\"]},\"mounts\":[{\"destination\":\"/m\",\"type\":\"ext4\","
	    "\"drive_id\":\"b\"}]}");
	config.disk_count = 3;
	config.disks[0].id = "a";
	config.disks[1].id = "b";
	ck_assert_int_eq(container_place_drives(&container, &config, &err), -ENODEV);
	config.disks[2].id = "c";
	ck_assert_int_eq(container_place_drives(&container, &config, &err), 0);
	ck_assert_str_eq(config.disks[0].id, "c");
	ck_assert_str_eq(config.disks[1].id, "a");
	ck_assert_str_eq(config.disks[2].id, "b");
	ck_assert_uint_eq(container.main->spec.agent.mounts[0].disk, 2);
	/* Once more changes nothing. */
	ck_assert_int_eq(container_place_drives(&container, &config, &err), 0);
	ck_assert_str_eq(config.disks[0].id, "c");
	config_fini(&config);
}
END_TEST

SUITE_CASES("container", setup, teardown, {bytes_that_are_no_text}, {life_of_a_command},
	{further_commands}, {requests}, {clients_that_wait}, {out_of_turn, 5}, {not_hello_first},
	{the_guest_is_lost}, {drives})
