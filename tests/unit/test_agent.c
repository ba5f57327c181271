// SPDX-License-Identifier: Apache-2.0
// Tests of protocol/agent.h: frames and messages.
#include "protocol/agent.h"

#include "base/le.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_MAX 8192

/* Feed @n bytes to a new reader of messages from @peer and take the first. Return:
 * agent_reader_next()'s. */
static int read_one(enum agent_side peer, const void *data, size_t n, struct agent_msg *ret)
{
	struct agent_reader reader;
	int fds[2], r;

	agent_reader_init(&reader, peer);
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], data, n), n);
	for (size_t filled = 0; filled < n; filled += (size_t)r) {
		r = agent_reader_fill(&reader, fds[0]);
		ck_assert_int_gt(r, 0);
	}
	r = agent_reader_next(&reader, ret);
	/* Once broken, always broken. */
	if (r < 0)
		ck_assert_int_eq(agent_reader_next(&reader, ret), -EPROTO);
	agent_reader_fini(&reader);
	close(fds[0]);
	close(fds[1]);
	return r;
}

static struct agent_msg round_trip(enum agent_side peer, const struct agent_msg *msg)
{
	struct buf buf = BUF_INIT(OUT_MAX);
	struct agent_msg got;

	ck_assert_int_eq(agent_encode(&buf, msg), 0);
	ck_assert_int_eq(read_one(peer, buf.data, buf.len, &got), 1);
	ck_assert_int_eq(got.type, msg->type);
	/* The other side may not send it. */
	ck_assert_int_eq(
		read_one(peer == AGENT_GUEST ? AGENT_HOST : AGENT_GUEST, buf.data, buf.len, &got),
		-EPROTO);
	ck_assert_int_eq(read_one(peer, buf.data, buf.len, &got), 1);
	buf_fini(&buf);
	return got;
}

START_TEST(messages_round_trip)
{
	struct agent_msg msg = {.type = AGENT_HELLO, .hello = {1, UINT64_MAX}};
	struct agent_msg got = round_trip(AGENT_GUEST, &msg);

	ck_assert_uint_eq(got.hello.init_ns, 1);
	ck_assert_uint_eq(got.hello.dial_ns, UINT64_MAX);

	msg = (struct agent_msg){.type = AGENT_STARTED, .started = {7, 8}};
	got = round_trip(AGENT_GUEST, &msg);
	ck_assert_uint_eq(got.started.pid, 7);
	ck_assert_uint_eq(got.started.exec_ns, 8);

	msg = (struct agent_msg){.type = AGENT_FAILED, .failed = {127, "x: not found"}};
	got = round_trip(AGENT_GUEST, &msg);
	ck_assert_uint_eq(got.failed.code, 127);
	ck_assert_str_eq(got.failed.message, "x: not found");

	msg = (struct agent_msg){.type = AGENT_EXITED, .exited = {0, 9}};
	got = round_trip(AGENT_GUEST, &msg);
	ck_assert_uint_eq(got.exited.code, 0);
	ck_assert_uint_eq(got.exited.signal, 9);

	msg = (struct agent_msg){.type = AGENT_SIGNAL, .signal = {15, true}};
	got = round_trip(AGENT_HOST, &msg);
	ck_assert_uint_eq(got.signal.signo, 15);
	ck_assert(got.signal.to_group);

	msg = (struct agent_msg){.type = AGENT_RESIZE, .resize = {24, 65535}};
	got = round_trip(AGENT_HOST, &msg);
	ck_assert_uint_eq(got.resize.rows, 24);
	ck_assert_uint_eq(got.resize.cols, 65535);

	msg = (struct agent_msg){.type = AGENT_SHUTDOWN};
	round_trip(AGENT_HOST, &msg);
}
END_TEST

