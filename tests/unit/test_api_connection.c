// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/api_connection.h: requests in, responses out.
#include "tests/lib/api_server.h"
#include "tests/lib/suite.h"

#include <stdint.h>

START_TEST(requests_one_after_the_other)
{
	int fd = dial();
	bool eof;

	say(fd, ONE);
	ck_assert_ptr_nonnull(strstr(hear(fd, &eof), "\r\n\r\n/one 0"));
	ck_assert(!eof);
	say(fd, "GET /empty HTTP/1.1\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, &eof), "HTTP/1.1 204 "));
	say(fd, "GET /x HTTP/1.1\r\nConnection: close\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, &eof), "/x 0"));
	ck_assert(eof);
	close(fd);
}
END_TEST

START_TEST(pipelined_requests)
{
	int fd = dial();
	const char *text;

	say(fd, ONE TWO ONE);
	text = hear(fd, NULL);
	text = strstr(text, "/one 0");
	ck_assert_ptr_nonnull(text);
	text = strstr(text, "/two 0");
	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(strstr(text, "/one 0"));
	ck_assert_uint_eq(handled, 3);
	close(fd);
}
END_TEST

START_TEST(a_client_that_has_sent_all)
{
	int fd = dial();
	bool eof;

	ck_assert_int_eq(write(fd, ONE TWO, strlen(ONE TWO)), (ssize_t)strlen(ONE TWO));
	shutdown(fd, SHUT_WR);
	loop_step(&loop);
	ck_assert_ptr_nonnull(strstr(hear(fd, &eof), "/two 0"));
	ck_assert(eof);
	close(fd);
	/* Half a request, and then the end. */
	fd = dial();
	ck_assert_int_eq(write(fd, "GET /", 5), 5);
	shutdown(fd, SHUT_WR);
	loop_step(&loop);
	ck_assert_str_eq(hear(fd, &eof), "");
	ck_assert(eof);
	close(fd);
}
END_TEST

START_TEST(bad_http_ends_the_connection)
{
	int fd = dial();
	const char *text;
	bool eof;

	say(fd, "PUT /x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx" ONE);
	text = hear(fd, &eof);
	ck_assert_ptr_nonnull(strstr(text, "HTTP/1.1 400 "));
	ck_assert_ptr_nonnull(
		strstr(text, "{\"error\":\"More than one Content-Length.\\nAll previous "
			     "unanswered requests will be dropped.\"}"));
	ck_assert(eof);
	ck_assert_uint_eq(handled, 0);
	close(fd);
}
END_TEST

START_TEST(a_body_that_is_asked_for)
{
	int fd = dial();

	say(fd, "PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	ck_assert_str_eq(hear(fd, NULL), "HTTP/1.1 100 \r\n\r\n");
	say(fd, "abc");
	ck_assert_ptr_nonnull(strstr(hear(fd, NULL), "/x 3"));
	close(fd);
}
END_TEST

/* It is given one response and no more, while another client is served. */
START_TEST(a_client_that_never_reads)
{
	int fd = dial(), other = dial(), sent = 0;

	while (sent < 10000 && write(fd, "GET /big HTTP/1.1\r\n\r\n", 21) == 21)
		sent++;
	for (int i = 0; i < 20; i++)
		loop_step(&loop);
	ck_assert_uint_le(handled, 3);
	say(other, ONE);
	ck_assert_ptr_nonnull(strstr(hear(other, NULL), "/one 0"));
	/* It reads at last: all is there, in order. */
	for (int i = 0; i < 8; i++) {
		hear(fd, NULL);
		loop_step(&loop);
	}
	ck_assert_uint_ge(handled, 4);
	close(fd);
	close(other);
	loop_step(&loop);
}
END_TEST

START_TEST(a_parked_request)
{
	struct api_reply reply = {.body = BUF_INIT(100)};
	int fd = dial(), other = dial();
	const char *text;

	say(fd, "GET /park HTTP/1.1\r\n\r\n" TWO);
	ck_assert_str_eq(hear(fd, NULL), "");
	say(other, ONE);
	ck_assert_ptr_nonnull(strstr(hear(other, NULL), "/one 0"));
	ck_assert_uint_eq(handled, 2);
	buf_printf(&reply.body, "later");
	api_answer(&api, parked, &reply);
	text = strstr(hear(fd, NULL), "later");
	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(strstr(text, "/two 0"));
	/* Twice is once. */
	reply = (struct api_reply){.body = BUF_INIT(100)};
	api_answer(&api, parked, &reply);
	ck_assert_str_eq(hear(fd, NULL), "");
	/* Whose client has gone. */
	say(fd, "GET /park HTTP/1.1\r\n\r\n");
	ck_assert_uint_eq(gone, 0);
	close(fd);
	loop_step(&loop);
	ck_assert_uint_eq(gone, parked);
	reply = (struct api_reply){.body = BUF_INIT(100)};
	buf_printf(&reply.body, "nobody");
	api_answer(&api, parked, &reply);
	close(other);
}
END_TEST

/* Its handler sees the head, answers, and what follows is read and thrown away, for so long. */
START_TEST(a_streamed_body_that_nobody_takes)
{
	int fd = dial();
	bool eof;

	say(fd, "PUT /stream HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nGET /one HTTP/1.1\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, &eof), "Connection: close"));
	ck_assert(eof);
	for (int i = 0; i < 100; i++)
		say(fd, ONE);
	ck_assert_uint_eq(handled, 1);
	close(fd);
	loop_step(&loop);
	ck_assert(!api.connections[0].used);
	api.request_ms = 30;
	fd = dial();
	say(fd, "PUT /stream HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
	ck_assert(api.connections[0].used);
	usleep(40000);
	loop_step(&loop);
	ck_assert(!api.connections[0].used);
	close(fd);
}
END_TEST

START_TEST(a_streamed_body_that_is_taken)
{
	int fd = dial();
	bool eof;

	say(fd, "PUT /taken HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nbody");
	ck_assert_str_eq(taken, "body");
	ck_assert_str_eq(hear(fd, &eof), "");
	ck_assert(!eof);
	ck_assert(!api.connections[0].used);
	close(taken_fd);
	close(fd);
}
END_TEST

/* The number of descriptors that the process has open. */
static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 200; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void say_with(int fd, const char *text, const int *fds, unsigned int count)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int))};

	control.hdr.cmsg_level = SOL_SOCKET;
	control.hdr.cmsg_type = SCM_RIGHTS;
	control.hdr.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.hdr), fds, count * sizeof(int));
	ck_assert_int_eq(sendmsg(fd, &msg, 0), (ssize_t)strlen(text));
	loop_step(&loop);
}

