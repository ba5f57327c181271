// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/archives.h: clients of the API's socket on one side, a guest of the test's own on
// the other.
#include "vmm/archives.h"

#include "base/err.h"
#include "tests/lib/fake_agent.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"
#include "vmm/json_read.h"
#include "vmm/monitor.h"
#include "vmm/routes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define BODY_MAX 1000
#define OUT "GET /container/archive?path=/a%20b HTTP/1.1\r\n\r\n"
#define IN "PUT /container/archive?path=/tmp HTTP/1.1\r\n"
#define CHUNKED IN "Transfer-Encoding: chunked\r\n\r\n"
#define LENGTH IN "Content-Length: 5\r\n\r\n"

static char dir[] = "/tmp/hull-test-archive-XXXXXX";
static char path[64];
static struct monitor monitor;
static struct fake_agent guest;
static int fds;
static uint16_t id; /* of the last ARCHIVE */
static struct err err;

static void step(void)
{
	loop_step(&monitor.loop);
}

static int count_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static unsigned int under_way(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < ARCHIVES_MAX; i++)
		count += monitor.container.archives.items[i] != NULL;
	return count;
}

/* --- the guest --- */

static void result(unsigned int code, const char *message)
{
	struct agent_msg msg = {.type = AGENT_RESULT, .id = id, .result.code = code};

	strcpy(msg.result.message, message);
	fake_agent_say(&guest, msg);
}

/* ARCHIVE is heard, and its stream dialed. */
static int take(bool put)
{
	struct agent_msg msg = fake_agent_hear(&guest);
	int fd;

	ck_assert_int_eq(msg.type, AGENT_ARCHIVE);
	ck_assert(msg.archive.put == put);
	ck_assert_str_eq(msg.archive.path, put ? "/tmp" : "/a b");
	id = msg.id;
	ck_assert_uint_eq(msg.archive.port, CONTAINER_PORT(id, 0));
	fd = fake_agent_dial(&guest, msg.archive.port);
	ck_assert_int_ge(fd, 0);
	step();
	return fd;
}

static void ignore(void)
{
	id = fake_agent_hear(&guest).id;
}

/* --- the client --- */

static void put(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	step();
}

static int client(const char *text)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	step();
	put(fd, text);
	return fd;
}

/* All that has come. @ret_eof: and nothing more will. */
static const char *all(int fd, bool *ret_eof)
{
	static char text[1 << 20];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	*ret_eof = n == 0;
	text[len] = '\0';
	return text;
}

/* The client gets this and the end, and nothing is left. */
static void expect_end(int fd, const char *status, const char *fragment)
{
	bool eof;
	const char *text = all(fd, &eof);

	ck_assert_msg(eof, "%s", text);
	ck_assert_msg(!status || !strncmp(text, status, strlen(status)), "%s", text);
	ck_assert_msg(strstr(text, fragment) != NULL, "%s", text);
	close(fd);
	step();
	ck_assert_uint_eq(under_way(), 0);
}

/* The guest's stream has ended. */
static void expect_hangup(int fd)
{
	char byte;

	while (read(fd, &byte, 1) > 0)
		;
	ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	close(fd);
}

#define HTTP_200 "HTTP/1.1 200 "
#define HTTP_204 "HTTP/1.1 204 "
#define HTTP_400 "HTTP/1.1 400 "
#define HTTP_404 "HTTP/1.1 404 "

