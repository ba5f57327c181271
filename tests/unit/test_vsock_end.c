// SPDX-License-Identifier: Apache-2.0
// Tests of devices/vsock.h: how connections end, and what a pause holds back.
#include "devices/vsock.h"

#include "tests/lib/suite.h"
#include "tests/lib/vsock_guest.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

START_TEST(host_half_closes)
{
	int fd;

	setup();
	fd = connected();
	ck_assert_int_eq(write(fd, "last", 4), 4);
	shutdown(fd, SHUT_WR);
	loop_step(&loop);
	expect_data("last");
	expect_shutdown(VIRTIO_VSOCK_SHUTDOWN_SEND);
	/* The other direction goes on. */
	send_data("answer", 6);
	expect_host(fd, "answer");
	loop_step(&loop);
	ck_assert(!receive());
	send_op(VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_BOTH);
	expect_op(VIRTIO_VSOCK_OP_RST);
	expect_host_eof(fd);
	ck_assert_uint_eq(count_conns(), 0);
	close(fd);
	teardown();
}
END_TEST

START_TEST(host_closes_with_data_under_way)
{
	int fd;

	setup();
	fd = connected();
	ck_assert_int_eq(write(fd, "last", 4), 4);
	close(fd);
	/* The guest notices only that its own data is not wanted; it still gets the host's. */
	send_data("too late", 8);
	expect_shutdown(VIRTIO_VSOCK_SHUTDOWN_RCV);
	loop_step(&loop);
	expect_data("last");
	expect_shutdown(VSOCK_SHUTDOWN_BOTH);
	ck_assert(!receive());
	send_op(VIRTIO_VSOCK_OP_RST, 0);
	ck_assert_uint_eq(count_conns(), 0);
	teardown();
}
END_TEST

START_TEST(host_goes_away_after_half_close)
{
	int fd;

	setup();
	fd = connected();
	shutdown(fd, SHUT_WR);
	loop_step(&loop);
	expect_shutdown(VIRTIO_VSOCK_SHUTDOWN_SEND);
	close(fd);
	loop_step(&loop);
	expect_shutdown(VSOCK_SHUTDOWN_BOTH);
	ck_assert(!receive());
	teardown();
}
END_TEST

START_TEST(guest_half_closes)
{
	int fd;

	setup();
	fd = connected();
	send_data("request", 7);
	send_op(VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND);
	expect_host(fd, "request");
	expect_host_eof(fd);
	host_write(fd, "answer");
	expect_data("answer");
	/* It may not send any more. */
	send_data("x", 1);
	expect_op(VIRTIO_VSOCK_OP_RST);
	close(fd);
	teardown();
}
END_TEST

START_TEST(guest_stops_receiving)
{
	int fd;

	setup();
	fd = connected();
	send_op(VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_RCV);
	ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	ck_assert_int_eq(errno, EPIPE);
	loop_step(&loop);
	ck_assert(!receive());
	send_data("still sending", 13);
	expect_host(fd, "still sending");
	close(fd);
	teardown();
}
END_TEST

