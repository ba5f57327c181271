// SPDX-License-Identifier: Apache-2.0
// Tests of cli/agent_host.h: what a guest may say when, and what is answered.
#include "cli/agent_host.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "tests/lib/suite.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct fixture {
	struct loop loop;
	struct agent_host host;
	struct agent_reader reader; /* of the guest's */
	int guest;
	int hellos, starts, ends, breaks;
	char why[128];
	struct agent_msg last;
};

static const struct agent_spec *on_hello(struct agent_host *host, const struct agent_hello *hello)
{
	static char word[] = "x";
	static char *const args[] = {word, NULL};
	static const struct agent_spec spec = {.args = args, .stdout_port = 2000};

	container_of(host, struct fixture, host)->hellos++;
	return &spec;
}

static void on_started(struct agent_host *host, const struct agent_started *started)
{
	container_of(host, struct fixture, host)->starts++;
}

static void on_ended(struct agent_host *host, const struct agent_msg *msg)
{
	struct fixture *f = container_of(host, struct fixture, host);

	f->ends++;
	f->last = *msg;
}

static void on_broken(struct agent_host *host, const char *why)
{
	struct fixture *f = container_of(host, struct fixture, host);

	f->breaks++;
	snprintf(f->why, sizeof(f->why), "%s", why ? why : "closed");
}

static const struct agent_host_ops ops = {on_hello, on_started, on_ended, on_broken};

static void setup(struct fixture *f)
{
	int s[2];

	*f = (struct fixture){0};
	ck_assert_int_eq(loop_init(&f->loop), 0);
	agent_host_init(&f->host, &f->loop, &ops);
	agent_reader_init(&f->reader, AGENT_HOST);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	f->guest = s[0];
	ck_assert_int_eq(agent_host_connect(&f->host, s[1]), 0);
}

static void teardown(struct fixture *f)
{
	agent_host_fini(&f->host);
	agent_reader_fini(&f->reader);
	loop_fini(&f->loop);
	close(f->guest);
}

/* What the loop would do with the bytes that wait. */
static void dispatch(struct fixture *f)
{
	if (f->host.src.fn)
		f->host.src.fn(&f->host.src, EPOLLIN);
}

static void say(struct fixture *f, struct agent_msg msg)
{
	struct buf buf = BUF_INIT(4096);

	ck_assert_int_eq(agent_encode(&buf, &msg), 0);
	ck_assert_int_eq(agent_flush(&buf, f->guest), 1);
	buf_fini(&buf);
	dispatch(f);
}

static enum agent_type heard(struct fixture *f)
{
	struct agent_msg msg;
	int r;

	while (!(r = agent_reader_next(&f->reader, &msg)))
		ck_assert_int_gt(agent_reader_fill(&f->reader, f->guest), 0);
	ck_assert_int_eq(r, 1);
	return msg.type;
}

static const struct agent_msg hello = {.type = AGENT_HELLO};
static const struct agent_msg started = {.type = AGENT_STARTED};
static const struct agent_msg exited = {.type = AGENT_EXITED, .exited.code = 5};

START_TEST(life_of_a_command)
{
	struct fixture f;

	setup(&f);
	ck_assert_int_eq(agent_host_signal(&f.host, 15, false), -ENOTCONN);
	say(&f, hello);
	ck_assert_int_eq(f.hellos, 1);
	ck_assert_int_eq(heard(&f), AGENT_START);
	ck_assert_int_eq(agent_host_signal(&f.host, 15, false), -ENOTCONN);
	say(&f, started);
	ck_assert_int_eq(f.starts, 1);
	ck_assert_int_eq(agent_host_signal(&f.host, 15, true), 0);
	ck_assert_int_eq(heard(&f), AGENT_SIGNAL);
	ck_assert_int_eq(agent_host_resize(&f.host, 24, 80), 0);
	ck_assert_int_eq(heard(&f), AGENT_RESIZE);
	say(&f, exited);
	ck_assert_int_eq(f.ends, 1);
	ck_assert_uint_eq(f.last.exited.code, 5);
	ck_assert_int_eq(agent_host_signal(&f.host, 15, false), -ENOTCONN);
	ck_assert_int_eq(agent_host_shutdown(&f.host), 0);
	ck_assert_int_eq(heard(&f), AGENT_SHUTDOWN);
	shutdown(f.guest, SHUT_RDWR);
	dispatch(&f);
	ck_assert_int_eq(f.breaks, 0);
	teardown(&f);
}
END_TEST

