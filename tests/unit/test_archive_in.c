// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/archives.h: into the container.
#include "vmm/archives.h"

#include "tests/lib/archive_fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

SUITE_CASES("archive_in", setup, teardown, {in, 5}, {in_of_any_length}, {in_of_nothing},
	{in_when_it_is_asked_for}, {in_fails, sizeof(in_faults) / sizeof(in_faults[0])},
	{in_ends_early, 2}, {in_and_the_client_has_sent_all}, {in_from_an_idle_client},
	{in_and_the_client_leaves, 4}, {in_and_the_container_ends, 4})
