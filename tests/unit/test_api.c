// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/api.h: the server's socket, its clients and their deadlines.
#include "tests/lib/api_server.h"
#include "tests/lib/suite.h"

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

SUITE_CASES("api", setup, teardown, {too_many_clients}, {slow_and_idle_clients},
	{a_path_that_is_taken}, {one_name_is_left}, {only_its_own_socket_is_removed},
	{clients_from_the_start}, {more_clients_from_the_start_than_places},
	{many_connections_leave_nothing})
