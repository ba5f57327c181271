// SPDX-License-Identifier: Apache-2.0
// Tests of guest-init/relay.h.
#include "guest-init/relay.h"

#include "base/cleanup.h"
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

static struct loop loop;
static struct relay relay;
static int done_calls;

static void on_done(struct relay *r)
{
	done_calls++;
	loop_quit(&loop);
}

static void on_tick(struct loop_timer *timer)
{
	loop_quit(&loop);
}

/* Let the loop run for @ms, or until the relay ends. */
static void run(uint64_t ms)
{
	struct loop_timer timer;

	loop.quit = false;
	ck_assert_int_eq(loop_timer_init(&loop, &timer, on_tick), 0);
	ck_assert_int_eq(loop_timer_set(&timer, ms), 0);
	ck_assert_int_eq(loop_run(&loop), 0);
	loop_timer_fini(&loop, &timer);
}

/* source pipe -> relay -> sink socket. */
static void start(int *ret_source, int *ret_sink)
{
	int pipe_fds[2], socks[2];

	signal(SIGPIPE, SIG_IGN);
	done_calls = 0;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	ck_assert_int_eq(relay_start(&relay, &loop, pipe_fds[0], socks[0], on_done), 0);
	*ret_source = pipe_fds[1];
	*ret_sink = socks[1];
}

static void stop(void)
{
	relay_fini(&relay);
	relay_fini(&relay);
	loop_fini(&loop);
}

START_TEST(passes_bytes_then_half_closes)
{
	int source, sink;
	char got[100];

	start(&source, &sink);
	ck_assert_int_eq(write(source, "hello", 5), 5);
	close(source);
	run(5000);
	ck_assert_int_eq(done_calls, 1);
	ck_assert(!relay.running);
	ck_assert(!relay.failed);
	ck_assert_int_eq(read(sink, got, sizeof(got)), 5);
	ck_assert_mem_eq(got, "hello", 5);
	ck_assert_int_eq(read(sink, got, sizeof(got)), 0);
	/* Half-closed, not closed: the other direction still works. */
	ck_assert_int_eq(send(sink, "x", 1, MSG_NOSIGNAL), 1);
	stop();
	ck_assert_int_eq(send(sink, "x", 1, MSG_NOSIGNAL), -1);
	close(sink);
}
END_TEST

START_TEST(slow_sink_stops_the_source)
{
	static char block[65536];
	size_t sent = 0, total = 0;
	int source, sink;
	ssize_t n;

	start(&source, &sink);
	fcntl(source, F_SETFL, O_NONBLOCK);
	for (int idle = 0; idle < 3; idle++) {
		while ((n = write(source, block, sizeof(block))) > 0) {
			sent += (size_t)n;
			idle = 0;
		}
		run(20);
	}
	/* Pipe, ring and socket buffer are full, and that's all. */
	ck_assert_uint_lt(sent, 2 << 20);
	ck_assert_uint_ge(sent, RELAY_BUFFER);
	close(source);
	/* A source that has hung up isn't reported in a busy loop: the timer ends it. */
	run(20);
	ck_assert_int_eq(done_calls, 0);
	fcntl(sink, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 1000 && !done_calls; i++) {
		while ((n = read(sink, block, sizeof(block))) > 0)
			total += (size_t)n;
		run(5);
	}
	while ((n = read(sink, block, sizeof(block))) > 0)
		total += (size_t)n;
	ck_assert_int_eq(done_calls, 1);
	ck_assert_uint_eq(total, sent);
	stop();
	close(sink);
}
END_TEST

START_TEST(closed_sink_closes_the_source)
{
	int source, sink;

	start(&source, &sink);
	close(sink);
	/* Nothing was written: the hangup alone is enough. */
	run(5000);
	ck_assert_int_eq(done_calls, 1);
	ck_assert(relay.failed);
	ck_assert_int_eq(write(source, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	stop();
	close(source);
}
END_TEST

START_TEST(half_closed_sink_goes_on)
{
	int source, sink;
	char got[10];

	start(&source, &sink);
	/* The peer won't send, which is nothing new. */
	shutdown(sink, SHUT_WR);
	run(50);
	ck_assert_int_eq(done_calls, 0);
	ck_assert_int_eq(write(source, "hello", 5), 5);
	run(50);
	ck_assert_int_eq(read(sink, got, sizeof(got)), 5);
	stop();
	close(source);
	close(sink);
}
END_TEST

START_TEST(socket_to_pipe)
{
	int pipe_fds[2], socks[2];
	char got[10];

	signal(SIGPIPE, SIG_IGN);
	done_calls = 0;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	ck_assert_int_eq(relay_start(&relay, &loop, socks[0], pipe_fds[1], on_done), 0);
	ck_assert_int_eq(write(socks[1], "hello", 5), 5);
	shutdown(socks[1], SHUT_WR);
	run(5000);
	ck_assert_int_eq(done_calls, 1);
	ck_assert_int_eq(read(pipe_fds[0], got, sizeof(got)), 5);
	ck_assert_int_eq(read(pipe_fds[0], got, sizeof(got)), 0);
	stop();
	close(pipe_fds[0]);
	close(socks[1]);
}
END_TEST

START_TEST(reader_of_pipe_leaves)
{
	int pipe_fds[2], socks[2];
	char got[10];

	signal(SIGPIPE, SIG_IGN);
	done_calls = 0;
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
	ck_assert_int_eq(relay_start(&relay, &loop, socks[0], pipe_fds[1], on_done), 0);
	close(pipe_fds[0]);
	run(5000);
	ck_assert_int_eq(done_calls, 1);
	ck_assert(relay.failed);
	ck_assert_int_eq(read(socks[1], got, sizeof(got)), 0);
	stop();
	close(socks[1]);
}
END_TEST

SUITE("init_relay", passes_bytes_then_half_closes, slow_sink_stops_the_source,
	closed_sink_closes_the_source, half_closed_sink_goes_on, socket_to_pipe,
	reader_of_pipe_leaves)
