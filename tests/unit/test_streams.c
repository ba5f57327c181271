// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/streams.h: output to clients and the log, input to the guest, and who is waited for.
#include "vmm/streams.h"

#include "base/cleanup.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define BOTH (STREAM_BIT(STREAM_OUT) | STREAM_BIT(STREAM_ERR))

static struct loop loop;
static struct streams streams;
static char got[1 << 20];

static void setup(void)
{
	ck_assert_int_eq(loop_init(&loop), 0);
}

static void teardown(void)
{
	streams_fini(&streams);
	loop_fini(&loop);
}

static void begin(bool terminal, bool input, uint32_t log_size)
{
	const struct streams_config config = {
		.terminal = terminal, .input = input, .in_once = true, .log_size = log_size};

	streams_init(&streams, &loop, &config);
}

/* Return: the guest's end of a stream. */
static int guest(enum stream stream)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	ck_assert_int_eq(streams_connect(&streams, stream, -1), 0);
	ck_assert_int_eq(streams_connect(&streams, stream, pair[1]), 0);
	return pair[0];
}

/* Return: the client's end. */
static int attach(unsigned int which, bool framed, const char *early)
{
	const struct streams_attach want = {.streams = which, .framed = framed, .follow = true};
	struct streams_client *client = streams_attach(&streams, &want);
	int pair[2];

	ck_assert_ptr_nonnull(client);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	streams_client_start(client, pair[1], early, strlen(early));
	return pair[0];
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	loop_step(&loop);
}

/* Return: what has come, as text; "EOF" at the end, "-" when nothing is there. */
static const char *hear(int fd)
{
	ssize_t n = read(fd, got, sizeof(got) - 1);

	if (n < 0)
		return errno == EAGAIN ? "-" : "error";
	got[n] = '\0';
	return n ? got : "EOF";
}

START_TEST(output_to_two_clients)
{
	int raw, framed, out, error;

	begin(false, false, 4096);
	out = guest(STREAM_OUT);
	error = guest(STREAM_ERR);
	raw = attach(STREAM_BIT(STREAM_OUT), false, "");
	framed = attach(BOTH, true, "");
	say(out, "one");
	ck_assert_str_eq(hear(raw), "one");
	ck_assert_str_eq(hear(framed), "\1");
	ck_assert_mem_eq(got, "\1\0\0\0\0\0\0\3one", 11);
	say(error, "two");
	ck_assert_str_eq(hear(raw), "-");
	ck_assert_str_eq(hear(framed), "\2");
	ck_assert_mem_eq(got, "\2\0\0\0\0\0\0\3two", 11);
	close(out);
	loop_step(&loop);
	ck_assert_str_eq(hear(raw), "EOF");
	ck_assert_str_eq(hear(framed), "-");
	close(error);
	loop_step(&loop);
	ck_assert_str_eq(hear(framed), "EOF");
	ck_assert_uint_eq(streams.client_count, 0);
	close(raw);
	close(framed);
}
END_TEST

/* A client whose connection isn't there yet misses nothing; nor does one that is slow. */
START_TEST(output_waits)
{
	const struct streams_attach want = {.streams = STREAM_BIT(STREAM_OUT), .follow = true};
	static char big[300000];
	struct streams_client *client;
	size_t sent = 0, taken = 0;
	int out, pair[2];

	begin(false, false, 0);
	out = guest(STREAM_OUT);
	client = streams_attach(&streams, &want);
	say(out, "early");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	streams_client_start(client, pair[1], NULL, 0);
	loop_step(&loop);
	ck_assert_str_eq(hear(pair[0]), "early");

	/* Nobody reads: the guest can't send for ever. */
	for (int i = 0; i < 1000; i++) {
		ssize_t n = write(out, big, sizeof(big));

		sent += n > 0 ? (size_t)n : 0;
		loop_step(&loop);
		if (n < 0)
			break;
	}
	ck_assert_uint_lt(sent, 4 << 20);
	while (taken < sent) {
		ssize_t n = read(pair[0], got, sizeof(got));

		ck_assert_int_gt(n, 0);
		taken += (size_t)n;
		loop_step(&loop);
	}
	close(out);
	loop_step(&loop);
	ck_assert_str_eq(hear(pair[0]), "EOF");
	close(pair[0]);
}
END_TEST

START_TEST(the_last_client_leaves)
{
	int out, client;

	/* Without a log, the command learns of it. */
	begin(false, false, 0);
	out = guest(STREAM_OUT);
	say(out, "to nobody");
	client = attach(STREAM_BIT(STREAM_OUT), false, "");
	say(out, "x");
	ck_assert_str_eq(hear(client), "x");
	close(client);
	loop_step(&loop);
	ck_assert_str_eq(hear(out), "EOF");
	close(out);
	streams_fini(&streams);
	/* With one, it goes on. */
	begin(false, false, 4096);
	out = guest(STREAM_OUT);
	client = attach(STREAM_BIT(STREAM_OUT), false, "");
	close(client);
	loop_step(&loop);
	say(out, "x");
	ck_assert_str_eq(hear(out), "-");
	close(out);
}
END_TEST

START_TEST(input)
{
	int in, client;

	begin(false, true, 0);
	/* Before the guest is there. */
	client = attach(STREAM_BIT(STREAM_IN), false, "early ");
	say(client, "late");
	in = guest(STREAM_IN);
	loop_step(&loop);
	ck_assert_str_eq(hear(in), "early late");
	say(client, "more");
	ck_assert_str_eq(hear(in), "more");
	ck_assert_str_eq(hear(in), "-");
	/* It sends its last and is gone: all of it arrives, then the end. */
	say(client, "last");
	close(client);
	loop_step(&loop);
	ck_assert_str_eq(hear(in), "last");
	ck_assert_str_eq(hear(in), "EOF");
	close(in);
}
END_TEST

