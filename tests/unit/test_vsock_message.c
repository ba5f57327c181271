// SPDX-License-Identifier: Apache-2.0
// Tests of SEQPACKET connections of devices/vsock.h.
#include "devices/vsock.h"

#include "tests/lib/suite.h"
#include "tests/lib/vsock_guest.h"

#define EOM VIRTIO_VSOCK_SEQ_EOM
#define EOR VIRTIO_VSOCK_SEQ_EOR
#define SEQ_FEATURES (FEATURES | UINT64_C(1) << VIRTIO_VSOCK_F_SEQPACKET)

static void setup_seq(void)
{
	setup_inactive();
	start_with(SEQ_FEATURES);
	post_rx(128);
}

static struct virtio_vsock_hdr seq_header(uint16_t op)
{
	struct virtio_vsock_hdr hdr = header(op, GUEST_PORT, HOST_PORT);

	hdr.type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	return hdr;
}

static void send_seq(uint16_t op, uint32_t flags)
{
	struct virtio_vsock_hdr hdr = seq_header(op);

	hdr.flags = flags;
	send_packet(&hdr, NULL, 0);
}

/* A piece of a message. */
static void send_piece(const void *data, uint32_t len, uint32_t flags)
{
	struct virtio_vsock_hdr hdr = seq_header(VIRTIO_VSOCK_OP_RW);

	hdr.len = len;
	hdr.flags = flags;
	send_packet(&hdr, data, len);
}

static void expect_seq(uint16_t op)
{
	ck_assert_msg(receive(), "no packet, op %d expected", op);
	ck_assert_uint_eq(got.hdr.op, op);
	ck_assert_uint_eq(got.hdr.type, VIRTIO_VSOCK_TYPE_SEQPACKET);
}

static void expect_piece(const void *data, uint32_t len, uint32_t flags)
{
	expect_seq(VIRTIO_VSOCK_OP_RW);
	ck_assert_uint_eq(got.hdr.len, len);
	ck_assert_uint_eq(got.hdr.flags, flags);
	ck_assert(!memcmp(got.data, data, len));
}

static int connected_seq(void)
{
	send_seq(VIRTIO_VSOCK_OP_REQUEST, 0);
	expect_seq(VIRTIO_VSOCK_OP_RESPONSE);
	return host->peer;
}

static void expect_nothing(int fd)
{
	char byte;

	ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EAGAIN);
}

START_TEST(messages_to_the_host)
{
	int fd;

	setup_seq();
	fd = connected_seq();
	send_piece("one", 3, EOM);
	send_piece("two", 3, EOM | EOR);
	send_piece("in ", 3, 0);
	send_piece("three ", 6, 0);
	expect_host(fd, "one");
	expect_host(fd, "two");
	expect_nothing(fd);
	send_piece("pieces", 6, EOM);
	expect_host(fd, "in three pieces");
	/* The end may come alone. */
	send_piece("x", 1, 0);
	send_piece(NULL, 0, EOM);
	expect_host(fd, "x");
	/* An empty one is none. */
	send_piece(NULL, 0, EOM);
	expect_nothing(fd);
	send_piece("y", 1, EOM);
	expect_host(fd, "y");
	close(fd);
	teardown();
}
END_TEST

START_TEST(messages_to_the_guest)
{
	int fd;

	setup_seq();
	fd = connected_seq();
	ck_assert_int_eq(send(fd, "one", 3, 0), 3);
	ck_assert_int_eq(send(fd, "two", 3, 0), 3);
	loop_step(&loop);
	expect_piece("one", 3, EOM);
	expect_piece("two", 3, EOM);
	ck_assert(!receive());
	close(fd);
	teardown();
}
END_TEST

START_TEST(large_message_to_the_guest)
{
	static uint8_t data[VSOCK_MESSAGE_MAX];
	uint32_t taken = 0;
	int fd;

	setup_seq();
	fd = connected_seq();
	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	ck_assert_int_eq(send(fd, data, sizeof(data), 0), sizeof(data));
	ck_assert_int_eq(send(fd, "next", 4, 0), 4);
	loop_step(&loop);
	while (taken < sizeof(data)) {
		expect_seq(VIRTIO_VSOCK_OP_RW);
		ck_assert(!memcmp(got.data, data + taken, got.hdr.len));
		taken += got.hdr.len;
		ck_assert_uint_eq(got.hdr.flags, taken == sizeof(data) ? EOM : 0);
	}
	expect_piece("next", 4, EOM);
	close(fd);
	teardown();
}
END_TEST

