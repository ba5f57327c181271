// SPDX-License-Identifier: Apache-2.0
// Tests of devices/vsock.h: what a guest may not send, and the buffers it may not offer.
#include "devices/vsock.h"

#include "tests/lib/suite.h"
#include "tests/lib/vsock_guest.h"

#include <string.h>

START_TEST(request_for_a_connection_that_stands)
{
	int fd;

	setup();
	fd = connected();
	send_op(VIRTIO_VSOCK_OP_REQUEST, 0);
	expect_op(VIRTIO_VSOCK_OP_RST);
	ck_assert_uint_eq(count_conns(), 0);
	expect_host_eof(fd);
	close(fd);
	teardown();
}
END_TEST

START_TEST(unknown_op)
{
	int fd;

	setup();
	fd = connected();
	send_op(99, 0);
	expect_op(VIRTIO_VSOCK_OP_RST);
	close(fd);
	teardown();
}
END_TEST

START_TEST(refusals_wait_for_buffers)
{
	struct virtio_vsock_hdr hdr = header(VIRTIO_VSOCK_OP_RW, 1, 2);
	uint32_t id, used, served = 0, refused = 0;

	setup_inactive();
	start();
	memcpy(fake_ptr(&f, tx_gpa), &hdr, HDR);
	for (int i = 0; i < 200; i++)
		fake_add(&f.queues[VSOCK_TX], &(struct fake_buf){tx_gpa, HDR, false}, 1);
	fake_kick(&f, VSOCK_TX);
	while (fake_used(&f.queues[VSOCK_TX], &id, &used))
		served++;
	ck_assert_uint_eq(served, VSOCK_REPLIES_MAX);
	post_rx(4);
	while (receive())
		refused++;
	ck_assert_uint_eq(refused, 200);
	teardown();
}
END_TEST

static void expect_broken(int fd)
{
	ck_assert(atomic_load(&dev->broken));
	ck_assert_uint_eq(f.config_signals, 1);
	expect_host_eof(fd);
	ck_assert_uint_eq(count_conns(), 0);
	close(fd);
	loop_step(&loop);
	fake_driver_reset(&f);
	start();
	post_rx(16);
	close(connected());
	teardown();
}

START_TEST(packet_shorter_than_a_header)
{
	int fd;

	setup();
	fd = connected();
	fake_add(&f.queues[VSOCK_TX], &(struct fake_buf){tx_gpa, HDR - 1, false}, 1);
	fake_kick(&f, VSOCK_TX);
	expect_broken(fd);
}
END_TEST

START_TEST(payload_shorter_than_told)
{
	struct virtio_vsock_hdr hdr = header(VIRTIO_VSOCK_OP_RW, GUEST_PORT, HOST_PORT);
	int fd;

	setup();
	fd = connected();
	hdr.len = 11;
	send_packet(&hdr, "0123456789", 10);
	expect_broken(fd);
}
END_TEST

START_TEST(rx_buffer_too_small)
{
	int fd;

	setup_inactive();
	start();
	post_rx(1);
	send_op(VIRTIO_VSOCK_OP_REQUEST, 0);
	fd = host->peer;
	fake_add(&f.queues[VSOCK_RX], &(struct fake_buf){rx_gpa, HDR - 1, true}, 1);
	fake_kick(&f, VSOCK_RX);
	send_op(VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0);
	expect_broken(fd);
}
END_TEST

START_TEST(rx_buffer_without_room_for_data)
{
	int fd;

	setup_inactive();
	start();
	post_rx(1);
	send_op(VIRTIO_VSOCK_OP_REQUEST, 0);
	fd = host->peer;
	fake_add(&f.queues[VSOCK_RX], &(struct fake_buf){rx_gpa, HDR, true}, 1);
	fake_kick(&f, VSOCK_RX);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	loop_step(&loop);
	expect_broken(fd);
}
END_TEST

START_TEST(bad_ring)
{
	int fd;

	setup();
	fd = connected();
	f.queues[VSOCK_TX].avail->idx = 1000;
	fake_kick(&f, VSOCK_TX);
	expect_broken(fd);
}
END_TEST

SUITE("vsock_faults", request_for_a_connection_that_stands, unknown_op, refusals_wait_for_buffers,
	packet_shorter_than_a_header, payload_shorter_than_told, rx_buffer_too_small,
	rx_buffer_without_room_for_data, bad_ring)
