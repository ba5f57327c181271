// SPDX-License-Identifier: Apache-2.0
// Tests of devices/backend/stream_unix.h and stream_fd.h.
#include "devices/backend/stream.h"

#include "base/err.h"
#include "base/io.h"
#include "base/loop.h"
#include "devices/backend/stream_fd.h"
#include "devices/backend/stream_unix.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct loop loop;
static struct stream_backend *sb;
static char dir[32], path[64];
static int taken = -1; /* what incoming got */
static uint32_t taken_port;
static bool taken_seqpacket;
static int refuse;
static int closed_calls;

static int incoming(void *ctx, int fd, uint32_t port, bool seqpacket)
{
	if (refuse)
		return -refuse;
	taken = fd;
	taken_port = port;
	taken_seqpacket = seqpacket;
	return 0;
}

static void on_closed(void *ctx)
{
	closed_calls++;
}

static void start(void)
{
	sb->incoming = incoming;
	ck_assert_int_eq(sb->ops->start(sb), 0);
	taken = -1;
	refuse = 0;
}

static void setup_unix_with(bool seqpacket)
{
	snprintf(dir, sizeof(dir), "/tmp/hull-stream-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/v.sock", dir);
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(stream_unix_new(&loop, path, seqpacket, &sb, NULL), 0);
	start();
}

static void setup_unix(void)
{
	setup_unix_with(false);
}

static void teardown_unix(void)
{
	stream_backend_free(sb);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(rmdir(dir), 0);
	loop_fini(&loop);
}

static int dial_type(int type, const char *suffix)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s%s", path, suffix);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static int dial(void)
{
	return dial_type(SOCK_STREAM, "");
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
	loop_step(&loop);
}

static void expect_eof(int fd)
{
	char byte;

	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
}

/* Closed, perhaps with some of what was said unread. */
static void expect_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	ck_assert(n == 0 || (n < 0 && errno == ECONNRESET));
}

START_TEST(unix_host_connects)
{
	char buf[64];
	int fd;

	setup_unix();
	fd = dial();
	/* In pieces, with data right behind. */
	say(fd, "conn");
	ck_assert_int_eq(taken, -1);
	say(fd, "ECT 1234 and more\nearly data");
	ck_assert_int_ge(taken, 0);
	ck_assert_uint_eq(taken_port, 1234);
	ck_assert_int_eq(recv(taken, buf, sizeof(buf), MSG_DONTWAIT), 10);
	ck_assert_mem_eq(buf, "early data", 10);
	ck_assert_int_eq(sb->ops->accepted(sb, taken, 1073741824), 0);
	ck_assert_int_eq(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 14);
	ck_assert_mem_eq(buf, "OK 1073741824\n", 14);
	close(taken);
	expect_eof(fd);
	close(fd);
	teardown_unix();
}
END_TEST

START_TEST(unix_bad_lines)
{
	static const char *const lines[] = {"\n", "CONNECT\n", "CONNECT \n", "CONNECT x\n",
		"CONNECT -1\n", "CONNECT 1x\n", "CONNECT 4294967296\n", "LISTEN 1\n", "CONNECT1\n",
		"CONNECT 99999999999999999999999999999999", "GET / HTTP/1.1\r\n"};

	setup_unix();
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		int fd = dial();

		say(fd, lines[i]);
		expect_closed(fd);
		ck_assert_int_eq(taken, -1);
		close(fd);
	}
	/* Legal, but the device refuses. */
	for (int i = 0; i < 2; i++) {
		int fd = dial();

		refuse = i ? 0 : EMFILE;
		say(fd, "CONNECT 4294967295\n");
		ck_assert_int_eq(taken >= 0, i);
		if (i)
			close(taken);
		expect_eof(fd);
		close(fd);
	}
	teardown_unix();
}
END_TEST

START_TEST(unix_silent_clients)
{
	int fds[70];

	setup_unix();
	for (int i = 0; i < 70; i++) {
		fds[i] = dial();
		loop_step(&loop);
	}
	/* The oldest six had to go. */
	for (int i = 0; i < 6; i++)
		expect_eof(fds[i]);
	say(fds[6], "CONNECT 6\n");
	ck_assert_uint_eq(taken_port, 6);
	close(taken);
	/* One leaves without a word; the others are closed with the backend. */
	close(fds[7]);
	loop_step(&loop);
	teardown_unix();
	for (int i = 0; i < 70; i++)
		if (i != 7)
			close(fds[i]);
}
END_TEST

