// SPDX-License-Identifier: Apache-2.0
// The API's server with a handler of its own, and clients, in one thread.
#pragma once

#include "vmm/api.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/loop_step.h"

#include <check.h>
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
static int passed;

static char taken[64];
static int taken_fd;

static inline void take(void *ctx, int fd, const void *early, size_t early_len)
{
	ck_assert_uint_lt(early_len, sizeof(taken));
	memcpy(taken, early, early_len);
	taken[early_len] = '\0';
	taken_fd = fd;
}

/* "/big" is answered with much, "/park" later, all else with its path; "/descriptor" takes what
 * came along. */
static inline int answer(
	void *ctx, const struct http_request *request, uint64_t ticket, struct api_reply *reply)
{
	handled++;
	if (!strcmp(request->path, "/park")) {
		parked = ticket;
		return API_PARKED;
	}
	if (!strcmp(request->path, "/descriptor"))
		passed = TAKE_FD(*request->fd);
	if (!strcmp(request->path, "/taken"))
		reply->stream = take;
	else if (!strcmp(request->path, "/big"))
		buf_add(&reply->body, big, sizeof(big));
	else if (strcmp(request->path, "/empty") != 0)
		buf_printf(&reply->body, "%s %zu", request->path, request->body_len);
	return 0;
}

static inline void on_gone(void *ctx, uint64_t ticket)
{
	gone = ticket;
}

static inline bool streams(enum http_method method, const char *name)
{
	return !strcmp(name, "/stream") || !strcmp(name, "/taken");
}

static const struct api_ops ops = {.handle = answer, .streams = streams, .gone = on_gone};

static inline void setup(void)
{
	struct err err;

	strcpy(dir, "/tmp/hull-test-api-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	memset(big, 'b', sizeof(big));
	handled = 0;
	parked = gone = 0;
	passed = -1;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(api_init(&api, &loop, path, BODY_MAX, &ops, NULL, &err), 0);
}

static inline void teardown(void)
{
	api_fini(&api);
	loop_fini(&loop);
	ck_assert_int_eq(rmdir(dir), 0);
}

static inline int dial(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static inline void say(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	loop_step(&loop);
}

/* All that has come, as a string. @ret_eof: and nothing more will. */
static inline const char *hear(int fd, bool *ret_eof)
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