static void setup(void)
{
	static const char text[] =
		"{\"rootfs\":{\"drive_id\":\"image\"},\"process\":{\"args\":[\"sh\"]}}";
	json_t *json = json_parse(text, strlen(text), &err);
	struct stream_backend *backend;
	struct container_spec spec;

	strcpy(dir, "/tmp/hull-test-archive-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	monitor = (struct monitor){0};
	config_init(&monitor.config);
	ck_assert_int_eq(monitor_init(&monitor, &err), 0);
	ck_assert_int_eq(
		api_init(&monitor.api, &monitor.loop, path, BODY_MAX, &routes_ops, &monitor, &err),
		0);
	ck_assert_int_eq(container_spec_read(json, &spec, &err), 0);
	json_decref(json);
	ck_assert_int_eq(container_set(&monitor.container, &spec, &err), 0);
	ck_assert_int_eq(container_backend(&monitor.container, NULL, &backend), 0);
	monitor.state = MONITOR_RUNNING;
	fake_agent_init(&guest, &monitor.loop, backend);
	ck_assert_int_eq(command_start(monitor.container.main, 1000, &err), 0);
	fake_agent_say(&guest, (struct agent_msg){.type = AGENT_HELLO});
	ck_assert_int_eq(fake_agent_hear(&guest).type, AGENT_START);
	fake_agent_say(&guest, (struct agent_msg){.type = AGENT_STARTED, .started.pid = 2});
	fds = count_fds();
}

/* No test leaves anything behind, whatever it has done. */
static void teardown(void)
{
	step();
	ck_assert_uint_eq(under_way(), 0);
	ck_assert_int_eq(count_fds(), fds - (monitor.container.agent.state == AGENT_BROKEN));
	api_fini(&monitor.api);
	fake_agent_fini(&guest);
	container_fini(&monitor.container);
	config_fini(&monitor.config);
	loop_fini(&monitor.loop);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* --- out --- */

START_TEST(out)
{
	int fd = client(OUT), stream = take(false);
	bool eof;

	ck_assert_str_eq(all(fd, &eof), "");
	put(stream, "hello");
	ck_assert_str_eq(all(fd, &eof),
		"HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: close\r\nContent-Type: "
		"application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
	put(stream, "0123456789abcdef");
	ck_assert_str_eq(all(fd, &eof), "10\r\n0123456789abcdef\r\n");
	close(stream);
	step();
	/* It is known to be all only when the guest says so. */
	ck_assert_str_eq(all(fd, &eof), "");
	ck_assert(!eof);
	result(0, "");
	expect_end(fd, "0\r\n\r\n", "");
}
END_TEST

START_TEST(out_and_the_result_comes_first)
{
	int fd = client(OUT), stream = take(false);

	result(0, "");
	put(stream, "hello");
	close(stream);
	step();
	expect_end(fd, HTTP_200, "\r\n5\r\nhello\r\n0\r\n\r\n");
}
END_TEST

/* A client of HTTP/1.0 doesn't know of chunks. */
START_TEST(out_for_an_old_client)
{
	int fd = client("GET /container/archive?path=/a+b HTTP/1.0\r\n\r\n");
	int stream = take(false);

	put(stream, "hello");
	close(stream);
	step();
	result(0, "");
	expect_end(fd, HTTP_200, "application/x-tar\r\n\r\nhello");
}
END_TEST

START_TEST(out_fails_before_it_begins)
{
	static const struct {
		bool dials, ends;
		unsigned int code;
		const char *status, *message;
	} cases[] = {
		{false, false, ENOENT, HTTP_404, "no such \\\"path\\\""},
		{true, false, ENOTDIR, HTTP_404, "no such \\\"path\\\""},
		{true, true, ENOENT, HTTP_404, "no such \\\"path\\\""},
		{true, true, EACCES, HTTP_400, "no such \\\"path\\\""},
		{true, true, 0, HTTP_400, "the guest sent nothing"},
	};
	int fd = client(OUT), stream = -1;

	if (cases[_i].dials)
		stream = take(false);
	else
		ignore();
	if (cases[_i].ends) {
		shutdown(stream, SHUT_WR);
		step();
	}
	result(cases[_i].code, cases[_i].code ? "no such \"path\"" : "");
	if (stream >= 0)
		expect_hangup(stream);
	put(fd, "GET /version HTTP/1.1\r\nConnection: close\r\n\r\n");
	/* It is a request as any other, after which others may follow. */
	expect_end(fd, cases[_i].status, cases[_i].message);
}
END_TEST

/* Without the last chunk the client knows. */
START_TEST(out_fails_midway)
{
	int fd = client(OUT), stream = take(false);

	put(stream, "hello");
	if (_i == 0)
		result(EIO, "why");
	else if (_i == 1)
		fake_agent_say(&guest, (struct agent_msg){.type = AGENT_EXITED});
	else if (_i == 2)
		shutdown(guest.fd, SHUT_RDWR);
	else
		shutdown(stream, SHUT_WR);
	step();
	if (_i == 3)
		result(EIO, "why");
	expect_hangup(stream);
	expect_end(fd, HTTP_200, "\r\nhello\r\n");
}
END_TEST

START_TEST(out_from_a_silent_guest)
{
	int fd, stream = -1;
	bool eof;

	monitor.container.archives.guest_ms = 20;
	fd = client(OUT);
	if (_i)
		stream = take(false);
	else
		ignore();
	if (_i >= 2)
		put(stream, "hello");
	if (_i == 3)
		shutdown(stream, SHUT_WR);
	step();
	usleep(30000);
	step();
	if (_i < 2) {
		ck_assert_ptr_nonnull(strstr(all(fd, &eof), "the guest didn't answer in time"));
		ck_assert(!eof);
		close(fd);
	} else {
		expect_end(fd, HTTP_200, "\r\n5\r\nhello\r\n");
	}
	if (stream >= 0)
		expect_hangup(stream);
	else
		ck_assert_int_eq(fake_agent_dial(&guest, CONTAINER_PORT(id, 0)), -ECONNREFUSED);
	/* What the guest says too late is passed over. */
	result(0, "");
	ck_assert_int_eq(monitor.container.agent.state, AGENT_READY);
}
END_TEST

static size_t flood(int fd)
{
	static char block[65536];
	size_t sent = 0;
	ssize_t n;

	while (step(), (n = send(fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT)) > 0)
		sent += (size_t)n;
	return sent;
}

/* It slows the guest and nothing grows; nor is the guest blamed for it. */
START_TEST(out_to_a_client_that_does_not_read)
{
	size_t sent, got = 0;
	int fd, stream;
	char *end;
	ssize_t n;
	static char block[65536];

	monitor.container.archives.guest_ms = 20;
	fd = client(OUT);
	stream = take(false);
	sent = flood(stream);
	ck_assert_uint_lt(sent, 4 << 20);
	usleep(30000);
	step();
	ck_assert_uint_eq(under_way(), 1);
	monitor.container.archives.guest_ms = 60000;
	shutdown(stream, SHUT_WR);
	result(0, "");
	while ((n = read(fd, block, sizeof(block))) > 0 || (n < 0 && errno == EAGAIN)) {
		got += n > 0 ? (size_t)n : 0;
		end = block + (n > 5 ? n - 5 : 0);
		step();
	}
	ck_assert_int_eq(n, 0);
	ck_assert_uint_gt(got, sent);
	ck_assert_mem_eq(end, "0\r\n\r\n", 5);
	close(fd);
	expect_hangup(stream);
}
END_TEST

START_TEST(out_to_an_idle_client)
{
	int fd, stream;

	monitor.container.archives.client_ms = 20;
	fd = client(OUT);
	stream = take(false);
	flood(stream);
	usleep(30000);
	step();
	ck_assert_uint_eq(under_way(), 0);
	expect_hangup(stream);
	close(fd);
}
END_TEST

/* At each stage. */
START_TEST(out_and_the_client_leaves)
{
	int fd = client(OUT), stream = -1;

	if (_i)
		stream = take(false);
	else
		ignore();
	if (_i >= 2)
		put(stream, "hello");
	if (_i == 3)
		flood(stream);
	if (_i == 4)
		shutdown(stream, SHUT_WR);
	step();
	close(fd);
	step();
	ck_assert_uint_eq(under_way(), 0);
	if (stream >= 0)
		expect_hangup(stream);
	ck_assert_int_eq(fake_agent_dial(&guest, CONTAINER_PORT(id, 0)), -ECONNREFUSED);
	result(EPIPE, "nobody is left");
	ck_assert_int_eq(monitor.container.agent.state, AGENT_READY);
}
END_TEST

/* --- in --- */

static void expect_data(int stream, const char *data, bool end)
{
	char text[256];
	ssize_t n = read(stream, text, sizeof(text));

	if (*data)
		ck_assert_int_eq(n, (ssize_t)strlen(data));
	if (*data)
		ck_assert_mem_eq(text, data, strlen(data));
	if (end)
		ck_assert_int_eq(read(stream, text, 1), 0);
}

START_TEST(in)
{
	static const struct {
		const char *head, *more[3];
	} cases[] = {
		{IN "Content-Length: 10\r\n\r\n", {"hello", "wor", "ld"}},
		{IN "Content-Length: 10\r\n\r\nhel", {"lowo", "", "rld"}},
		{CHUNKED, {"5\r\nhello\r\n", "5\r", "\nworld\r\n0\r\n\r\n"}},
		{CHUNKED "1\r\nh\r\n4\r\ne", {"llo\r\n5;x\r\nworl", "d\r\n0\r\nA: b\r\n", "\r\n"}},
		{CHUNKED "a\r\nhelloworld\r\n0\r\n\r\n", {"", "", ""}},
	};
	int fd = client(cases[_i].head), stream = take(true);
	char got[16] = "";
	size_t len = 0;
	ssize_t n;
	bool eof;

	for (int i = 0; i < 3; i++) {
		put(fd, cases[_i].more[i]);
		while ((n = read(stream, got + len, sizeof(got) - 1 - len)) > 0)
			len += (size_t)n;
		got[len] = '\0';
	}
	ck_assert_str_eq(got, "helloworld");
	ck_assert_int_eq(n, 0);
	ck_assert_str_eq(all(fd, &eof), "");
	ck_assert(!eof);
	result(0, "");
	close(stream);
	expect_end(fd, "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: close\r\n\r\n", "");
}
END_TEST

START_TEST(in_of_any_length)
{
	int fd = client(IN "Content-Length: 3000000\r\n\r\n"), stream = take(true);
	size_t sent = 0, got = 0;
	static char block[65536];
	ssize_t n;

	while (got < 3000000) {
		size_t left = 3000000 - sent;

		n = send(fd, block, left < sizeof(block) ? left : sizeof(block), MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		step();
		n = read(stream, block, sizeof(block));
		got += n > 0 ? (size_t)n : 0;
	}
	step();
	ck_assert_int_eq(read(stream, block, 1), 0);
	result(0, "");
	close(stream);
	expect_end(fd, HTTP_204, "");
}
END_TEST

START_TEST(in_of_nothing)
{
	int fd = client(IN "\r\n"), stream = take(true);

	expect_data(stream, "", true);
	result(0, "");
	close(stream);
	expect_end(fd, HTTP_204, "");
}
END_TEST

/* The body is asked for when there is somewhere to put it, and not when there isn't. */
START_TEST(in_when_it_is_asked_for)
{
	int fd = client(IN "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"), stream;
	bool eof;

	ck_assert_str_eq(all(fd, &eof), "");
	stream = take(true);
	ck_assert_str_eq(all(fd, &eof), "HTTP/1.1 100 \r\n\r\n");
	put(fd, "hello");
	expect_data(stream, "hello", true);
	result(0, "");
	close(stream);
	expect_end(fd, HTTP_204, "");

	fd = client(IN "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	ignore();
	result(ENOENT, "there is none");
	expect_end(fd, HTTP_404, "there is none");
	fd = client(IN "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhel");
	stream = take(true);
	ck_assert_str_eq(all(fd, &eof), "");
	put(fd, "lo");
	result(0, "");
	close(stream);
	expect_end(fd, HTTP_204, "");
}
END_TEST

static const struct {
	const char *head, *status, *message;
	bool dials, ends;
	unsigned int code; /* UINT_MAX: RESULT isn't needed */
} in_faults[] = {
	{LENGTH, HTTP_404, "why", false, false, ENOENT},
	{LENGTH "hel", HTTP_404, "why", true, false, ENOTDIR},
	{LENGTH "hello", HTTP_400, "why", true, false, EINVAL},
	{LENGTH "hel", HTTP_400, "why", true, true, ENOSPC},
	{LENGTH "hel", HTTP_400, "only a part", true, true, 0},
	{LENGTH "hel", HTTP_400, "only a part", true, false, 0},
	{CHUNKED "5\r\nhello\r\n", HTTP_400, "only a part", true, false, 0},
	{CHUNKED "x", HTTP_400, "a chunk has no size", false, false, UINT32_MAX},
	{CHUNKED "5\r\nhello", HTTP_400, "CR LF", true, false, UINT32_MAX},
};

/* A client that goes on sending takes note all the same. */
START_TEST(in_fails)
{
	int fd = client(in_faults[_i].head), stream = -1;
	const bool whole = strstr(in_faults[_i].head, "\r\n\r\nhello") != NULL;
	const char *text;
	bool eof;

	if (in_faults[_i].dials)
		stream = take(true);
	else
		ignore();
	if (in_faults[_i].ends)
		close(TAKE_FD(stream));
	step();
	if (in_faults[_i].code == UINT32_MAX)
		put(fd, "1");
	else
		result(in_faults[_i].code, in_faults[_i].code ? "why" : "");
	if (stream >= 0)
		expect_hangup(stream);
	for (int i = 0; i < 10 && !whole; i++)
		put(fd, "more and more");
	ck_assert_uint_eq(under_way(), !whole);
	text = all(fd, &eof);
	ck_assert(eof);
	ck_assert_msg(!strncmp(text, in_faults[_i].status, 13), "%s", text);
	ck_assert_msg(strstr(text, in_faults[_i].message) != NULL, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "{\"fault_message\":\""));
	close(fd);
	step();
	ck_assert_uint_eq(under_way(), 0);
	result(0, "");
	ck_assert_int_eq(monitor.container.agent.state, AGENT_READY);
}
END_TEST

START_TEST(in_ends_early)
{
	int fd = client(_i ? CHUNKED "5\r\nhello\r\n" : LENGTH "hel"), stream = take(true);

	shutdown(fd, SHUT_WR);
	step();
	expect_hangup(stream);
	expect_end(fd, HTTP_400, "body has ended early");
}
END_TEST

/* It needn't hold its side open for the answer. */
START_TEST(in_and_the_client_has_sent_all)
{
	int fd = client(LENGTH "hello"), stream = take(true);

	shutdown(fd, SHUT_WR);
	step();
	expect_data(stream, "hello", true);
	result(0, "");
	close(stream);
	expect_end(fd, HTTP_204, "");
}
END_TEST

START_TEST(in_to_a_silent_guest)
{
	int fd, stream = -1;
	size_t sent;

	monitor.container.archives.guest_ms = 20;
	fd = client(_i == 1 ? IN "Content-Length: 100000000\r\n\r\n" : LENGTH "hello");
	if (_i)
		stream = take(true);
	else
		ignore();
	if (_i == 1) {
		sent = flood(fd);
		ck_assert_uint_lt(sent, 4 << 20);
	}
	usleep(30000);
	step();
	if (_i == 1) {
		/* It is read, and thrown away. */
		shutdown(fd, SHUT_WR);
		for (int i = 0; i < 20; i++)
			step();
	}
	expect_end(fd, HTTP_400, "the guest didn't answer in time");
	if (stream >= 0)
		expect_hangup(stream);
}
END_TEST

START_TEST(in_from_an_idle_client)
{
	int fd, stream;
	bool eof;

	monitor.container.archives.client_ms = 20;
	monitor.container.archives.closing_ms = 20;
	fd = client(LENGTH "hel");
	stream = take(true);
	usleep(30000);
	step();
	expect_hangup(stream);
	ck_assert_ptr_nonnull(strstr(all(fd, &eof), "idle for too long"));
	ck_assert_uint_eq(under_way(), 1);
	/* And it doesn't go. */
	usleep(30000);
	step();
	ck_assert_uint_eq(under_way(), 0);
	close(fd);
}
END_TEST

START_TEST(in_and_the_client_leaves)
{
	int fd = client(_i == 3 ? LENGTH "hello" : LENGTH "hel"), stream = -1;

	if (_i)
		stream = take(true);
	else
		ignore();
	if (_i == 2)
		result(EINVAL, "why");
	close(fd);
	step();
	ck_assert_uint_eq(under_way(), 0);
	if (stream >= 0)
		expect_hangup(stream);
	ck_assert_int_eq(fake_agent_dial(&guest, CONTAINER_PORT(id, 0)), -ECONNREFUSED);
}
END_TEST

START_TEST(in_and_the_container_ends)
{
	int fd = client(LENGTH "hel"), stream = -1;

	if (_i % 2)
		stream = take(true);
	else
		ignore();
	if (_i / 2)
		shutdown(guest.fd, SHUT_RDWR);
	else
		fake_agent_say(&guest, (struct agent_msg){.type = AGENT_EXITED});
	step();
	if (stream >= 0)
		expect_hangup(stream);
	expect_end(fd, HTTP_400, _i / 2 ? "the guest is lost" : "it has ended");
}
END_TEST

/* --- both --- */

static void expect_refused(const char *query, const char *message)
{
	static const char *const heads[] = {
		"", "Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"};
	char line[6000];
	bool eof;

	for (int i = 0; i < 3; i++) {
		const char *text;
		int fd;

		snprintf(line, sizeof(line), "%s /container/archive%s HTTP/1.1\r\n%s\r\n",
			i ? "PUT" : "GET", query, heads[i]);
		fd = client(line);
		/* Half a body more does it no harm. */
		if (i)
			put(fd, "wor");
		text = all(fd, &eof);
		ck_assert_msg(!strncmp(text, HTTP_400, 13), "%s", text);
		ck_assert_msg(strstr(text, message) != NULL, "%s", text);
		/* Where the next request would begin is known only without a body. */
		ck_assert(eof == (i > 0));
		close(fd);
		step();
	}
	ck_assert_uint_eq(under_way(), 0);
	/* The guest hasn't heard of any. */
	fake_agent_expect_silence(&guest);
}

START_TEST(what_makes_no_sense)
{
	char query[5000] = "?path=/";

	expect_refused("", "'path' is missing");
	expect_refused("?", "there is no ''");
	expect_refused("?path", "not a value of path");
	expect_refused("?path=", "not an absolute path");
	expect_refused("?path=tmp", "'tmp' is not an absolute path");
	expect_refused("?path=/a%00b", "bad percent-escape");
	expect_refused("?path=/&path=/", "given twice");
	expect_refused("?path=/&copy=1", "there is no 'copy'");
	memset(query + strlen(query), 'x', AGENT_CWD_MAX);
	expect_refused(query, "longer than 4095 bytes");
	monitor.container.main->state = COMMAND_STARTING;
	expect_refused("?path=/", "it isn't running");
	monitor.container.present = false;
	expect_refused("?path=/", "there is none");
	monitor.container.present = true;
	monitor.state = MONITOR_NOT_STARTED;
	expect_refused("?path=/", "only possible after");
}
END_TEST

/* Of a refused request the body is thrown away, for so long. */
START_TEST(a_body_without_end)
{
	int fd;
	bool eof;

	monitor.api.request_ms = 40;
	fd = client("PUT /container/archive HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(all(fd, &eof), "'path' is missing"));
	for (int i = 0; i < 100; i++)
		put(fd, "5\r\nhello\r\n");
	usleep(50000);
	step();
	ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	close(fd);
	monitor.api.request_ms = API_REQUEST_MS;
}
END_TEST

START_TEST(many)
{
	int clients[ARCHIVES_MAX], streams[ARCHIVES_MAX];
	uint16_t ids[ARCHIVES_MAX];

	for (int i = 0; i < ARCHIVES_MAX; i++) {
		clients[i] = client(i % 2 ? LENGTH : OUT);
		streams[i] = take(i % 2);
		ids[i] = id;
		for (int j = 0; j < i; j++)
			ck_assert_uint_ne(ids[i], ids[j]);
	}
	for (int i = 0; i < 2; i++) {
		int fd = client(i ? LENGTH "hello" : OUT);
		bool eof;

		ck_assert_ptr_nonnull(strstr(all(fd, &eof), "4 archives are under way"));
		close(fd);
	}
	for (int i = 0; i < ARCHIVES_MAX; i++) {
		put(i % 2 ? clients[i] : streams[i], "hello");
		id = ids[i];
		shutdown(streams[i], SHUT_WR);
		step();
		result(0, "");
		if (i % 2)
			expect_data(streams[i], "hello", true);
		close(streams[i]);
	}
	for (int i = 0; i < ARCHIVES_MAX; i++)
		expect_end(clients[i], i % 2 ? HTTP_204 : HTTP_200, "");
}
END_TEST

START_TEST(what_the_guest_may_not_do)
{
	int fd = client(OUT), stream = -1;

	if (_i == 0) {
		ignore();
		ck_assert_int_eq(fake_agent_dial(&guest, CONTAINER_PORT(id, 1)), -ECONNREFUSED);
		ck_assert_int_eq(fake_agent_dial(&guest, CONTAINER_PORT(id + 1, 0)), -ECONNREFUSED);
		/* Success before it has begun. */
		result(0, "");
	} else {
		stream = take(false);
		ck_assert_int_eq(fake_agent_dial(&guest, CONTAINER_PORT(id, 0)), -EALREADY);
		put(stream, "hello");
		result(0, "");
		result(0, "");
	}
	ck_assert_int_eq(monitor.container.agent.state, AGENT_BROKEN);
	ck_assert_uint_eq(under_way(), 0);
	if (stream >= 0)
		expect_hangup(stream);
	close(fd);
}
END_TEST

SUITE_CASES("archive", setup, teardown, {out}, {out_and_the_result_comes_first},
	{out_for_an_old_client}, {out_fails_before_it_begins, 5}, {out_fails_midway, 4},
	{out_from_a_silent_guest, 4}, {out_to_a_client_that_does_not_read}, {out_to_an_idle_client},
	{out_and_the_client_leaves, 5}, {in, 5}, {in_of_any_length}, {in_of_nothing},
	{in_when_it_is_asked_for}, {in_fails, sizeof(in_faults) / sizeof(in_faults[0])},
	{in_ends_early, 2}, {in_and_the_client_has_sent_all}, {in_to_a_silent_guest, 3},
	{in_from_an_idle_client}, {in_and_the_client_leaves, 4}, {in_and_the_container_ends, 4},
	{what_makes_no_sense}, {a_body_without_end}, {many}, {what_the_guest_may_not_do, 2})
