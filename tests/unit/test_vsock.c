// SPDX-License-Identifier: Apache-2.0
// Tests of devices/vsock.h, with the test as guest and as host.
#include "devices/vsock.h"

#include "base/loop.h"
#include "devices/virtio.h"
#include "devices/vsock_conn.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/fake_stream.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"
#include "tests/lib/vsock_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

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

START_TEST(no_buffers_nothing_read)
{
	char text[] = "still in the socket";
	int fd, n = 0;

	setup_inactive();
	start();
	post_rx(1);
	fd = connected();
	/* connected() gave its buffer back: this takes it. */
	host_write(fd, "1");
	host_write(fd, text);
	loop_step(&loop);
	while (n < 2 && receive())
		n++;
	ck_assert_int_eq(n, 2);
	ck_assert_uint_eq(got.hdr.len, strlen(text));
	close(fd);
	teardown();
}
END_TEST

START_TEST(packets_take_turns)
{
	static char data[20 * RX_SIZE];
	unsigned int seen[3] = {0};
	struct virtio_vsock_hdr hdr;
	int fds[3];

	setup_inactive();
	start();
	post_rx(3);
	for (uint32_t i = 0; i < 3; i++) {
		hdr = header(VIRTIO_VSOCK_OP_REQUEST, GUEST_PORT + i, HOST_PORT);
		send_packet(&hdr, NULL, 0);
		expect_op(VIRTIO_VSOCK_OP_RESPONSE);
		fds[i] = host->peer;
	}
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(write(fds[i], data, sizeof(data)), (int)sizeof(data));
	/* The first to be seen takes the three buffers; then it is each in turn. */
	loop_step(&loop);
	for (int i = 0; i < 15; i++) {
		expect_op(VIRTIO_VSOCK_OP_RW);
		if (i >= 3)
			seen[got.hdr.dst_port - GUEST_PORT]++;
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(seen[i], 4);
		close(fds[i]);
	}
	teardown();
}
END_TEST

/* Ends */

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

static void wait_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

START_TEST(guest_does_not_answer)
{
	int fd;

	setup();
	container_of(dev, struct vsock, dev)->timeout_ms = 20;
	fd = fake_stream_incoming(host, 99);
	expect_op(VIRTIO_VSOCK_OP_REQUEST);
	wait_ms(40);
	loop_step(&loop);
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
	loop_step(&loop);
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

/* Limits and faults */

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

SUITE("vsock", counts, config_space, guest_connects_and_talks, framing_means_nothing,
	refused_connection, unknown_connections_get_rst, slow_host_stops_the_guest, credit_ignored,
	too_much_at_once, credit_asked_and_told, guest_credit_is_honoured, no_buffers_nothing_read,
	packets_take_turns, host_half_closes, host_closes_with_data_under_way,
	host_goes_away_after_half_close, guest_half_closes, guest_stops_receiving,
	guest_closes_with_a_full_ring, guest_resets_with_a_full_ring, device_reset_with_a_full_ring,
	quiesce_takes_what_was_sent, host_data_waits_for_the_end_of_a_pause, host_connects,
	host_connection_refused, data_before_response, greeting_fails, guest_does_not_answer,
	host_waits_for_the_driver, most_connections, refusals_wait_for_buffers,
	request_for_a_connection_that_stands, unknown_op, packet_shorter_than_a_header,
	payload_shorter_than_told, rx_buffer_too_small, rx_buffer_without_room_for_data, bad_ring)
