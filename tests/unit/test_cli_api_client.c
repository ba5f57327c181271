// SPDX-License-Identifier: Apache-2.0
// Tests of cli/api_client.h, with a server that says what a test wants, and of cli/spec_json.h.
#include "cli/api_client.h"

#include "cli/spec_json.h"
#include "protocol/agent.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

static struct loop loop;
static struct api_client client;
static int server;
static unsigned int ends, answers, status;
static json_int_t value;

static void on_ended(struct api_client *at)
{
	ends++;
}

static void on_answer(struct api_client *at, unsigned int code, const json_t *body)
{
	answers++;
	status = code;
	value = json_integer_value(json_object_get(body, "value"));
}

static void on_last_answer(struct api_client *at, unsigned int code, const json_t *body)
{
	answers++;
	api_client_fini(at);
}

static void setup(void)
{
	int ends_of_pair[2];

	ends = answers = status = 0;
	value = -1;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_of_pair), 0);
	server = ends_of_pair[1];
	ck_assert_int_eq(api_client_init(&client, &loop, ends_of_pair[0], on_ended), 0);
}

static void teardown(void)
{
	api_client_fini(&client);
	close(server);
	loop_fini(&loop);
}

static void say(const char *text)
{
	ck_assert_int_eq(send(server, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	loop_step(&loop);
}

static void ask(api_client_fn *answered)
{
	ck_assert_int_eq(api_client_send(&client, "GET", "/x", NULL, answered), 0);
}

START_TEST(requests_and_answers_in_order)
{
	char text[512] = "";

	ck_assert_int_eq(api_client_send(&client, "PUT", "/a", "{\"b\":1}", NULL), 0);
	ask(on_answer);
	ask(on_answer);
	ck_assert_int_gt(recv(server, text, sizeof(text) - 1, 0), 0);
	ck_assert_str_eq(text, "PUT /a HTTP/1.1\r\nHost: hull\r\nContent-Length: 7\r\n\r\n{\"b\":1}"
			       "GET /x HTTP/1.1\r\nHost: hull\r\nContent-Length: 0\r\n\r\n"
			       "GET /x HTTP/1.1\r\nHost: hull\r\nContent-Length: 0\r\n\r\n");
	say("HTTP/1.1 204 \r\nServer: s\r\n\r\nHTTP/1.1 200 \r\nContent-Len");
	ck_assert_uint_eq(answers, 0);
	say("gth: 11\r\n\r\n{\"value\"");
	ck_assert_uint_eq(answers, 0);
	say(":7}HTTP/1.1 400 OK\r\ncontent-length: 2\r\n\r\n{}");
	ck_assert_uint_eq(answers, 2);
	ck_assert_uint_eq(status, 400);
	ck_assert_uint_eq(ends, 0);
	close(server);
	server = -1;
	loop_step(&loop);
	ck_assert_uint_eq(ends, 1);
	ck_assert_int_eq(api_client_send(&client, "GET", "/x", NULL, NULL), -ENOTCONN);
}
END_TEST

static const char *const bad[] = {
	"HTTP/1.0 200 OK\r\n\r\n",
	"HTTP/1.1 20 OK\r\n\r\n",
	"HTTP/1.1 2000 OK\r\n\r\n",
	"HTTP/1.1 099 OK\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 65000\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
};

START_TEST(bad_answers_end_it)
{
	ask(on_answer);
	say(bad[_i]);
	ck_assert_uint_eq(ends, 1);
	ck_assert_uint_eq(answers, 0);
}
END_TEST

START_TEST(an_answer_without_end)
{
	char text[2048];

	ask(on_answer);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	say(text);
	ck_assert_uint_eq(ends, 1);
}
END_TEST

START_TEST(an_answer_that_nobody_asked_for)
{
	say("HTTP/1.1 204 \r\n\r\n");
	ck_assert_uint_eq(ends, 1);
}
END_TEST

START_TEST(a_body_that_is_no_json)
{
	ask(on_answer);
	say("HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\n{\"v\"");
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(value, 0);
	ck_assert_uint_eq(ends, 0);
}
END_TEST

START_TEST(closed_by_an_answer)
{
	ask(on_last_answer);
	ask(on_answer);
	say("HTTP/1.1 204 \r\n\r\nHTTP/1.1 204 \r\n\r\n");
	ck_assert_uint_eq(answers, 1);
	ck_assert_uint_eq(ends, 0);
}
END_TEST

START_TEST(a_server_that_does_not_answer)
{
	for (int i = 0; i < API_CLIENT_PENDING_MAX; i++)
		ask(on_answer);
	ck_assert_int_eq(api_client_send(&client, "GET", "/x", NULL, NULL), -EBUSY);
}
END_TEST

START_TEST(upgrades)
{
	char text[512] = "";
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(api_client_upgrade(pair[0], "/s?a=1"), 0);
	ck_assert_int_gt(recv(pair[1], text, sizeof(text) - 1, 0), 0);
	ck_assert_ptr_nonnull(strstr(text, "POST /s?a=1 HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(text, "\r\nConnection: Upgrade\r\n"));
	ck_assert_int_eq(api_client_upgraded(pair[0]), -EAGAIN);
	ck_assert_int_eq(dprintf(pair[1], "HTTP/1.1 101 x\r\nA: b\r\n\r\nstream"), 30);
	ck_assert_int_eq(api_client_upgraded(pair[0]), 0);
	ck_assert_int_eq(recv(pair[0], text, sizeof(text), 0), 6);
	ck_assert_mem_eq(text, "stream", 6);
	dprintf(pair[1], "HTTP/1.1 400 x\r\n\r\n");
	ck_assert_int_eq(api_client_upgraded(pair[0]), -EPROTO);
	close(pair[1]);
	ck_assert_int_eq(api_client_upgraded(pair[0]), -EPROTO);
	close(pair[0]);
}
END_TEST

/* Return: what spec_json() makes of @spec, compact and with sorted keys. */
static char *written(const struct agent_spec *spec)
{
	struct buf buf = BUF_INIT(65536);
	char *text;
	json_t *json;

	ck_assert_int_eq(spec_json(spec, &buf), 0);
	json = json_loadb((char *)buf.data, buf.len, 0, NULL);
	ck_assert_ptr_nonnull(json);
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(json);
	buf_fini(&buf);
	return text;
}

START_TEST(specifications)
{
	static const char *const args[] = {"a\"", "\xff", NULL}, *const env[] = {
									 "E=\xc3\xa4", NULL};
	struct agent_spec spec = {
		.args = (char **)(uintptr_t)args,
		.env = (char **)(uintptr_t)env,
		.cwd = "/",
		.user = "",
		.hostname = "h",
		.stdout_port = 1,
		.stderr_port = 2,
		.rlimits = {{RLIMIT_NOFILE, 1, 2}},
		.n_rlimits = 1,
	};
	struct agent_interface *interface = &spec.interfaces[0];
	char *text = written(&spec);

	ck_assert_str_eq(text,
		"{\"hostname\":\"h\",\"network\":{\"interfaces\":[]},\"process\":{"
		"\"args\":[\"a\\\"\",{\"base64\":\"/w==\"}],\"cwd\":\"/\",\"env\":[\"E=\xc3\xa4\"],"
		"\"log_size\":0,\"rlimits\":[{\"hard\":2,\"soft\":1,\"type\":\"RLIMIT_NOFILE\"}],"
		"\"stdin\":false,\"terminal\":false,\"user\":\"\"},"
		"\"rootfs\":{\"drive_id\":\"rootfs\",\"writable\":\"tmpfs\"}}");
	free(text);
	spec.terminal = true;
	spec.rows = 24;
	spec.cols = 80;
	spec.root = AGENT_ROOT_DISK;
	spec.hosts = "1.2.3.4 x\n";
	spec.pids_max = 77;
	spec.n_interfaces = 1;
	interface->mac[5] = 0xab;
	interface->mtu = 1400;
	interface->n_addresses = 1;
	interface->addresses[0].family = 4;
	inet_pton(AF_INET, "10.0.0.2", interface->addresses[0].bytes);
	interface->prefixes[0] = 24;
	interface->gateways[1].family = 6;
	inet_pton(AF_INET6, "fd00::1", interface->gateways[1].bytes);
	text = written(&spec);
	ck_assert_ptr_nonnull(strstr(text,
		"\"network\":{\"hosts\":\"1.2.3.4 "
		"x\\n\",\"interfaces\":[{\"addresses\":[\"10.0.0.2/24\"],"
		"\"gateways\":[\"fd00::1\"],\"mac\":\"00:00:00:00:00:ab\",\"mtu\":1400}]}"));
	ck_assert_ptr_nonnull(strstr(text, "\"consoleSize\":{\"height\":24,\"width\":80}"));
	ck_assert_ptr_nonnull(strstr(text, "\"stdin\":true,\"terminal\":true"));
	ck_assert_ptr_nonnull(strstr(text, ",\"pids_limit\":77,\"process\":"));
	ck_assert_ptr_nonnull(
		strstr(text, "\"writable\":\"disk\",\"writable_drive_id\":\"writes\""));
	free(text);
}
END_TEST

SUITE_CASES("cli_api_client", setup, teardown, {requests_and_answers_in_order},
	{bad_answers_end_it, sizeof(bad) / sizeof(bad[0])}, {an_answer_without_end},
	{an_answer_that_nobody_asked_for}, {a_body_that_is_no_json}, {closed_by_an_answer},
	{a_server_that_does_not_answer}, {upgrades}, {specifications})
