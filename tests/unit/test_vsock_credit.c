// SPDX-License-Identifier: Apache-2.0
// Tests of devices/vsock.h: credit of both sides, also at its limits.
#include "devices/vsock.h"

#include "tests/lib/suite.h"
#include "tests/lib/vsock_guest.h"

#include <string.h>
#include <sys/socket.h>

START_TEST(slow_host_stops_the_guest)
{
	uint32_t told = 0, sent;
	int fd;

	setup();
	fd = connected();
	sent = send_until_full(&told);
	ck_assert_uint_ge(sent, 2 * VSOCK_BUF);
	ck_assert_uint_eq(sent - told, VSOCK_BUF);
	host_reads(fd, sent);
	/* The room is told without being asked for. */
	loop_step(&loop);
	ck_assert(receive());
	ck_assert_uint_eq(got.hdr.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	while (receive())
		;
	ck_assert_uint_eq(got.hdr.fwd_cnt, sent);
	close(fd);
	teardown();
}
END_TEST

START_TEST(credit_ignored)
{
	uint32_t told = 0;
	int fd;

	setup();
	fd = connected();
	send_until_full(&told);
	send_data("x", 1);
	expect_op(VIRTIO_VSOCK_OP_RST);
	ck_assert_uint_eq(count_conns(), 0);
	close(fd);
	teardown();
}
END_TEST

START_TEST(too_much_at_once)
{
	static uint8_t data[VSOCK_BUF + 1];
	int fd;

	setup();
	fd = connected();
	send_data(data, VSOCK_BUF + 1);
	expect_op(VIRTIO_VSOCK_OP_RST);
	close(fd);
	teardown();
}
END_TEST

START_TEST(credit_asked_and_told)
{
	int fd;

	setup();
	fd = connected();
	send_data("abc", 3);
	ck_assert(!receive());
	send_op(VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
	expect_op(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	ck_assert_uint_eq(got.hdr.fwd_cnt, 3);
	close(fd);
	teardown();
}
END_TEST

START_TEST(guest_credit_is_honoured)
{
	int fd;

	setup();
	guest_buf = 10;
	fd = connected();
	host_write(fd, "0123456789abcdefghijXYZ");
	expect_data("0123456789");
	expect_op(VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	ck_assert(!receive());
	guest_fwd = 4;
	send_op(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	expect_data("abcd");
	expect_op(VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	/*
	 * A buffer that shrinks below what is in flight is no credit, not a lot. Nor is an answer
	 * without credit asked for again: the two sides would never end.
	 */
	guest_buf = 2;
	send_op(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	ck_assert(!receive());
	guest_buf = 100;
	guest_fwd = 14;
	send_op(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	expect_data("efghijXYZ");
	ck_assert(!receive());
	close(fd);
	teardown();
}
END_TEST

/* At its limits */

START_TEST(counters_wrap_to_the_guest)
{
	int fd;

	setup();
	guest_buf = 50000;
	fd = connected();
	the_conn(GUEST_PORT)->sent_cnt = the_conn(GUEST_PORT)->peer_fwd_cnt = guest_fwd =
		UINT32_MAX - 100000;
	stream_to_guest(fd, 300000);
	ck_assert_uint_lt(guest_fwd, 300000);
	close(fd);
	teardown();
}
END_TEST

START_TEST(counters_wrap_to_the_host)
{
	uint32_t told = UINT32_MAX - 200000;
	int fd;

	setup();
	fd = connected();
	the_conn(GUEST_PORT)->fwd_cnt = the_conn(GUEST_PORT)->told_fwd_cnt = told;
	for (int i = 0; i < 10; i++) {
		static uint8_t data[60000], back[60000];
		size_t taken = 0;

		send_data(data, sizeof(data));
		while (taken < sizeof(data)) {
			ssize_t n = recv(fd, back, sizeof(back), MSG_DONTWAIT);

			ck_assert_int_gt(n, 0);
			taken += (size_t)n;
			loop_step(&loop);
		}
		expect_op(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		told += sizeof(data);
		ck_assert_uint_eq(got.hdr.fwd_cnt, told);
	}
	close(fd);
	teardown();
}
END_TEST

START_TEST(credit_of_a_byte)
{
	int fd;

	setup();
	guest_buf = 1;
	fd = connected();
	stream_to_guest(fd, 50);
	close(fd);
	teardown();
}
END_TEST

START_TEST(credit_of_4_gib)
{
	int fd;

	setup();
	guest_buf = UINT32_MAX;
	fd = connected();
	stream_to_guest(fd, 1 << 20);
	close(fd);
	teardown();
}
END_TEST

START_TEST(credit_that_lies)
{
	int fd;

	setup();
	fd = connected();
	/* Confirms what was never sent: that is no credit, and nobody else's trouble. */
	guest_fwd = 1000;
	send_op(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	host_write(fd, "hello");
	expect_op(VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	ck_assert(!receive());
	close(fd);
	teardown();
}
END_TEST

SUITE("vsock_credit", slow_host_stops_the_guest, credit_ignored, too_much_at_once,
	credit_asked_and_told, guest_credit_is_honoured, counters_wrap_to_the_guest,
	counters_wrap_to_the_host, credit_of_a_byte, credit_of_4_gib, credit_that_lies)