START_TEST(unix_guest_connects)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd, peer;

	setup_unix();
	ck_assert_int_eq(sb->ops->connect(sb, 7777, false), -ENOENT);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s_7777", path);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(sb->ops->connect(sb, 7777, false), -ECONNREFUSED);
	ck_assert_int_eq(listen(listener, 1), 0);
	fd = sb->ops->connect(sb, 7777, false);
	ck_assert_int_ge(fd, 0);
	peer = accept(listener, NULL, NULL);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	ck_assert_int_eq(recv(peer, path + 60, 1, MSG_DONTWAIT), 1);
	close(fd);
	close(peer);
	close(listener);
	unlink(addr.sun_path);
	teardown_unix();
}
END_TEST

START_TEST(unix_refused)
{
	struct stream_backend *other = NULL;
	char name[200];
	struct err err = {0};

	setup_unix();
	ck_assert_int_eq(stream_unix_new(&loop, path, false, &other, &err), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err.msg, "another process serves it"));
	memset(name, 'a', sizeof(name));
	name[108] = 0;
	ck_assert_int_eq(stream_unix_new(&loop, name, false, &other, &err), -ENAMETOOLONG);
	ck_assert_int_eq(stream_unix_new(&loop, "", false, &other, &err), -ENAMETOOLONG);
	ck_assert_int_eq(stream_unix_new(&loop, "/nonexistent/v", false, &other, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "No such file"));
	ck_assert_ptr_null(other);
	teardown_unix();
}
END_TEST

START_TEST(unix_seqpacket_host_connects)
{
	char buf[64];
	int fd;

	setup_unix_with(true);
	fd = dial_type(SOCK_SEQPACKET, ".seqpacket");
	say(fd, "CONNECT 77\n");
	ck_assert_int_ge(taken, 0);
	ck_assert_uint_eq(taken_port, 77);
	ck_assert(taken_seqpacket);
	ck_assert_int_eq(sb->ops->accepted(sb, taken, 5), 0);
	ck_assert_int_eq(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 5);
	ck_assert_mem_eq(buf, "OK 5\n", 5);
	close(taken);
	close(fd);
	/* The other listener goes on giving streams. */
	fd = dial();
	say(fd, "CONNECT 78\n");
	ck_assert_uint_eq(taken_port, 78);
	ck_assert(!taken_seqpacket);
	close(taken);
	close(fd);
	teardown_unix();
}
END_TEST

START_TEST(unix_seqpacket_bad_lines)
{
	static const char *const lines[] = {"CONNECT 77", "CONNECT 77\nmore", "CONNECT 7\n\n", "\n",
		"CONNECT 00000000000000000000000000000077\n"};

	setup_unix_with(true);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int fd = dial_type(SOCK_SEQPACKET, ".seqpacket");

		say(fd, lines[i]);
		ck_assert_int_eq(taken, -1);
		expect_closed(fd);
		close(fd);
	}
	teardown_unix();
}
END_TEST

START_TEST(unix_seqpacket_guest_connects)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd;

	setup_unix_with(true);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s_7777", path);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(sb->ops->connect(sb, 7777, false), -EPROTOTYPE);
	fd = sb->ops->connect(sb, 7777, true);
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(listener);
	unlink(addr.sun_path);
	teardown_unix();
}
END_TEST

START_TEST(unix_seqpacket_path_taken)
{
	struct stream_backend *other = NULL;
	char file[80];
	struct err err = {0};

	setup_unix();
	snprintf(file, sizeof(file), "%s/w.seqpacket", dir);
	close(open(file, O_CREAT | O_CLOEXEC, 0600));
	*strrchr(file, '.') = 0;
	ck_assert_int_eq(stream_unix_new(&loop, file, true, &other, &err), -EADDRINUSE);
	ck_assert_ptr_nonnull(
		strstr(err.msg, "w.seqpacket: something else than a socket is there"));
	/* Nothing is left of the first. */
	ck_assert_int_eq(access(file, F_OK), -1);
	strcat(file, ".seqpacket");
	unlink(file);
	teardown_unix();
}
END_TEST

/* A socket is made under a name with a tilde; one that was killed right then has left that. */
START_TEST(unix_left_half_made)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stream_backend *other = NULL;
	char file[80];
	struct err err = {0};

	setup_unix();
	snprintf(file, sizeof(file), "%s/w", dir);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s~", file);
	for (int alive = 0; alive < 2; alive++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
		if (alive)
			ck_assert_int_eq(listen(fd, 1), 0);
		else
			close(fd);
		ck_assert_int_eq(stream_unix_new(&loop, file, false, &other, &err), 0);
		ck_assert_int_eq(access(file, F_OK), 0);
		ck_assert_int_eq(access(addr.sun_path, F_OK), alive ? 0 : -1);
		stream_backend_free(other);
		ck_assert_int_eq(access(file, F_OK), -1);
		if (alive)
			close(fd);
	}
	unlink(addr.sun_path);
	teardown_unix();
}
END_TEST