START_TEST(requests_round_trip)
{
	struct agent_msg msg = {.type = AGENT_EXITED, .id = 65535, .exited = {3, 0}};
	struct agent_msg got = round_trip(AGENT_GUEST, &msg);

	ck_assert_uint_eq(got.id, 65535);
	msg = (struct agent_msg){.type = AGENT_FREEZE, .id = 1, .freeze.on = true};
	got = round_trip(AGENT_HOST, &msg);
	ck_assert_uint_eq(got.id, 1);
	ck_assert(got.freeze.on);
	msg.freeze.on = false;
	ck_assert(!round_trip(AGENT_HOST, &msg).freeze.on);

	msg = (struct agent_msg){.type = AGENT_STATS, .id = 2};
	ck_assert_uint_eq(round_trip(AGENT_HOST, &msg).id, 2);

	msg = (struct agent_msg){
		.type = AGENT_ARCHIVE, .id = 3, .archive = {1025, true, "/etc/passwd"}};
	got = round_trip(AGENT_HOST, &msg);
	ck_assert_uint_eq(got.archive.port, 1025);
	ck_assert(got.archive.put);
	ck_assert_str_eq(got.archive.path, "/etc/passwd");
	memset(msg.archive.path, '/', AGENT_CWD_MAX);
	ck_assert_uint_eq(strlen(round_trip(AGENT_HOST, &msg).archive.path), AGENT_CWD_MAX);

	msg = (struct agent_msg){.type = AGENT_RESULT, .id = 4};
	ck_assert_str_eq(round_trip(AGENT_GUEST, &msg).result.message, "");
	msg.result = (struct agent_result){ENOENT, "/x: not found"};
	got = round_trip(AGENT_GUEST, &msg);
	ck_assert_uint_eq(got.result.code, ENOENT);
	ck_assert_str_eq(got.result.message, "/x: not found");
}
END_TEST

/* Each number has its place. */
START_TEST(usage_round_trip)
{
	struct agent_msg msg = {.type = AGENT_USAGE, .id = 1};
	struct agent_msg got;

	msg.usage = (struct agent_usage){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, UINT64_MAX};
	got = round_trip(AGENT_GUEST, &msg);
	ck_assert_mem_eq(&got.usage, &msg.usage, sizeof(msg.usage));
}
END_TEST

START_TEST(longest_message)
{
	struct agent_msg msg = {.type = AGENT_FAILED, .failed.code = 125};
	struct agent_msg got;

	memset(msg.failed.message, 'm', AGENT_TEXT_MAX);
	got = round_trip(AGENT_GUEST, &msg);
	ck_assert_str_eq(got.failed.message, msg.failed.message);
	ck_assert_uint_eq(strlen(got.failed.message), AGENT_TEXT_MAX);
}
END_TEST

START_TEST(encoder_refuses)
{
	const struct agent_msg bad[] = {
		{.type = AGENT_FAILED, .failed = {124, "x"}},
		{.type = AGENT_FAILED, .failed = {128, "x"}},
		{.type = AGENT_FAILED, .failed = {125, ""}},
		{.type = AGENT_EXITED, .exited = {256, 0}},
		{.type = AGENT_EXITED, .exited = {0, 65}},
		{.type = AGENT_EXITED, .exited = {1, 1}},
		{.type = AGENT_SIGNAL, .signal = {0, false}},
		{.type = AGENT_SIGNAL, .signal = {65, false}},
		{.type = AGENT_START},
		{.type = AGENT_EXEC, .id = 1},
		{.type = AGENT_STATS},
		{.type = AGENT_SHUTDOWN, .id = 1},
		{.type = AGENT_ARCHIVE, .id = 1, .archive = {1025, false, ""}},
		{.type = AGENT_ARCHIVE, .id = 1, .archive = {1025, false, "etc"}},
		{.type = AGENT_ARCHIVE, .id = 1, .archive = {0, false, "/"}},
		{.type = AGENT_ARCHIVE, .id = 1, .archive = {AGENT_PORT, false, "/"}},
		{.type = AGENT_RESULT, .id = 1, .result = {1, ""}},
		{.type = AGENT_RESULT, .id = 1, .result = {0, "fine"}},
		{.type = AGENT_RESULT, .id = 1, .result = {AGENT_ERRNO_MAX + 1, "x"}},
		{.type = (enum agent_type)99},
	};
	struct buf buf = BUF_INIT(OUT_MAX);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(agent_encode(&buf, &bad[i]), -EINVAL);
	ck_assert_uint_eq(buf.len, 0);
	buf_fini(&buf);
}
END_TEST

/* One frame of @type with @payload. Return: what a reader of @peer says. */
static int frame_result(
	enum agent_side peer, uint32_t type, uint32_t process, const void *payload, uint32_t len)
{
	uint8_t frame[AGENT_HEADER_SIZE + 600];
	struct agent_msg msg;

	le32_store(frame, len);
	le16_store(frame + 4, (uint16_t)type);
	le16_store(frame + 6, (uint16_t)process);
	memcpy(frame + AGENT_HEADER_SIZE, payload, len);
	return read_one(peer, frame, AGENT_HEADER_SIZE + len, &msg);
}

