// SPDX-License-Identifier: Apache-2.0
// A monitor whose container runs, between clients of its API and a guest that are both the test;
// for one test program.
#pragma once

#include "base/err.h"
#include "tests/lib/fake_agent.h"
#include "tests/lib/loop_step.h"
#include "vmm/archives.h"
#include "vmm/json_read.h"
#include "vmm/monitor.h"
#include "vmm/routes.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BODY_MAX 1000
#define OUT "GET /container/archive?path=/a%20b HTTP/1.1\r\n\r\n"
#define IN "PUT /container/archive?path=/tmp HTTP/1.1\r\n"
#define CHUNKED IN "Transfer-Encoding: chunked\r\n\r\n"
#define LENGTH IN "Content-Length: 5\r\n\r\n"
#define HTTP_200 "HTTP/1.1 200 "
#define HTTP_204 "HTTP/1.1 204 "
#define HTTP_400 "HTTP/1.1 400 "
#define HTTP_404 "HTTP/1.1 404 "

static char dir[] = "/tmp/hull-test-archive-XXXXXX";
static char path[64];
static struct monitor monitor;
static struct fake_agent guest;
static int fds;
static uint16_t id; /* of the last ARCHIVE */
static struct err err;

static inline void step(void)
{
	loop_step(&monitor.loop);
}

static inline int count_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static inline unsigned int under_way(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < ARCHIVES_MAX; i++)
		count += monitor.container.archives.items[i] != NULL;
	return count;
}

/* The guest */

static inline void result(unsigned int code, const char *message)
{
	struct agent_msg msg = {.type = AGENT_RESULT, .id = id, .result.code = code};

	strcpy(msg.result.message, message);
	fake_agent_say(&guest, msg);
}

/* ARCHIVE is heard, and its stream dialed. */
static inline int take(bool put)
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

static inline void ignore(void)
{
	id = fake_agent_hear(&guest).id;
}

/* The client */

static inline void put(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	step();
}

static inline int client(const char *text)
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
static inline const char *all(int fd, bool *ret_eof)
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

/* The client has got this. Return: whether nothing more will come. */
static inline bool expect_answer(int fd, const char *status, const char *fragment)
{
	bool eof;
	const char *text = all(fd, &eof);

	ck_assert_msg(!strncmp(text, status, strlen(status)), "%s", text);
	ck_assert_msg(strstr(text, fragment) != NULL, "%s", text);
	return eof;
}

/* The client gets this and the end, and nothing is left. */
static inline void expect_end(int fd, const char *status, const char *fragment)
{
	ck_assert(expect_answer(fd, status, fragment));
	close(fd);
	step();
	ck_assert_uint_eq(under_way(), 0);
}

/* The guest's stream has ended. */
static inline void expect_hangup(int fd)
{
	char byte;

	while (read(fd, &byte, 1) > 0)
		;
	ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	close(fd);
}

static inline size_t flood(int fd)
{
	static char block[65536];
	size_t sent = 0;
	ssize_t n;

	while (step(), (n = send(fd, block, sizeof(block), MSG_NOSIGNAL | MSG_DONTWAIT)) > 0)
		sent += (size_t)n;
	return sent;
}

static inline void expect_data(int stream, const char *data, bool end)
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

static inline void setup(void)
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
static inline void teardown(void)
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