START_TEST(guest_closes_with_a_full_ring)
{
	uint32_t told = 0, sent;
	int fd;

	setup();
	fd = connected();
	sent = send_until_full(&told);
	send_op(VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUTDOWN_BOTH);
	loop_step(&loop);
	ck_assert(!receive());
	host_reads(fd, sent);
	loop_step(&loop);
	expect_host_eof(fd);
	do
		ck_assert(receive());
	while (got.hdr.op == VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	ck_assert_uint_eq(got.hdr.op, VIRTIO_VSOCK_OP_RST);
	close(fd);
	teardown();
}
END_TEST

START_TEST(guest_resets_with_a_full_ring)
{
	uint32_t told = 0, sent;
	int fd, again;

	setup();
	fd = connected();
	sent = send_until_full(&told);
	send_op(VIRTIO_VSOCK_OP_RST, 0);
	/* The same ports are free for a new one at once. */
	again = connected();
	send_data("new", 3);
	expect_host(again, "new");
	host_reads(fd, sent);
	loop_step(&loop);
	expect_host_eof(fd);
	ck_assert_uint_eq(count_conns(), 1);
	close(again);
	close(fd);
	teardown();
}
END_TEST

START_TEST(device_reset_with_a_full_ring)
{
	uint32_t told = 0, sent;
	int fd;

	setup();
	fd = connected();
	sent = send_until_full(&told);
	fake_driver_reset(&f);
	host_reads(fd, sent);
	loop_step(&loop);
	expect_host_eof(fd);
	ck_assert_uint_eq(count_conns(), 0);
	close(fd);
	start();
	post_rx(16);
	fd = connected();
	close(fd);
	teardown();
}
END_TEST

START_TEST(closed_by_the_host_and_forgotten)
{
	struct virtio_vsock_hdr hdr;
	int fd;

	setup();
	container_of(dev, struct vsock, dev)->timeout_ms = 100;
	fd = connected();
	ck_assert_int_eq(write(fd, "last", 4), 4);
	close(fd);
	loop_step(&loop);
	expect_data("last");
	/* Both, at once or one after the other. */
	do
		expect_op(VIRTIO_VSOCK_OP_SHUTDOWN);
	while (got.hdr.flags != VSOCK_SHUTDOWN_BOTH);
	ck_assert_uint_eq(count_conns(), 1);
	wait_ms(110);
	ck_assert_uint_eq(count_conns(), 0);
	/* Without a word, and a late answer is none either. */
	ck_assert(!receive());
	send_op(VIRTIO_VSOCK_OP_RST, 0);
	ck_assert(!receive());
	hdr = header(VIRTIO_VSOCK_OP_CREDIT_UPDATE, GUEST_PORT, HOST_PORT);
	send_packet(&hdr, NULL, 0);
	expect_op(VIRTIO_VSOCK_OP_RST);
	teardown();
}
END_TEST

/* A device that rests */

START_TEST(quiesce_takes_what_was_sent)
{
	struct virtio_vsock_hdr hdr = header(VIRTIO_VSOCK_OP_RW, GUEST_PORT, HOST_PORT);
	uint8_t *mem;
	int fd;

	setup();
	fd = connected();
	mem = fake_ptr(&f, tx_gpa);
	hdr.len = 3;
	memcpy(mem, &hdr, HDR);
	memcpy(mem + HDR, "bye", 3);
	fake_add(&f.queues[VSOCK_TX], &(struct fake_buf){tx_gpa, HDR + 3, false}, 1);
	dev->ops->quiesce(dev);
	expect_host(fd, "bye");
	close(fd);
	teardown();
}
END_TEST

/* What the host sends in a pause waits in its socket; guest memory stays as it is. */
START_TEST(host_data_waits_for_the_end_of_a_pause)
{
	uint64_t before = 0, after = 0;
	int fd;

	setup();
	fd = connected();
	fake_driver_pause(&f);
	for (uint64_t i = 0; i < FAKE_RAM_SIZE; i++)
		before += f.ram[i] * (i % 251 + 1);
	ck_assert_int_eq(write(fd, "later", 5), 5);
	loop_step(&loop);
	fake_kick(&f, VSOCK_RX);
	for (uint64_t i = 0; i < FAKE_RAM_SIZE; i++)
		after += f.ram[i] * (i % 251 + 1);
	ck_assert_uint_eq(before, after);
	fake_driver_resume(&f);
	expect_data("later");
	close(fd);
	teardown();
}
END_TEST

SUITE("vsock_end", host_half_closes, host_closes_with_data_under_way,
	host_goes_away_after_half_close, guest_half_closes, guest_stops_receiving,
	guest_closes_with_a_full_ring, guest_resets_with_a_full_ring, device_reset_with_a_full_ring,
	closed_by_the_host_and_forgotten, quiesce_takes_what_was_sent,
	host_data_waits_for_the_end_of_a_pause)
