// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/archives.h: out of the container and into it alike.
#include "vmm/archives.h"

#include "tests/lib/archive_fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

#define TOO_LATE "the guest didn't answer in time"
#define LARGE IN "Content-Length: 100000000\r\n\r\n"
#define HELLO "\r\n5\r\nhello\r\n"

/* How far the guest goes before it falls silent. */
enum stage { HEARS, DIALS, SAYS_HELLO, ENDS };

/*
 * struct silence
 * @head:	of the request
 * @floods:	the client sends all that finds room
 * @status, @message:	what it gets
 * @stays:	its connection may go on
 */
static const struct silence {
	bool put;
	const char *head;
	enum stage stage;
	bool floods;
	const char *status, *message;
	bool stays;
} silences[] = {
	{false, OUT, HEARS, false, HTTP_400, TOO_LATE, true},
	{false, OUT, DIALS, false, HTTP_400, TOO_LATE, true},
	{false, OUT, SAYS_HELLO, false, HTTP_200, HELLO, false},
	{false, OUT, ENDS, false, HTTP_200, HELLO, false},
	{true, LENGTH "hello", HEARS, false, HTTP_400, TOO_LATE, false},
	{true, LENGTH "hello", DIALS, false, HTTP_400, TOO_LATE, false},
	{true, LARGE, DIALS, true, HTTP_400, TOO_LATE, false},
};

START_TEST(a_silent_guest)
{
	const struct silence *row = &silences[_i];
	int fd, stream = -1;

	monitor.container.archives.guest_ms = 20;
	fd = client(row->head);
	if (row->stage >= DIALS)
		stream = take(row->put);
	else
		ignore();
	if (row->stage >= SAYS_HELLO)
		put(stream, "hello");
	if (row->stage == ENDS)
		shutdown(stream, SHUT_WR);
	if (row->floods)
		ck_assert_uint_lt(flood(fd), 4 << 20);
	step();
	usleep(30000);
	step();
	if (row->floods) {
		/* It is read, and thrown away. */
		shutdown(fd, SHUT_WR);
		for (int i = 0; i < 20; i++)
			step();
	}
	if (row->stays) {
		ck_assert(!expect_answer(fd, row->status, row->message));
		close(fd);
	} else {
		expect_end(fd, row->status, row->message);
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

SUITE_CASES("archive", setup, teardown, {what_makes_no_sense}, {a_body_without_end}, {many},
	{what_the_guest_may_not_do, 2}, {a_silent_guest, sizeof(silences) / sizeof(silences[0])})