START_TEST(decoder_refuses_headers)
{
	uint8_t payload[600] = {0};

	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_SHUTDOWN, 0, payload, 0), 1);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_SHUTDOWN, 1, payload, 0), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_SHUTDOWN, 0, payload, 1), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_HOST, 0, 0, payload, 0), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_USAGE + 1, 1, payload, 0), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_STATS, 65535, payload, 0), 1);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_STATS, 0, payload, 0), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_EXEC, 1, payload, 0), 1);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_EXEC, 0, payload, 0), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_START, 1, payload, 0), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_RESIZE, 1, payload, 4), 1);
	ck_assert_int_eq(frame_result(AGENT_HOST, 65535, 0, payload, 0), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_RESIZE, 0, payload, 3), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_RESIZE, 0, payload, 5), -EPROTO);
}
END_TEST

START_TEST(decoder_refuses_lengths_at_once)
{
	/* The header alone: the reader must not wait for what it would refuse. */
	uint8_t header[AGENT_HEADER_SIZE] = {0};
	struct agent_msg msg;

	le32_store(header, AGENT_FRAME_MAX);
	le16_store(header + 4, AGENT_START);
	ck_assert_int_eq(read_one(AGENT_HOST, header, sizeof(header), &msg), 0);
	le32_store(header, AGENT_FRAME_MAX + 1);
	ck_assert_int_eq(read_one(AGENT_HOST, header, sizeof(header), &msg), -EPROTO);
	le32_store(header, UINT32_MAX);
	ck_assert_int_eq(read_one(AGENT_HOST, header, sizeof(header), &msg), -EPROTO);
}
END_TEST

START_TEST(decoder_refuses_hello)
{
	uint8_t good[24] = {0}, bad[24];

	le32_store(good, AGENT_MAGIC);
	le16_store(good + 4, AGENT_VERSION);
	ck_assert_mem_eq(good, "hull", 4);
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_HELLO, 0, good, 24), 1);
	memcpy(bad, good, 24);
	bad[0]++;
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_HELLO, 0, bad, 24), -EPROTO);
	memcpy(bad, good, 24);
	bad[4]++;
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_HELLO, 0, bad, 24), -EPROTO);
	memcpy(bad, good, 24);
	bad[6]++;
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_HELLO, 0, bad, 24), -EPROTO);
}
END_TEST

START_TEST(decoder_refuses_values)
{
	uint8_t p[600] = {0};

	le32_store(p, 125);
	memset(p + 4, 'm', 596);
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_FAILED, 0, p, 4 + AGENT_TEXT_MAX), 1);
	ck_assert_int_eq(
		frame_result(AGENT_GUEST, AGENT_FAILED, 0, p, 5 + AGENT_TEXT_MAX), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_FAILED, 0, p, 4), -EPROTO);
	p[10] = 0;
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_FAILED, 0, p, 20), -EPROTO);
	p[10] = 'm';
	le32_store(p, 0);
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_FAILED, 0, p, 20), -EPROTO);

	memset(p, 0, sizeof(p));
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_STARTED, 0, p, 16), 1);
	p[4] = 1;
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_STARTED, 0, p, 16), -EPROTO);

	memset(p, 0, sizeof(p));
	le32_store(p, 255);
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_EXITED, 0, p, 8), 1);
	le32_store(p, 256);
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_EXITED, 0, p, 8), -EPROTO);
	le32_store(p, 1);
	le32_store(p + 4, 1);
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_EXITED, 0, p, 8), -EPROTO);

	memset(p, 0, sizeof(p));
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_SIGNAL, 0, p, 8), -EPROTO);
	le32_store(p, 64);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_SIGNAL, 0, p, 8), 1);
	le32_store(p, 65);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_SIGNAL, 0, p, 8), -EPROTO);
	le32_store(p, 64);
	le32_store(p + 4, 2);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_SIGNAL, 0, p, 8), -EPROTO);
}
END_TEST

