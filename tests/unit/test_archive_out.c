// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/archives.h: out of the container.
#include "vmm/archives.h"

#include "tests/lib/archive_fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

SUITE_CASES("archive_out", setup, teardown, {out}, {out_and_the_result_comes_first},
	{out_for_an_old_client}, {out_fails_before_it_begins, 5}, {out_fails_midway, 4},
	{out_to_a_client_that_does_not_read}, {out_to_an_idle_client},
	{out_and_the_client_leaves, 5})