START_TEST(input_that_is_refused)
{
	static char big[4 << 20];
	size_t sent = 0;
	ssize_t n;
	int in, client;

	begin(false, true, 0);
	in = guest(STREAM_IN);
	client = attach(STREAM_BIT(STREAM_IN), false, "");
	/* The guest doesn't read: neither is the client read. */
	while ((n = write(client, big, sizeof(big))) > 0) {
		sent += (size_t)n;
		loop_step(&loop);
	}
	ck_assert_uint_lt(sent, 4 << 20);
	close(in);
	loop_step(&loop);
	ck_assert_int_eq(send(client, "x", 1, MSG_NOSIGNAL), -1);
	ck_assert_int_eq(errno, EPIPE);
	close(client);
}
END_TEST

START_TEST(terminal)
{
	int tty, client;

	begin(true, true, 4096);
	ck_assert_int_eq(streams_connect(&streams, STREAM_IN, -1), -ECONNREFUSED);
	ck_assert_int_eq(streams_connect(&streams, STREAM_ERR, -1), -ECONNREFUSED);
	tty = guest(STREAM_OUT);
	ck_assert_int_eq(streams_connect(&streams, STREAM_OUT, -1), -EALREADY);
	client = attach(STREAM_BIT(STREAM_IN) | STREAM_BIT(STREAM_OUT), false, "");
	say(client, "typed");
	ck_assert_str_eq(hear(tty), "typed");
	say(tty, "shown");
	ck_assert_str_eq(hear(client), "shown");
	close(tty);
	loop_step(&loop);
	ck_assert_str_eq(hear(client), "EOF");
	close(client);
}
END_TEST

START_TEST(the_command_ends)
{
	int client;

	begin(false, true, 0);
	client = attach(STREAM_BIT(STREAM_IN), false, "x");
	streams_over(&streams);
	ck_assert_str_eq(hear(client), "EOF");
	close(client);
}
END_TEST

START_TEST(too_many_clients)
{
	const struct streams_attach want = {.streams = BOTH, .framed = true, .follow = true};

	begin(false, false, 0);
	for (int i = 0; i < STREAMS_CLIENTS_MAX; i++)
		ck_assert_ptr_nonnull(streams_attach(&streams, &want));
	ck_assert_ptr_null(streams_attach(&streams, &want));
}
END_TEST

static const char *read_log(struct stream_log_query query)
{
	struct buf out = BUF_INIT(sizeof(got) - 1);

	ck_assert_int_eq(stream_log_read(&streams.log, &query, &out), 0);
	if (out.len)
		memcpy(got, out.data, out.len);
	got[out.len] = '\0';
	buf_fini(&out);
	return got;
}

static void keep(enum stream stream, const char *text)
{
	stream_log_add(&streams.log, stream, text, (uint32_t)strlen(text));
}

START_TEST(log_lines)
{
	begin(false, false, 4096);
	ck_assert_str_eq(read_log((struct stream_log_query){.streams = BOTH, .tail = 1}), "");
	keep(STREAM_OUT, "a\nb");
	keep(STREAM_ERR, "E\n");
	keep(STREAM_OUT, "b\nc\nd");
	ck_assert_str_eq(read_log((struct stream_log_query){
				 .streams = STREAM_BIT(STREAM_OUT), .tail = UINT64_MAX}),
		"a\nbb\nc\nd");
	ck_assert_str_eq(read_log((struct stream_log_query){
				 .streams = STREAM_BIT(STREAM_ERR), .tail = UINT64_MAX}),
		"E\n");
	ck_assert_str_eq(
		read_log((struct stream_log_query){.streams = STREAM_BIT(STREAM_OUT), .tail = 2}),
		"c\nd");
	ck_assert_str_eq(
		read_log((struct stream_log_query){.streams = STREAM_BIT(STREAM_OUT), .tail = 3}),
		"bb\nc\nd");
	ck_assert_str_eq(read_log((struct stream_log_query){.streams = BOTH, .tail = 0}), "");
	ck_assert_str_eq(read_log((struct stream_log_query){
				 .streams = BOTH, .tail = 5, .since_ns = UINT64_MAX}),
		"");
	read_log((struct stream_log_query){
		.streams = STREAM_BIT(STREAM_ERR), .tail = 1, .timestamps = true, .framed = true});
	ck_assert_mem_eq(got, "\2\0\0\0\0\0\0\41", 8);
	ck_assert_str_eq(got + 8 + 30, " E\n");
	ck_assert_int_eq(got[8 + 10], 'T');
}
END_TEST

START_TEST(log_keeps_the_newest)
{
	static char text[6000];

	begin(false, false, 4000);
	ck_assert_uint_eq(streams.log.size, 4096);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "line %d\n", i);
		keep(STREAM_OUT, text);
	}
	ck_assert_ptr_nonnull(
		strstr(read_log((struct stream_log_query){.streams = BOTH, .tail = UINT64_MAX}),
			"line 998\nline 999\n"));
	ck_assert_ptr_null(strstr(got, "line 1\n"));
	/* Larger than all of it. */
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 2] = 'y';
	keep(STREAM_OUT, text);
	read_log((struct stream_log_query){.streams = BOTH, .tail = UINT64_MAX});
	ck_assert_uint_lt(strlen(got), 4096);
	ck_assert_int_eq(got[strlen(got) - 1], 'y');
}
END_TEST

SUITE_CASES("streams", setup, teardown, {output_to_two_clients}, {output_waits},
	{the_last_client_leaves}, {input}, {input_that_is_refused}, {terminal}, {the_command_ends},
	{too_many_clients}, {log_lines}, {log_keeps_the_newest})