START_TEST(a_descriptor_comes_along)
{
	int ends[2], fd = dial();
	char c = 0;

	ck_assert_int_eq(pipe(ends), 0);
	say_with(fd, "GET /descr", &ends[1], 1);
	say(fd, "iptor HTTP/1.1\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(hear(fd, NULL), "/descriptor 0"));
	ck_assert_int_ge(passed, 0);
	ck_assert_int_eq(fcntl(passed, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(write(passed, "x", 1), 1);
	ck_assert_int_eq(read(ends[0], &c, 1), 1);
	ck_assert_int_eq(c, 'x');
	close(passed);
	passed = -1;
	/* It was of that request alone. */
	say(fd, "GET /descriptor HTTP/1.1\r\n\r\n");
	ck_assert_int_eq(passed, -1);
	close(ends[0]);
	close(ends[1]);
	close(fd);
}
END_TEST

START_TEST(a_descriptor_that_nobody_takes)
{
	int before = descriptors(), ends[2], fd = dial(), other = dial();

	ck_assert_int_eq(pipe(ends), 0);
	say_with(fd, ONE, &ends[1], 1);
	ck_assert_ptr_nonnull(strstr(hear(fd, NULL), "/one 0"));
	say_with(other, "GET /half", &ends[1], 1);
	close(other);
	close(ends[1]);
	loop_step(&loop);
	/* No one has its other end. */
	ck_assert_int_eq(read(ends[0], (char[1]){0}, 1), 0);
	close(ends[0]);
	close(fd);
	loop_step(&loop);
	ck_assert_int_eq(descriptors(), before);
}
END_TEST

/* All at once, or one after the other. */
START_TEST(more_descriptors_than_one)
{
	const int fds[] = {0, 1, 2, 0, 1, 2};
	unsigned int counts[] = {2, 6, 1};
	int before = descriptors(), fd = dial();
	bool eof;

	say_with(fd, "GET /", fds, counts[_i]);
	if (counts[_i] == 1)
		say_with(fd, "descriptor HTTP/1.1\r\n\r\n", fds, 1);
	ck_assert_ptr_nonnull(strstr(hear(fd, &eof), "More descriptors came with a request"));
	ck_assert(eof);
	ck_assert_uint_eq(handled, 0);
	close(fd);
	loop_step(&loop);
	ck_assert_int_eq(descriptors(), before);
}
END_TEST

SUITE_CASES("api_connection", setup, teardown, {requests_one_after_the_other}, {pipelined_requests},
	{a_client_that_has_sent_all}, {bad_http_ends_the_connection}, {a_body_that_is_asked_for},
	{a_client_that_never_reads}, {a_parked_request}, {a_streamed_body_that_nobody_takes},
	{a_streamed_body_that_is_taken}, {a_descriptor_comes_along},
	{a_descriptor_that_nobody_takes}, {more_descriptors_than_one, 3})