START_TEST(second_connection_is_closed)
{
	struct fixture f;
	struct pollfd p;
	int s[2];

	setup(&f);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	ck_assert_int_eq(agent_host_connect(&f.host, s[1]), -EALREADY);
	p = (struct pollfd){.fd = s[0], .events = POLLIN};
	ck_assert_int_eq(poll(&p, 1, 0), 1);
	ck_assert(p.revents & POLLHUP);
	close(s[0]);
	say(&f, hello);
	ck_assert_int_eq(f.hellos, 1);
	teardown(&f);
}
END_TEST

/* Each row ends with the one message that is out of turn. */
START_TEST(messages_out_of_turn)
{
	const struct agent_msg failed = {
		.type = AGENT_FAILED, .failed = {.code = 127, .message = "no"}};
	const struct agent_msg signal = {.type = AGENT_SIGNAL, .signal.signo = 9};
	const struct agent_msg *const rows[][4] = {
		{&started},
		{&exited},
		{&failed},
		{&hello, &hello},
		{&hello, &exited},
		{&hello, &started, &started},
		{&hello, &started, &hello},
		{&hello, &signal},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture f;

		setup(&f);
		for (int j = 0; j < 4 && rows[i][j]; j++) {
			ck_assert_int_eq(f.breaks, 0);
			say(&f, *rows[i][j]);
		}
		ck_assert_int_eq(f.breaks, 1);
		ck_assert_int_eq(f.ends, 0);
		ck_assert_str_ne(f.why, "closed");
		/* It is closed, and stays so. */
		ck_assert_int_eq(agent_host_shutdown(&f.host), -ENOTCONN);
		teardown(&f);
	}
}
END_TEST

START_TEST(messages_after_the_end_are_ignored)
{
	struct fixture f;

	setup(&f);
	say(&f, hello);
	say(&f, started);
	say(&f, exited);
	say(&f, exited);
	ck_assert_int_eq(f.ends, 1);
	ck_assert_int_eq(f.breaks, 0);
	teardown(&f);
}
END_TEST

START_TEST(failure_instead_of_a_start)
{
	struct fixture f;

	setup(&f);
	say(&f, hello);
	say(&f, (struct agent_msg){
			.type = AGENT_FAILED, .failed = {.code = 127, .message = "x: not found"}});
	ck_assert_int_eq(f.ends, 1);
	ck_assert_uint_eq(f.last.failed.code, 127);
	ck_assert_str_eq(f.last.failed.message, "x: not found");
	ck_assert_int_eq(f.starts, 0);
	teardown(&f);
}
END_TEST

START_TEST(end_of_the_connection)
{
	struct fixture f;

	setup(&f);
	say(&f, hello);
	shutdown(f.guest, SHUT_RDWR);
	dispatch(&f);
	ck_assert_int_eq(f.breaks, 1);
	ck_assert_str_eq(f.why, "closed");
	teardown(&f);
}
END_TEST

START_TEST(unreadable_bytes)
{
	struct fixture f;

	setup(&f);
	ck_assert_int_eq(io_write_full(f.guest, "GET / HTTP/1.0\r\n", 16), 0);
	dispatch(&f);
	ck_assert_int_eq(f.breaks, 1);
	ck_assert_str_eq(f.why, "the guest sent an unreadable message");
	teardown(&f);
}
END_TEST

START_TEST(guest_that_does_not_read_costs_bounded_memory)
{
	struct fixture f;
	int r = 0;

	setup(&f);
	say(&f, hello);
	say(&f, started);
	for (int i = 0; i < 1000000 && r != -EMSGSIZE; i++)
		r = agent_host_signal(&f.host, 10, false);
	ck_assert_int_eq(r, -EMSGSIZE);
	ck_assert_uint_le(f.host.out.cap, 2 * (AGENT_FRAME_MAX + 8192));
	say(&f, exited);
	ck_assert_int_eq(f.ends, 1);
	teardown(&f);
}
END_TEST

SUITE("cli_agent_host", life_of_a_command, second_connection_is_closed, messages_out_of_turn,
	messages_after_the_end_are_ignored, failure_instead_of_a_start, end_of_the_connection,
	unreadable_bytes, guest_that_does_not_read_costs_bounded_memory)
