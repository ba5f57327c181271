// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/api.h: the server with a handler of the test's own.
#include "vmm/api.h"

#include "base/err.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BODY_MAX 200000

static char dir[] = "/tmp/hull-test-api-XXXXXX";
static char path[64];
static struct loop loop;
static struct api api;
static unsigned int handled;
static uint64_t parked, gone;
static char big[200000];

static void take(void *ctx, int fd, const void *early, size_t early_len);

/* "/big" is answered with much, "/park" later, all else with its path. */
static int answer(
	void *ctx, const struct http_request *request, uint64_t ticket, struct api_reply *reply)
{
	handled++;
	if (!strcmp(request->path, "/park")) {
		parked = ticket;
		return API_PARKED;
	}
	if (!strcmp(request->path, "/taken"))
		reply->stream = take;
	else if (!strcmp(request->path, "/big"))
		buf_add(&reply->body, big, sizeof(big));
	else if (strcmp(request->path, "/empty") != 0)
		buf_printf(&reply->body, "%s %zu", request->path, request->body_len);
	return 0;
}

static void on_gone(void *ctx, uint64_t ticket)
{
	gone = ticket;
}

static bool streams(enum http_method method, const char *name)
{
	return !strcmp(name, "/stream") || !strcmp(name, "/taken");
}

static const struct api_ops ops = {.handle = answer, .streams = streams, .gone = on_gone};

static void setup(void)
{
	struct err err;

	strcpy(dir, "/tmp/hull-test-api-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	memset(big, 'b', sizeof(big));
	handled = 0;
	parked = gone = 0;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(api_init(&api, &loop, path, BODY_MAX, &ops, NULL, &err), 0);
}

static void teardown(void)
{
	api_fini(&api);
	loop_fini(&loop);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	loop_step(&loop);
}

/* All that has come, as a string. @ret_eof: and nothing more will. */
static const char *hear(int fd, bool *ret_eof)
{
	static char text[400000];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	if (ret_eof)
		/* Reset, if what was sent last was not even read. */
		*ret_eof = n == 0 || errno == ECONNRESET;
	text[len] = '\0';
	return text;
}

#define ONE "GET /one HTTP/1.1\r\n\r\n"
#define TWO "GET /two HTTP/1.1\r\n\r\n"

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

static char taken[64];
static int taken_fd;

static void take(void *ctx, int fd, const void *early, size_t early_len)
{
	ck_assert_uint_lt(early_len, sizeof(taken));
	memcpy(taken, early, early_len);
	taken[early_len] = '\0';
	taken_fd = fd;
}

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

START_TEST(too_many_clients)
{
	int fds[API_CONNECTIONS_MAX], fd;
	bool eof;

	for (int i = 0; i < API_CONNECTIONS_MAX; i++)
		fds[i] = dial();
	fd = dial();
	loop_step(&loop);
	ck_assert_str_eq(hear(fd, &eof),
		"HTTP/1.1 503 \r\nServer: Firecracker API\r\nConnection: close\r\nContent-Type: "
		"application/json\r\nContent-Length: 40\r\n\r\n{ \"error\": \"Too many open "
		"connections\" }");
	ck_assert(eof);
	close(fd);
	close(fds[3]);
	loop_step(&loop);
	fds[3] = dial();
	loop_step(&loop);
	say(fds[3], ONE);
	ck_assert_ptr_nonnull(strstr(hear(fds[3], NULL), "/one 0"));
	for (int i = 0; i < API_CONNECTIONS_MAX; i++)
		close(fds[i]);
}
END_TEST

START_TEST(slow_and_idle_clients)
{
	int idle, slow, good;
	bool eof;

	/* A slow computer must not be taken for a slow client: what shall stay has minutes. */
	api.request_ms = 30;
	idle = dial();
	slow = dial();
	say(slow, "GET /");
	usleep(40000);
	say(slow, "x");
	hear(slow, &eof);
	ck_assert(eof);
	hear(idle, &eof);
	ck_assert(!eof);
	close(idle);
	api.request_ms = API_REQUEST_MS;
	api.idle_ms = 300;
	idle = dial();
	good = dial();
	loop_step(&loop);
	api.idle_ms = API_IDLE_MS;
	say(good, ONE);
	usleep(310000);
	loop_step(&loop);
	hear(idle, &eof);
	ck_assert(eof);
	/* It was busy meanwhile. */
	ck_assert_ptr_nonnull(strstr(hear(good, &eof), "/one 0"));
	ck_assert(!eof);
	close(idle);
	close(slow);
	close(good);
}
END_TEST

START_TEST(a_path_that_is_taken)
{
	struct api other = {0};
	char longer[200];
	struct err err;

	ck_assert_int_eq(api_init(&other, &loop, path, BODY_MAX, &ops, NULL, &err), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err.msg, "another process serves it"));
	api_fini(&other);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(api_init(&other, &loop, dir, BODY_MAX, &ops, NULL, &err), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err.msg, "something else than a socket"));
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(
		api_init(&other, &loop, longer, BODY_MAX, &ops, NULL, &err), -ENAMETOOLONG);
	ck_assert_int_eq(api_init(&other, &loop, "", BODY_MAX, &ops, NULL, &err), -EINVAL);
	ck_assert_int_eq(
		api_init(&other, &loop, "/no/such/folder", BODY_MAX, &ops, NULL, &err), -ENOENT);
}
END_TEST