START_TEST(message_waits_for_credit)
{
	int fd;

	setup_seq();
	guest_buf = 8;
	fd = connected_seq();
	ck_assert_int_eq(send(fd, "12345", 5, 0), 5);
	ck_assert_int_eq(send(fd, "abcdef", 6, 0), 6);
	loop_step(&loop);
	expect_piece("12345", 5, EOM);
	expect_piece("abc", 3, 0);
	expect_seq(VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	ck_assert(!receive());
	guest_fwd = 5;
	send_seq(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	expect_piece("def", 3, EOM);
	ck_assert(!receive());
	close(fd);
	teardown();
}
END_TEST

START_TEST(message_larger_than_the_guests_buffer)
{
	int fd;

	setup_seq();
	guest_buf = 4;
	fd = connected_seq();
	ck_assert_int_eq(send(fd, "12345", 5, 0), 5);
	loop_step(&loop);
	expect_seq(VIRTIO_VSOCK_OP_RST);
	expect_host_eof(fd);
	ck_assert_uint_eq(count_conns(), 0);
	close(fd);
	teardown();
}
END_TEST

START_TEST(message_larger_than_any)
{
	static uint8_t data[VSOCK_MESSAGE_MAX + 1];
	int fd;

	setup_seq();
	fd = connected_seq();
	ck_assert_int_eq(send(fd, data, sizeof(data), 0), sizeof(data));
	loop_step(&loop);
	expect_seq(VIRTIO_VSOCK_OP_RST);
	close(fd);
	teardown();
}
END_TEST

START_TEST(guests_message_too_large)
{
	static uint8_t data[VSOCK_BUF];
	int fd;

	setup_seq();
	fd = connected_seq();
	send_piece(data, VSOCK_BUF, 0);
	ck_assert(!receive());
	send_piece("x", 1, EOM);
	expect_seq(VIRTIO_VSOCK_OP_RST);
	expect_host_eof(fd);
	close(fd);
	teardown();
}
END_TEST

/* Messages of many sizes, more than the host's socket takes. */
START_TEST(slow_host)
{
	static uint8_t data[5000], back[sizeof(data) + 1];
	uint32_t told = 0, sent = 0, count = 0, seen = 0;
	int fd;

	setup_seq();
	fd = connected_seq();
	for (;;) {
		uint32_t len = 1 + count * 37 % 4999;

		if (VSOCK_BUF - (sent - told) < len)
			break;
		memset(data, (int)count, len);
		send_piece(data, len, EOM);
		sent += len;
		count++;
		while (receive()) {
			ck_assert_uint_eq(got.hdr.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			told = got.hdr.fwd_cnt;
		}
	}
	ck_assert_uint_gt(count, 20);
	while (seen < count) {
		ssize_t n = recv(fd, back, sizeof(back), MSG_DONTWAIT);

		if (n < 0) {
			loop_step(&loop);
			n = recv(fd, back, sizeof(back), MSG_DONTWAIT);
		}
		ck_assert_int_eq(n, 1 + seen * 37 % 4999);
		ck_assert_uint_eq(back[0], (uint8_t)seen);
		ck_assert_uint_eq(back[n - 1], (uint8_t)seen);
		seen++;
	}
	expect_nothing(fd);
	close(fd);
	teardown();
}
END_TEST

START_TEST(end_of_the_guest)
{
	int fd;

	setup_seq();
	fd = connected_seq();
	send_piece("whole", 5, EOM);
	send_piece("part", 4, 0);
	send_seq(VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_BOTH);
	expect_seq(VIRTIO_VSOCK_OP_RST);
	expect_host(fd, "whole");
	expect_host_eof(fd);
	ck_assert_uint_eq(count_conns(), 0);
	close(fd);
	teardown();
}
END_TEST

START_TEST(end_of_the_host)
{
	int fd;

	setup_seq();
	fd = connected_seq();
	/* An empty message isn't the end. */
	ck_assert_int_eq(send(fd, "", 0, 0), 0);
	loop_step(&loop);
	ck_assert(!receive());
	ck_assert_int_eq(send(fd, "last", 4, 0), 4);
	shutdown(fd, SHUT_WR);
	loop_step(&loop);
	expect_piece("last", 4, EOM);
	expect_seq(VIRTIO_VSOCK_OP_SHUTDOWN);
	ck_assert_uint_eq(got.hdr.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	send_piece("answer", 6, EOM);
	expect_host(fd, "answer");
	close(fd);
	teardown();
}
END_TEST

START_TEST(host_connects)
{
	struct virtio_vsock_hdr hdr;
	int fd;

	setup_seq();
	fd = fake_stream_incoming_type(host, 99, true);
	expect_seq(VIRTIO_VSOCK_OP_REQUEST);
	hdr = header(VIRTIO_VSOCK_OP_RESPONSE, 99, VSOCK_HOST_PORT_FIRST);
	hdr.type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	send_packet(&hdr, NULL, 0);
	ck_assert_int_eq(send(fd, "hello", 5, 0), 5);
	loop_step(&loop);
	expect_piece("hello", 5, EOM);
	close(fd);
	teardown();
}
END_TEST

START_TEST(not_negotiated)
{
	setup();
	send_seq(VIRTIO_VSOCK_OP_REQUEST, 0);
	expect_seq(VIRTIO_VSOCK_OP_RST);
	ck_assert_int_eq(host->peer, -1);
	teardown();
}
END_TEST

START_TEST(types_are_kept_apart)
{
	int fd;

	setup_seq();
	fd = connected_seq();
	/* A stream's data, and a stream's request, for the same ports. */
	send_data("x", 1);
	expect_op(VIRTIO_VSOCK_OP_RST);
	send_op(VIRTIO_VSOCK_OP_REQUEST, 0);
	expect_op(VIRTIO_VSOCK_OP_RST);
	expect_nothing(fd);
	send_piece("y", 1, EOM);
	expect_host(fd, "y");
	close(fd);
	teardown();
}
END_TEST

SUITE("vsock_message", messages_to_the_host, messages_to_the_guest, large_message_to_the_guest,
	message_waits_for_credit, message_larger_than_the_guests_buffer, message_larger_than_any,
	guests_message_too_large, slow_host, end_of_the_guest, end_of_the_host, host_connects,
	not_negotiated, types_are_kept_apart)