START_TEST(unix_out_of_descriptors)
{
	struct rlimit limit, old;
	int fds[64], fd, next;

	setup_unix();
	getrlimit(RLIMIT_NOFILE, &old);
	fd = dial();
	/* All that are free below the limit are taken. */
	next = dup(0);
	limit = (struct rlimit){(rlim_t)next + 4, old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < 64; i++)
		fds[i] = fcntl(0, F_DUPFD_CLOEXEC, 0);
	ck_assert_int_eq(fds[63], -1);
	setrlimit(RLIMIT_NOFILE, &limit);
	/* loop_step() itself needs one. */
	close(next);
	loop_step(&loop);
	expect_closed(fd);
	for (int i = 0; i < 64; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	setrlimit(RLIMIT_NOFILE, &old);
	close(fd);
	fd = dial();
	say(fd, "CONNECT 5\n");
	ck_assert_int_ge(taken, 0);
	close(taken);
	close(fd);
	teardown_unix();
}
END_TEST

/* Over a channel */

static int channel;

static void setup_fd(void)
{
	int pair[2];

	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	channel = pair[1];
	closed_calls = 0;
	ck_assert_int_eq(stream_fd_new(&loop, pair[0], on_closed, NULL, &sb, NULL), 0);
	start();
}

static void teardown_fd(void)
{
	stream_backend_free(sb);
	close(channel);
	loop_fini(&loop);
}

START_TEST(fd_guest_connects)
{
	uint8_t message[8];
	int fd, peer;
	char byte;

	setup_fd();
	fd = sb->ops->connect(sb, 0x01020304, false);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_recv_fd(channel, message, sizeof(message), &peer), 4);
	ck_assert_mem_eq(message, "\4\3\2\1", 4);
	ck_assert_int_ge(peer, 0);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	ck_assert_int_eq(read(peer, &byte, 1), 1);
	close(fd);
	expect_eof(peer);
	close(peer);
	teardown_fd();
}
END_TEST

START_TEST(fd_channel_full)
{
	int fd;

	setup_fd();
	for (int i = 0; i < 100000; i++) {
		fd = sb->ops->connect(sb, 1, false);
		if (fd < 0)
			break;
		close(fd);
	}
	/* Out of room, or as many descriptors in flight as a process may have. */
	ck_assert(fd == -EAGAIN || fd == -ETOOMANYREFS);
	teardown_fd();
}
END_TEST

START_TEST(fd_host_connects)
{
	int pair[2];

	setup_fd();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(io_send_fd(channel, "\5\0\0\0", 4, pair[0]), 4);
	loop_step(&loop);
	ck_assert_int_ge(taken, 0);
	ck_assert_uint_eq(taken_port, 5);
	ck_assert_int_eq(sb->ops->accepted(sb, taken, 9), 0);
	close(taken);
	/* Refused: closed. */
	refuse = EMFILE;
	ck_assert_int_eq(io_send_fd(channel, "\5\0\0\0", 4, pair[0]), 4);
	close(pair[0]);
	loop_step(&loop);
	expect_eof(pair[1]);
	close(pair[1]);
	/* Without a descriptor: nothing happens. */
	ck_assert_int_eq(io_send_fd(channel, "\5\0\0\0", 4, -1), 4);
	loop_step(&loop);
	ck_assert_int_eq(closed_calls, 0);
	teardown_fd();
}
END_TEST

START_TEST(fd_peer_closes)
{
	setup_fd();
	shutdown(channel, SHUT_RDWR);
	loop_step(&loop);
	loop_step(&loop);
	ck_assert_int_eq(closed_calls, 1);
	ck_assert_int_lt(sb->ops->connect(sb, 1, false), 0);
	teardown_fd();
}
END_TEST

START_TEST(fd_garbage)
{
	setup_fd();
	ck_assert_int_eq(io_send_fd(channel, "abc", 3, -1), 3);
	loop_step(&loop);
	ck_assert_int_eq(closed_calls, 1);
	teardown_fd();
}
END_TEST

START_TEST(fd_refused)
{
	struct stream_backend *other = NULL;
	struct err err = {0};
	int pair[2];

	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(stream_fd_new(&loop, pair[0], on_closed, NULL, &other, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "SEQPACKET"));
	ck_assert_int_eq(stream_fd_new(&loop, 999, on_closed, NULL, &other, &err), -EBADF);
	ck_assert_ptr_null(other);
	close(pair[0]);
	close(pair[1]);
	loop_fini(&loop);
}
END_TEST

SUITE("stream", unix_host_connects, unix_bad_lines, unix_silent_clients, unix_guest_connects,
	unix_refused, unix_seqpacket_host_connects, unix_seqpacket_bad_lines,
	unix_seqpacket_guest_connects, unix_seqpacket_path_taken, unix_left_half_made,
	unix_out_of_descriptors, fd_guest_connects, fd_channel_full, fd_host_connects,
	fd_peer_closes, fd_garbage, fd_refused)
