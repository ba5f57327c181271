// SPDX-License-Identifier: Apache-2.0
// Tests of devices/vsock.h: many packets at once, and whose turn it is.
#include "devices/vsock.h"

#include "tests/lib/suite.h"
#include "tests/lib/vsock_guest.h"

#include <string.h>
#include <sys/socket.h>

START_TEST(one_read_fills_many_buffers)
{
	int fd;

	setup();
	fd = connected();
	stream_to_guest(fd, 1 << 20);
	ck_assert_uint_gt(the_conn(GUEST_PORT)->gather, 4 * RX_SIZE);
	/* Chains popped in vain are still there. */
	host_write(fd, "a little");
	expect_data("a little");
	ck_assert(!receive());
	stream_to_guest(fd, 0);
	close(fd);
	teardown();
}
END_TEST

START_TEST(odd_buffers_among_others)
{
	static uint8_t data[16384];
	uint64_t gpa;
	uint32_t id, used, n, taken = 0;
	int fd;

	setup_inactive();
	start();
	post_rx(2);
	fd = connected();
	receive();
	the_conn(GUEST_PORT)->gather = 1 << 16;
	gpa = fake_alloc(&f, 8192, 16);
	/* One whose header is cut, one in three pieces, a plain one: a read stops at the cut. */
	fake_add(&f.queues[VSOCK_RX],
		(const struct fake_buf[]){{gpa, 20, true}, {gpa + 100, 1000, true}}, 2);
	fake_add(&f.queues[VSOCK_RX],
		(const struct fake_buf[]){
			{gpa + 2000, HDR, true}, {gpa + 3000, 700, true}, {gpa + 4000, 300, true}},
		3);
	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	n = 2 * (RX_SIZE - HDR) + 1020 - HDR + 1000;
	ck_assert_int_eq(write(fd, data, n), n);
	fake_kick(&f, VSOCK_RX);
	loop_step(&loop);
	for (int i = 0; i < 2; i++) {
		ck_assert(fake_used(&f.queues[VSOCK_RX], &id, &used));
		ck_assert_uint_eq(used, RX_SIZE);
		taken += used - (uint32_t)HDR;
	}
	ck_assert(fake_used(&f.queues[VSOCK_RX], &id, &used));
	ck_assert_uint_eq(used, 1020);
	ck_assert_mem_eq(fake_ptr(&f, gpa + 100 + HDR - 20), data + taken, 1020 - HDR);
	taken += 1020 - (uint32_t)HDR;
	ck_assert(fake_used(&f.queues[VSOCK_RX], &id, &used));
	ck_assert_uint_eq(used, HDR + 1000);
	ck_assert_mem_eq(fake_ptr(&f, gpa + 3000), data + taken, 700);
	ck_assert_mem_eq(fake_ptr(&f, gpa + 4000), data + taken + 700, 300);
	ck_assert(!fake_used(&f.queues[VSOCK_RX], &id, &used));
	close(fd);
	teardown();
}
END_TEST

START_TEST(small_buffer_behind_others)
{
	static uint8_t data[8192];
	uint32_t id, used;
	int fd;

	setup_inactive();
	start();
	post_rx(2);
	fd = connected();
	receive();
	the_conn(GUEST_PORT)->gather = 1 << 16;
	fake_add(&f.queues[VSOCK_RX], &(struct fake_buf){rx_gpa, HDR - 1, true}, 1);
	ck_assert_int_eq(write(fd, data, sizeof(data)), sizeof(data));
	loop_step(&loop);
	/* Those before it were fine. */
	ck_assert(fake_used(&f.queues[VSOCK_RX], &id, &used));
	ck_assert(fake_used(&f.queues[VSOCK_RX], &id, &used));
	ck_assert(!fake_used(&f.queues[VSOCK_RX], &id, &used));
	ck_assert(atomic_load(&dev->broken));
	close(fd);
	teardown();
}
END_TEST

/* Put a packet into the tx queue without a kick. */
static void queue_packet(uint64_t gpa, const struct virtio_vsock_hdr *hdr, const void *data)
{
	memcpy(fake_ptr(&f, gpa), hdr, HDR);
	memcpy((uint8_t *)fake_ptr(&f, gpa) + HDR, data, hdr->len);
	fake_add(&f.queues[VSOCK_TX], &(struct fake_buf){gpa, (uint32_t)HDR + hdr->len, false}, 1);
}