/* The name appears when it is listened on; its other one is gone. */
START_TEST(one_name_is_left)
{
	char other[80], longest[200];
	struct api second = {0};
	struct err err;
	int fd;

	snprintf(other, sizeof(other), "%s~", path);
	ck_assert_int_eq(access(other, F_OK), -1);
	/* The other name is taken, or would be too long: it is made without. */
	fd = open(other, O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	api_fini(&api);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(api_init(&api, &loop, path, BODY_MAX, &ops, NULL, &err), 0);
	close(dial());
	ck_assert_int_eq(access(other, F_OK), 0);
	ck_assert_int_eq(unlink(other), 0);
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, dir, strlen(dir));
	longest[strlen(dir)] = '/';
	longest[107] = '\0';
	ck_assert_int_eq(api_init(&second, &loop, longest, BODY_MAX, &ops, NULL, &err), 0);
	api_fini(&second);
	ck_assert_int_eq(access(longest, F_OK), -1);
}
END_TEST

/* Somebody removed the socket and made another there: that isn't ours to remove. */
START_TEST(only_its_own_socket_is_removed)
{
	struct stat st;
	FILE *file;

	ck_assert_int_eq(unlink(path), 0);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fclose(file);
	api_fini(&api);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

static bool owner_gone;

static void on_owner_gone(void *ctx)
{
	owner_gone = true;
}

/* Without a socket of its own, and however long they are silent. */
START_TEST(clients_from_the_start)
{
	struct api second = {0};
	struct err err;
	int owner[2], other[2];

	owner_gone = false;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, owner), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
	fcntl(owner[0], F_SETFL, O_NONBLOCK);
	fcntl(other[0], F_SETFL, O_NONBLOCK);
	ck_assert_int_eq(api_init(&second, &loop, NULL, BODY_MAX, &ops, NULL, &err), 0);
	second.idle_ms = 1;
	ck_assert_int_eq(api_adopt(&second, owner[1], on_owner_gone), 0);
	ck_assert_int_eq(api_adopt(&second, other[1], NULL), 0);
	ck_assert_int_eq(api_adopt(&second, -1, NULL), -EBADF);
	say(owner[0], ONE);
	ck_assert_ptr_nonnull(strstr(hear(owner[0], NULL), "/one 0"));
	usleep(20000);
	loop_step(&loop);
	say(owner[0], ONE);
	ck_assert_ptr_nonnull(strstr(hear(owner[0], NULL), "/one 0"));
	close(other[0]);
	loop_step(&loop);
	ck_assert(!owner_gone);
	close(owner[0]);
	loop_step(&loop);
	ck_assert(owner_gone);
	owner_gone = false;
	api_fini(&second);
	ck_assert(!owner_gone);
}
END_TEST

START_TEST(more_clients_from_the_start_than_places)
{
	int ends[API_CONNECTIONS_MAX + 1][2];

	for (int i = 0; i <= API_CONNECTIONS_MAX; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]), 0);
		ck_assert_int_eq(
			api_adopt(&api, ends[i][1], NULL), i < API_CONNECTIONS_MAX ? 0 : -ENOSPC);
		close(ends[i][0]);
	}
	close(ends[API_CONNECTIONS_MAX][1]);
}
END_TEST

START_TEST(many_connections_leave_nothing)
{
	for (int i = 0; i < 1000; i++) {
		int fd = dial();

		say(fd, ONE);
		ck_assert_ptr_nonnull(strstr(hear(fd, NULL), "/one 0"));
		close(fd);
		loop_step(&loop);
	}
	for (int i = 0; i < API_CONNECTIONS_MAX; i++)
		ck_assert(!api.connections[i].used);
}
END_TEST

SUITE_CASES("api", setup, teardown, {requests_one_after_the_other}, {pipelined_requests},
	{a_client_that_has_sent_all}, {bad_http_ends_the_connection}, {a_body_that_is_asked_for},
	{a_client_that_never_reads}, {a_parked_request}, {a_streamed_body_that_nobody_takes},
	{a_streamed_body_that_is_taken}, {too_many_clients}, {slow_and_idle_clients},
	{a_path_that_is_taken}, {one_name_is_left}, {only_its_own_socket_is_removed},
	{clients_from_the_start}, {more_clients_from_the_start_than_places},
	{many_connections_leave_nothing})