START_TEST(decoder_refuses_requests)
{
	uint8_t p[600] = {1};

	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_FREEZE, 1, p, 4), 1);
	p[0] = 2;
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_FREEZE, 1, p, 4), -EPROTO);

	memset(p, 0, sizeof(p));
	le32_store(p, 1025);
	memcpy(p + 8, "/a/b", 4);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_ARCHIVE, 1, p, 12), 1);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_ARCHIVE, 1, p, 13), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_ARCHIVE, 1, p, 8), -EPROTO);
	p[4] = 2;
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_ARCHIVE, 1, p, 12), -EPROTO);
	p[4] = 1;
	p[8] = 'a';
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_ARCHIVE, 1, p, 12), -EPROTO);
	p[8] = '/';
	le32_store(p, AGENT_PORT);
	ck_assert_int_eq(frame_result(AGENT_HOST, AGENT_ARCHIVE, 1, p, 12), -EPROTO);

	memset(p, 0, sizeof(p));
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_RESULT, 1, p, 4), 1);
	p[4] = 'm';
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_RESULT, 1, p, 5), -EPROTO);
	p[0] = 1;
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_RESULT, 1, p, 5), 1);
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_RESULT, 1, p, 4), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_RESULT, 1, p, 6), -EPROTO);
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_RESULT, 0, p, 5), -EPROTO);
	le32_store(p, AGENT_ERRNO_MAX + 1);
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_RESULT, 1, p, 5), -EPROTO);

	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_USAGE, 1, p, 104), 1);
	ck_assert_int_eq(frame_result(AGENT_GUEST, AGENT_USAGE, 1, p, 96), -EPROTO);
}
END_TEST

START_TEST(byte_by_byte)
{
	const struct agent_msg sent = {.type = AGENT_EXITED, .exited = {3, 0}};
	struct buf buf = BUF_INIT(OUT_MAX);
	struct agent_reader reader;
	struct agent_msg msg;
	int fds[2], taken = 0;

	ck_assert_int_eq(pipe(fds), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(agent_encode(&buf, &sent), 0);
	agent_reader_init(&reader, AGENT_GUEST);
	for (size_t i = 0; i < buf.len; i++) {
		ck_assert_int_eq(write(fds[1], buf.data + i, 1), 1);
		ck_assert_int_eq(agent_reader_fill(&reader, fds[0]), 1);
		if (agent_reader_next(&reader, &msg) > 0) {
			taken++;
			ck_assert_uint_eq(i % 16, 15);
			ck_assert_uint_eq(msg.exited.code, 3);
		}
	}
	ck_assert_int_eq(taken, 3);
	close(fds[1]);
	ck_assert_int_eq(agent_reader_fill(&reader, fds[0]), 0);
	close(fds[0]);
	agent_reader_fini(&reader);
	buf_fini(&buf);
}
END_TEST

/* The largest frame fits the reader, however it's cut. */
START_TEST(largest_frame)
{
	static uint8_t frame[AGENT_HEADER_SIZE + AGENT_FRAME_MAX];
	struct agent_reader reader;
	struct agent_msg msg;
	size_t sent = 0;
	int fds[2], r = 0;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	le32_store(frame, AGENT_FRAME_MAX);
	le16_store(frame + 4, AGENT_START);
	agent_reader_init(&reader, AGENT_HOST);
	ck_assert_int_eq(agent_reader_fill(&reader, fds[0]), -EAGAIN);
	while (r == 0) {
		ssize_t n = write(fds[1], frame + sent, sizeof(frame) - sent);

		if (n > 0)
			sent += (size_t)n;
		ck_assert_int_gt(agent_reader_fill(&reader, fds[0]), 0);
		r = agent_reader_next(&reader, &msg);
	}
	ck_assert_int_eq(r, 1);
	ck_assert_uint_eq(msg.spec.len, AGENT_FRAME_MAX);
	agent_reader_fini(&reader);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(flush_in_parts)
{
	static uint8_t data[2 << 20], got[2 << 20];
	struct buf out = BUF_INIT(sizeof(data));
	size_t total = 0;
	int fds[2], r;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	ck_assert_int_eq(agent_flush(&out, fds[0]), 1);
	ck_assert_int_eq(buf_add(&out, data, sizeof(data)), 0);
	do {
		ssize_t n;

		r = agent_flush(&out, fds[0]);
		ck_assert_int_ge(r, 0);
		while ((n = read(fds[1], got + total, sizeof(got) - total)) > 0)
			total += (size_t)n;
	} while (r == 0);
	ck_assert_uint_eq(total, sizeof(data));
	ck_assert_mem_eq(data, got, sizeof(data));
	close(fds[1]);
	ck_assert_int_eq(buf_add(&out, data, 1), 0);
	ck_assert_int_eq(agent_flush(&out, fds[0]), -EPIPE);
	close(fds[0]);
	buf_fini(&out);
}
END_TEST

SUITE("agent", messages_round_trip, requests_round_trip, usage_round_trip, longest_message,
	encoder_refuses, decoder_refuses_headers, decoder_refuses_lengths_at_once,
	decoder_refuses_hello, decoder_refuses_values, decoder_refuses_requests, byte_by_byte,
	largest_frame, flush_in_parts)
