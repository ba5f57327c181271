// SPDX-License-Identifier: Apache-2.0
// Tests of devices/vsock.h: connections of the guest and of the host, and how many.
#include "devices/vsock.h"

#include "tests/lib/suite.h"
#include "tests/lib/vsock_guest.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

START_TEST(counts)
{
	const uint64_t *n;
	int fd;

	setup();
	n = dev->counters;
	fd = connected();
	send_data("hello", 5);
	host_write(fd, "wor");
	expect_data("wor");
	ck_assert_uint_eq(n[VSOCK_CONNS_ADDED], 1);
	ck_assert_uint_eq(n[VSOCK_CONNS_REMOVED], 0);
	ck_assert_uint_eq(n[VSOCK_TX_BYTES], 5);
	ck_assert_uint_eq(n[VSOCK_TX_PACKETS], 2);
	ck_assert_uint_eq(n[VSOCK_RX_BYTES], 3);
	ck_assert_uint_eq(n[VSOCK_RX_PACKETS], 2);
	send_op(VIRTIO_VSOCK_OP_RST, 0);
	ck_assert_uint_eq(n[VSOCK_CONNS_REMOVED], 1);
	ck_assert_uint_eq(n[VSOCK_TX_BROKEN], 0);
	close(fd);
	teardown();
}
END_TEST

START_TEST(config_space)
{
	uint64_t cid = 0;
	struct virtio_dev *none = NULL;

	setup();
	dev->ops->read_config(dev, 0, &cid, 8);
	ck_assert_uint_eq(cid, CID);
	ck_assert_int_eq(vsock_new(&loop, 2, &host->backend, &none), -EINVAL);
	ck_assert_int_eq(vsock_new(&loop, UINT32_MAX, &host->backend, &none), -EINVAL);
	teardown();
}
END_TEST

START_TEST(guest_connects_and_talks)
{
	int fd;

	setup();
	fd = connected();
	ck_assert_uint_eq(host->port, HOST_PORT);
	ck_assert_uint_eq(got.hdr.src_port, HOST_PORT);
	ck_assert_uint_eq(got.hdr.dst_port, GUEST_PORT);
	ck_assert_uint_eq(got.hdr.buf_alloc, VSOCK_BUF);
	send_data("hello", 5);
	expect_host(fd, "hello");
	host_write(fd, "world");
	expect_data("world");
	ck_assert_uint_eq(got.hdr.fwd_cnt, 5);
	ck_assert(!receive());
	close(fd);
	teardown();
}
END_TEST

START_TEST(framing_means_nothing)
{
	struct virtio_vsock_hdr hdr, in;
	uint8_t *mem;
	uint64_t gpa;
	uint32_t id, used;
	int fd;

	setup_inactive();
	start();
	gpa = fake_alloc(&f, 256, 16);
	mem = fake_ptr(&f, gpa);
	/* Rx buffers in pieces that cut the header and the data. */
	for (unsigned int i = 0; i < 2; i++)
		fake_add(&f.queues[VSOCK_RX],
			(const struct fake_buf[]){{gpa + 10, 1, true}, {gpa + 20, 40, true},
				{gpa + 100, 5, true}, {gpa + 150, 2, true}},
			4);
	fake_kick(&f, VSOCK_RX);
	send_op(VIRTIO_VSOCK_OP_REQUEST, 0);
	fd = host->peer;
	ck_assert(fake_used(&f.queues[VSOCK_RX], &id, &used));
	ck_assert_uint_eq(used, HDR);
	hdr = header(VIRTIO_VSOCK_OP_RW, GUEST_PORT, HOST_PORT);
	hdr.len = 4;
	memcpy(mem + 200, (uint8_t *)&hdr, 3);
	memcpy(mem, (uint8_t *)&hdr + 3, HDR - 3);
	memcpy(fake_ptr(&f, tx_gpa), "abcdef", 6);
	fake_add(&f.queues[VSOCK_TX],
		(const struct fake_buf[]){{gpa + 200, 3, false}, {gpa, HDR - 3, false},
			{tx_gpa, 3, false}, {tx_gpa + 3, 3, false}},
		4);
	fake_kick(&f, VSOCK_TX);
	expect_host(fd, "abcd");
	host_write(fd, "12345");
	ck_assert(fake_used(&f.queues[VSOCK_RX], &id, &used));
	/* 48 bytes less the header. */
	ck_assert_uint_eq(used, HDR + 4);
	memcpy((uint8_t *)&in, mem + 10, 1);
	memcpy((uint8_t *)&in + 1, mem + 20, 40);
	memcpy((uint8_t *)&in + 41, mem + 100, 3);
	ck_assert_uint_eq(in.len, 4);
	ck_assert_uint_eq(in.op, VIRTIO_VSOCK_OP_RW);
	ck_assert_mem_eq(mem + 103, "12", 2);
	ck_assert_mem_eq(mem + 150, "34", 2);
	close(fd);
	teardown();
}
END_TEST

