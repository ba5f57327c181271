// SPDX-License-Identifier: Apache-2.0
// Tests of devices/vsock.h: many packets at once, credit at its limits, and what outlives a run.
#include "devices/vsock.h"

#include "base/buf.h"
#include "base/le.h"
#include "tests/lib/suite.h"
#include "tests/lib/vsock_guest.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>

static struct vsock_conn *the_conn(uint32_t guest_port)
{
	struct vsock *vsock = container_of(dev, struct vsock, dev);

	return vsock_conn_find(vsock, HOST_PORT, guest_port);
}

/* Let the host write @len bytes of the test stream and the guest take and check them. */
static void stream_to_guest(int fd, uint32_t len)
{
	static uint8_t data[1 << 16];
	uint32_t written = 0, taken = 0;
	unsigned int wrong = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (taken < len) {
		uint32_t n = len - written < sizeof(data) ? len - written : sizeof(data);
		ssize_t r;

		for (uint32_t i = 0; i < n; i++)
			data[i] = pattern(written + i);
		r = n ? write(fd, data, n) : 0;
		written += r > 0 ? (uint32_t)r : 0;
		loop_step(&loop);
		ck_assert(receive());
		do {
			if (got.hdr.op == VIRTIO_VSOCK_OP_CREDIT_REQUEST)
				continue;
			ck_assert_uint_eq(got.hdr.op, VIRTIO_VSOCK_OP_RW);
			for (uint32_t i = 0; i < got.hdr.len; i++)
				wrong += got.data[i] != pattern(taken + i);
			taken += got.hdr.len;
			guest_fwd += got.hdr.len;
		} while (receive());
		send_op(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	}
	ck_assert_uint_eq(taken, len);
	ck_assert_uint_eq(wrong, 0);
}

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

/* Credit */

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

/* Ends */

static void wait_ms(long ms)
{
	struct timespec ts = {.tv_nsec = ms * 1000000};

	nanosleep(&ts, NULL);
	loop_step(&loop);
}

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

/* Saving and loading */

static void post_event(uint32_t len)
{
	uint64_t gpa = fake_alloc(&f, 16, 16);

	fake_add(&f.queues[VSOCK_EVENT], &(struct fake_buf){gpa, len, true}, 1);
}

static struct buf saved;

/* Save a device with a connection, end it, and load into a new one that isn't active yet. */
static void save_and_load(void)
{
	int fd;

	setup();
	fd = connected();
	saved = BUF_INIT(64);
	ck_assert_int_eq(dev->ops->save(dev, &saved), 0);
	teardown();
	expect_host_eof(fd);
	close(fd);
	setup_inactive();
	ck_assert_int_eq(dev->ops->load(dev, saved.data, saved.len), 0);
}

START_TEST(guest_hears_of_a_load)
{
	uint32_t id, used;
	uint8_t *mem;

	save_and_load();
	start();
	post_rx(16);
	/* No buffer yet. */
	fake_kick(&f, VSOCK_EVENT);
	f.queue_signals = 0;
	post_event(4);
	mem = fake_ptr(&f, f.queues[VSOCK_EVENT].desc[0].addr);
	memset(mem, 0xff, 4);
	fake_kick(&f, VSOCK_EVENT);
	ck_assert(fake_used(&f.queues[VSOCK_EVENT], &id, &used));
	ck_assert_uint_eq(used, 4);
	ck_assert_uint_eq(le32_load(mem), VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
	ck_assert_uint_eq(f.queue_signals, 1);
	/* Once. */
	post_event(4);
	fake_kick(&f, VSOCK_EVENT);
	ck_assert(!fake_used(&f.queues[VSOCK_EVENT], &id, &used));
	/* What it still sends for the old connection is refused. */
	send_data("late", 4);
	expect_op(VIRTIO_VSOCK_OP_RST);
	close(connected());
	buf_fini(&saved);
	teardown();
}
END_TEST

START_TEST(reset_makes_the_event_needless)
{
	uint32_t id, used;

	save_and_load();
	start();
	fake_driver_reset(&f);
	start();
	post_event(4);
	fake_kick(&f, VSOCK_EVENT);
	ck_assert(!fake_used(&f.queues[VSOCK_EVENT], &id, &used));
	buf_fini(&saved);
	teardown();
}
END_TEST

START_TEST(event_buffer_too_small)
{
	save_and_load();
	start();
	post_event(3);
	fake_kick(&f, VSOCK_EVENT);
	ck_assert(atomic_load(&dev->broken));
	buf_fini(&saved);
	teardown();
}
END_TEST

START_TEST(load_refuses)
{
	uint8_t bad[16] = {0};

	save_and_load();
	memcpy(bad, saved.data, saved.len);
	ck_assert_int_eq(dev->ops->load(dev, bad, saved.len - 1), -EINVAL);
	ck_assert_int_eq(dev->ops->load(dev, bad, saved.len + 1), -EINVAL);
	/* Another CID. */
	bad[0]++;
	ck_assert_int_eq(dev->ops->load(dev, bad, saved.len), -EINVAL);
	bad[0]--;
	/* A port that isn't the host's to give. */
	le32_store(bad + 8, VSOCK_HOST_PORT_FIRST - 1);
	ck_assert_int_eq(dev->ops->load(dev, bad, saved.len), -EINVAL);
	le32_store(bad + 8, VSOCK_HOST_PORT_LAST + 1);
	ck_assert_int_eq(dev->ops->load(dev, bad, saved.len), -EINVAL);
	le32_store(bad + 8, VSOCK_HOST_PORT_LAST);
	ck_assert_int_eq(dev->ops->load(dev, bad, saved.len), 0);
	start();
	buf_fini(&saved);
	teardown();
}
END_TEST

SUITE("vsock_flow", one_read_fills_many_buffers, odd_buffers_among_others,
	small_buffer_behind_others, packets_in_a_row, more_packets_than_a_batch,
	batch_beyond_credit, host_deaf_to_a_batch, counters_wrap_to_the_guest,
	counters_wrap_to_the_host, credit_of_a_byte, credit_of_4_gib, credit_that_lies,
	closed_by_the_host_and_forgotten, guest_opens_65536, guest_hears_of_a_load,
	reset_makes_the_event_needless, event_buffer_too_small, load_refuses)