static void queue_data(uint64_t gpa, uint32_t guest_port, const char *text)
{
	struct virtio_vsock_hdr hdr = header(VIRTIO_VSOCK_OP_RW, guest_port, HOST_PORT);

	hdr.len = (uint32_t)strlen(text);
	queue_packet(gpa, &hdr, text);
}

START_TEST(packets_in_a_row)
{
	struct virtio_vsock_hdr hdr;
	uint32_t id, used, served = 0;
	int fd, other;

	setup();
	fd = connected();
	hdr = header(VIRTIO_VSOCK_OP_REQUEST, GUEST_PORT + 1, HOST_PORT);
	send_packet(&hdr, NULL, 0);
	expect_op(VIRTIO_VSOCK_OP_RESPONSE);
	other = host->peer;
	queue_data(tx_gpa, GUEST_PORT, "one ");
	queue_data(tx_gpa + 100, GUEST_PORT, "two ");
	queue_data(tx_gpa + 200, GUEST_PORT, "three");
	queue_data(tx_gpa + 300, GUEST_PORT + 1, "other");
	queue_data(tx_gpa + 400, GUEST_PORT, " four");
	hdr = header(VIRTIO_VSOCK_OP_SHUTDOWN, GUEST_PORT, HOST_PORT);
	hdr.flags = VIRTIO_VSOCK_SHUTDOWN_SEND;
	queue_packet(tx_gpa + 500, &hdr, "");
	fake_kick(&f, VSOCK_TX);
	while (fake_used(&f.queues[VSOCK_TX], &id, &used))
		served++;
	ck_assert_uint_eq(served, 6);
	expect_host(fd, "one two three four");
	expect_host_eof(fd);
	expect_host(other, "other");
	close(fd);
	close(other);
	teardown();
}
END_TEST

START_TEST(more_packets_than_a_batch)
{
	char text[256] = "";
	uint32_t id, used, served = 0;
	int fd;

	setup();
	fd = connected();
	for (unsigned int i = 0; i < VSOCK_BATCH_PACKETS * 2 + 3; i++) {
		queue_data(tx_gpa + 100 * i, GUEST_PORT, "ab");
		strcat(text, "ab");
	}
	fake_kick(&f, VSOCK_TX);
	while (fake_used(&f.queues[VSOCK_TX], &id, &used))
		served++;
	ck_assert_uint_eq(served, VSOCK_BATCH_PACKETS * 2 + 3);
	for (size_t taken = 0; taken < strlen(text);) {
		char buf[256];
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		ck_assert_int_gt(n, 0);
		ck_assert_mem_eq(buf, text + taken, (size_t)n);
		taken += (size_t)n;
	}
	close(fd);
	teardown();
}
END_TEST

START_TEST(batch_beyond_credit)
{
	static uint8_t data[VSOCK_BUF];
	struct virtio_vsock_hdr hdr;
	uint64_t gpa;
	uint32_t told = 0;
	int fd;

	setup();
	fd = connected();
	send_until_full(&told);
	/* Room for nothing: the first of the two is too much already. */
	gpa = fake_alloc(&f, HDR + 16, 16);
	hdr = header(VIRTIO_VSOCK_OP_RW, GUEST_PORT, HOST_PORT);
	hdr.len = 1;
	queue_packet(tx_gpa, &hdr, data);
	queue_packet(gpa, &hdr, data);
	fake_kick(&f, VSOCK_TX);
	expect_op(VIRTIO_VSOCK_OP_RST);
	ck_assert_uint_eq(count_conns(), 0);
	ck_assert(!atomic_load(&dev->broken));
	close(fd);
	teardown();
}
END_TEST

START_TEST(host_deaf_to_a_batch)
{
	int fd;

	setup();
	fd = connected();
	shutdown(fd, SHUT_RD);
	queue_data(tx_gpa, GUEST_PORT, "one");
	queue_data(tx_gpa + 100, GUEST_PORT, "two");
	fake_kick(&f, VSOCK_TX);
	expect_shutdown(VIRTIO_VSOCK_SHUTDOWN_RCV);
	ck_assert_uint_eq(got.hdr.fwd_cnt, 6);
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

SUITE("vsock_flow", one_read_fills_many_buffers, odd_buffers_among_others,
	small_buffer_behind_others, packets_in_a_row, more_packets_than_a_batch,
	batch_beyond_credit, host_deaf_to_a_batch, no_buffers_nothing_read, packets_take_turns)