START_TEST(refused_connection)
{
	setup();
	host->refuse = ENOENT;
	send_op(VIRTIO_VSOCK_OP_REQUEST, 0);
	expect_op(VIRTIO_VSOCK_OP_RST);
	ck_assert_uint_eq(got.hdr.src_port, HOST_PORT);
	ck_assert_uint_eq(got.hdr.dst_port, GUEST_PORT);
	ck_assert_uint_eq(count_conns(), 0);
	teardown();
}
END_TEST

START_TEST(unknown_connections_get_rst)
{
	struct virtio_vsock_hdr hdr;

	setup();
	send_data("x", 1);
	expect_op(VIRTIO_VSOCK_OP_RST);
	send_op(VIRTIO_VSOCK_OP_SHUTDOWN, 3);
	expect_op(VIRTIO_VSOCK_OP_RST);
	/* But never RST for RST. */
	send_op(VIRTIO_VSOCK_OP_RST, 0);
	ck_assert(!receive());
	/* Somebody else's address, answered in its name. */
	hdr = header(VIRTIO_VSOCK_OP_REQUEST, GUEST_PORT, HOST_PORT);
	hdr.dst_cid = 7;
	send_packet(&hdr, NULL, 0);
	ck_assert(receive());
	ck_assert_uint_eq(got.hdr.op, VIRTIO_VSOCK_OP_RST);
	ck_assert_uint_eq(got.hdr.src_cid, 7);
	/* A type that isn't offered. */
	hdr = header(VIRTIO_VSOCK_OP_REQUEST, GUEST_PORT, HOST_PORT);
	hdr.type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	send_packet(&hdr, NULL, 0);
	ck_assert(receive());
	ck_assert_uint_eq(got.hdr.op, VIRTIO_VSOCK_OP_RST);
	ck_assert_uint_eq(got.hdr.type, VIRTIO_VSOCK_TYPE_SEQPACKET);
	/* A forged source. */
	hdr = header(VIRTIO_VSOCK_OP_REQUEST, GUEST_PORT, HOST_PORT);
	hdr.src_cid = CID + 1;
	send_packet(&hdr, NULL, 0);
	ck_assert(!receive());
	ck_assert_uint_eq(count_conns(), 0);
	teardown();
}
END_TEST

/* Host connections */

START_TEST(host_connects)
{
	struct virtio_vsock_hdr hdr;
	uint32_t port;
	int fd;

	setup();
	fd = fake_stream_incoming(host, 99);
	ck_assert_int_ge(fd, 0);
	expect_op(VIRTIO_VSOCK_OP_REQUEST);
	ck_assert_uint_eq(got.hdr.dst_port, 99);
	port = got.hdr.src_port;
	ck_assert_uint_eq(port, 1U << 30);
	/* What the host sends early waits. */
	host_write(fd, "early");
	ck_assert(!receive());
	hdr = header(VIRTIO_VSOCK_OP_RESPONSE, 99, port);
	send_packet(&hdr, NULL, 0);
	ck_assert_uint_eq(host->accepted_port, port);
	loop_step(&loop);
	expect_data("early");
	hdr = header(VIRTIO_VSOCK_OP_RW, 99, port);
	hdr.len = 2;
	send_packet(&hdr, "hi", 2);
	expect_host(fd, "hi");
	close(fd);
	/* The next one has another port. */
	fd = fake_stream_incoming(host, 99);
	loop_step(&loop);
	while (receive() && got.hdr.op != VIRTIO_VSOCK_OP_REQUEST)
		;
	ck_assert_uint_eq(got.hdr.src_port, port + 1);
	close(fd);
	teardown();
}
END_TEST

START_TEST(host_connection_refused)
{
	struct virtio_vsock_hdr hdr;
	int fd;

	setup();
	fd = fake_stream_incoming(host, 99);
	expect_op(VIRTIO_VSOCK_OP_REQUEST);
	hdr = header(VIRTIO_VSOCK_OP_RST, 99, got.hdr.src_port);
	send_packet(&hdr, NULL, 0);
	expect_host_eof(fd);
	ck_assert_uint_eq(count_conns(), 0);
	ck_assert_int_eq(host->accepted_fd, -1);
	close(fd);
	teardown();
}
END_TEST

START_TEST(data_before_response)
{
	struct virtio_vsock_hdr hdr;
	int fd;

	setup();
	fd = fake_stream_incoming(host, 99);
	expect_op(VIRTIO_VSOCK_OP_REQUEST);
	hdr = header(VIRTIO_VSOCK_OP_RW, 99, got.hdr.src_port);
	hdr.len = 1;
	send_packet(&hdr, "x", 1);
	expect_op(VIRTIO_VSOCK_OP_RST);
	expect_host_eof(fd);
	close(fd);
	teardown();
}
END_TEST

START_TEST(greeting_fails)
{
	struct virtio_vsock_hdr hdr;
	int fd;

	setup();
	host->accept_error = -EPIPE;
	fd = fake_stream_incoming(host, 99);
	expect_op(VIRTIO_VSOCK_OP_REQUEST);
	hdr = header(VIRTIO_VSOCK_OP_RESPONSE, 99, got.hdr.src_port);
	send_packet(&hdr, NULL, 0);
	expect_op(VIRTIO_VSOCK_OP_RST);
	expect_host_eof(fd);
	close(fd);
	teardown();
}
END_TEST

START_TEST(guest_does_not_answer)
{
	int fd;

	setup();
	container_of(dev, struct vsock, dev)->timeout_ms = 20;
	fd = fake_stream_incoming(host, 99);
	expect_op(VIRTIO_VSOCK_OP_REQUEST);
	wait_ms(40);
	expect_host_eof(fd);
	expect_op(VIRTIO_VSOCK_OP_RST);
	ck_assert_uint_eq(count_conns(), 0);
	close(fd);
	teardown();
}
END_TEST

START_TEST(host_waits_for_the_driver)
{
	int fd, late;

	setup_inactive();
	container_of(dev, struct vsock, dev)->timeout_ms = 20;
	late = fake_stream_incoming(host, 98);
	wait_ms(40);
	expect_host_eof(late);
	container_of(dev, struct vsock, dev)->timeout_ms = VSOCK_TIMEOUT_MS;
	fd = fake_stream_incoming(host, 99);
	start();
	post_rx(4);
	expect_op(VIRTIO_VSOCK_OP_REQUEST);
	ck_assert_uint_eq(got.hdr.dst_port, 99);
	ck_assert(!receive());
	close(fd);
	close(late);
	teardown();
}
END_TEST

/* As many as there may be, and more */

START_TEST(most_connections)
{
	struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
	struct virtio_vsock_hdr hdr;
	int *peers = calloc(VSOCK_CONNS_MAX, sizeof(int));

	setrlimit(RLIMIT_NOFILE, &limit);
	setup();
	for (uint32_t i = 0; i < VSOCK_CONNS_MAX; i++) {
		hdr = header(VIRTIO_VSOCK_OP_REQUEST, 10000 + i, HOST_PORT);
		send_packet(&hdr, NULL, 0);
		expect_op(VIRTIO_VSOCK_OP_RESPONSE);
		peers[i] = host->peer;
	}
	host->port = 0;
	send_op(VIRTIO_VSOCK_OP_REQUEST, 0);
	expect_op(VIRTIO_VSOCK_OP_RST);
	ck_assert_uint_eq(host->port, 0);
	ck_assert_int_eq(fake_stream_incoming(host, 99), -EMFILE);
	/* All of them work. */
	for (uint32_t i = 0; i < VSOCK_CONNS_MAX; i++) {
		hdr = header(VIRTIO_VSOCK_OP_RW, 10000 + i, HOST_PORT);
		hdr.len = 1;
		send_packet(&hdr, "z", 1);
		expect_host(peers[i], "z");
		close(peers[i]);
	}
	teardown();
	free(peers);
}
END_TEST

START_TEST(guest_opens_65536)
{
	struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
	struct virtio_vsock_hdr hdr;
	uint32_t accepted = 0, refused = 0;

	setrlimit(RLIMIT_NOFILE, &limit);
	setup();
	for (uint32_t i = 0; i < 65536; i++) {
		hdr = header(VIRTIO_VSOCK_OP_REQUEST, i, HOST_PORT);
		host->peer = -1;
		send_packet(&hdr, NULL, 0);
		ck_assert(receive());
		if (got.hdr.op == VIRTIO_VSOCK_OP_RESPONSE)
			accepted++;
		else if (got.hdr.op == VIRTIO_VSOCK_OP_RST)
			refused++;
	}
	ck_assert_uint_eq(accepted, VSOCK_CONNS_MAX);
	ck_assert_uint_eq(refused, 65536 - VSOCK_CONNS_MAX);
	ck_assert_uint_eq(count_conns(), VSOCK_CONNS_MAX);
	ck_assert(!atomic_load(&dev->broken));
	teardown();
}
END_TEST

SUITE("vsock", counts, config_space, guest_connects_and_talks, framing_means_nothing,
	refused_connection, unknown_connections_get_rst, host_connects, host_connection_refused,
	data_before_response, greeting_fails, guest_does_not_answer, host_waits_for_the_driver,
	most_connections, guest_opens_65536)
