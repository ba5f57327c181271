// SPDX-License-Identifier: Apache-2.0
// Tests of devices/net.h: frames both ways, offloads, the link.
#include "devices/net.h"

#include "tests/lib/net_guest.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

START_TEST(what_the_guest_finds)
{
	uint8_t config[16];

	dev->ops->read_config(dev, 0, config, 8);
	dev->ops->read_config(dev, 8, config + 8, 8);
	ck_assert_mem_eq(config, mac, 6);
	ck_assert_uint_eq(config[6], VIRTIO_NET_S_LINK_UP);
	ck_assert_uint_eq(config[8], 2);
	ck_assert_uint_eq(config[10] | config[11] << 8, 1400);
	ck_assert_uint_eq(config[12], 0);
	ck_assert_uint_eq(dev->id, VIRTIO_ID_NET);
	ck_assert_uint_eq(dev->queue_count, 5);
	ck_assert(dev->features >> VIRTIO_NET_F_MQ & 1);
	ck_assert(dev->features >> VIRTIO_NET_F_MTU & 1);
	ck_assert(dev->features >> VIRTIO_NET_F_HOST_TSO6 & 1);
	/* The fake can't. */
	ck_assert(!(dev->features >> NET_F_HOST_USO & 1));
	ck_assert(!(dev->features >> VIRTIO_NET_F_HOST_ECN & 1));
}
END_TEST

START_TEST(plain_nic)
{
	struct virtio_dev *plain;

	ck_assert_int_eq(
		net_new(&loop, &fake_nic_new(1, 0)->nic, &(struct net_config){.mac = {2}}, &plain),
		0);
	ck_assert_uint_eq(plain->queue_count, 3);
	ck_assert(!(plain->features >> VIRTIO_NET_F_MQ & 1));
	ck_assert(!(plain->features >> VIRTIO_NET_F_MTU & 1));
	ck_assert(!(plain->features >> VIRTIO_NET_F_CSUM & 1));
	ck_assert(!(plain->features >> VIRTIO_NET_F_GUEST_CSUM & 1));
	ck_assert(!(plain->features >> VIRTIO_NET_F_CTRL_GUEST_OFFLOADS & 1));
	plain->ops->free(plain);
}
END_TEST

START_TEST(sends)
{
	struct virtio_net_hdr_v1 header = {0};

	send_frame(&header, 100, 0x5a);
	ck_assert_uint_eq(host->sent_count, 1);
	ck_assert_uint_eq(host->sent[0].len, NIC_HEADER + 100);
	ck_assert_uint_eq(host->sent[0].data[NIC_HEADER], 0x5a);
	ck_assert_uint_eq(host->sent[0].data[NIC_HEADER + 99], 0x5a);
	ck_assert_uint_eq(used_len(TX), 0);
	ck_assert_uint_eq(f.queue_signals, 1);
}
END_TEST

/* Where descriptors end means nothing. */
START_TEST(sends_from_pieces)
{
	uint64_t gpa = fake_alloc(&f, 200, 16);
	const struct fake_buf bufs[] = {
		{gpa, 5, false}, {gpa + 5, 30, false}, {gpa + 35, 1, false}, {gpa + 36, 76, false}};
	uint8_t *p = fake_ptr(&f, gpa);

	for (int i = NIC_HEADER; i < 112; i++)
		p[i] = (uint8_t)i;
	fake_add(&f.queues[TX], bufs, 4);
	fake_kick(&f, TX);
	ck_assert_uint_eq(host->sent_count, 1);
	ck_assert_uint_eq(host->sent[0].len, 112);
	ck_assert_mem_eq(host->sent[0].data, p, 112);
}
END_TEST

START_TEST(a_batch_is_one_interrupt)
{
	for (int i = 0; i < 10; i++)
		add_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	fake_kick(&f, TX);
	ck_assert_uint_eq(host->sent_count, 10);
	ck_assert_uint_eq(f.queue_signals, 1);
}
END_TEST

START_TEST(a_notify_is_bounded)
{
	for (int i = 0; i < NET_BUDGET + 3; i++)
		add_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	dev->ops->notify(dev, TX);
	ck_assert_uint_eq(host->sent_count, NET_BUDGET);
	ck_assert_uint_eq(f.later, 1U << TX);
	fake_kick(&f, TX);
	ck_assert_uint_eq(host->sent_count, NET_BUDGET + 3);
	for (int i = 0; i < NET_BUDGET + 3; i++)
		fake_nic_arrive(host, 0, 60, 1);
	post(RX, 128, 2048);
	fake_kick(&f, RX);
	fake_nic_ready(host, 0);
	ck_assert_uint_eq(host->waiting_count, 3);
	ck_assert_uint_eq(f.later, 1U << RX);
}
END_TEST

START_TEST(a_full_host_holds_back)
{
	host->blocked = true;
	send_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	send_frame(&(struct virtio_net_hdr_v1){0}, 60, 2);
	ck_assert_uint_eq(host->sent_count, 0);
	no_used(TX);
	host->blocked = false;
	fake_nic_ready(host, 0);
	ck_assert_uint_eq(host->sent_count, 2);
	ck_assert_uint_eq(host->sent[0].data[NIC_HEADER], 1);
	used_len(TX);
	used_len(TX);
	/* Kicks are heard again. */
	send_frame(&(struct virtio_net_hdr_v1){0}, 60, 3);
	ck_assert_uint_eq(host->sent_count, 3);
}
END_TEST

/* Headers: {header, frame's length, sent}. A refused one is thrown away, and nothing breaks. */
static const struct {
	struct virtio_net_hdr_v1 header;
	uint32_t len;
	bool sent;
} headers[] = {
	{{.flags = 1, .csum_start = 34, .csum_offset = 16}, 100, true},
	{{.flags = 1, .csum_start = 34, .csum_offset = 16}, 51, false},
	{{.flags = 1, .csum_start = 65535, .csum_offset = 65535}, 100, false},
	{{.flags = 1,
		 .csum_start = 34,
		 .csum_offset = 16,
		 .gso_type = 1,
		 .gso_size = 1448,
		 .hdr_len = 66},
		3000, true},
	{{.flags = 1,
		 .csum_start = 34,
		 .csum_offset = 16,
		 .gso_type = 4,
		 .gso_size = 1448,
		 .hdr_len = 66},
		3000, true},
	/* Checksum not left to us. */
	{{.gso_type = 1, .gso_size = 1448, .hdr_len = 66}, 3000, false},
	{{.flags = 1, .csum_start = 34, .csum_offset = 16, .gso_type = 1, .hdr_len = 66}, 3000,
		false},
	{{.flags = 1,
		 .csum_start = 34,
		 .csum_offset = 16,
		 .gso_type = 1,
		 .gso_size = 1448,
		 .hdr_len = 3001},
		3000, false},
	/* Not negotiated: ECN, UFO, USO, unknown. */
	{{.flags = 1, .csum_start = 34, .csum_offset = 16, .gso_type = 0x81, .gso_size = 1448},
		3000, false},
	{{.flags = 1, .csum_start = 34, .csum_offset = 6, .gso_type = 3, .gso_size = 1448}, 3000,
		false},
	{{.flags = 1, .csum_start = 34, .csum_offset = 6, .gso_type = 5, .gso_size = 1448}, 3000,
		false},
	{{.flags = 1, .csum_start = 34, .csum_offset = 6, .gso_type = 7, .gso_size = 1448}, 3000,
		false},
	{{.flags = 1, .csum_start = 34, .csum_offset = 6, .gso_type = 0x80}, 3000, false},
	/* Frames that are none. */
	{{0}, 13, false},
	{{0}, 14, true},
	{{0}, NIC_FRAME_MAX, true},
	{{0}, NIC_FRAME_MAX + 1, false},
	{{0}, 0, false},
};

START_TEST(header)
{
	struct virtio_net_hdr_v1 h = headers[_i].header;

	send_frame(&h, headers[_i].len, 7);
	ck_assert_uint_eq(host->sent_count, headers[_i].sent);
	ck_assert_uint_eq(used_len(TX), 0);
	ck_assert(!atomic_load(&dev->broken));
	ck_assert_uint_eq(dev->counters[NET_TX_MALFORMED], !headers[_i].sent);
	ck_assert_uint_eq(dev->counters[NET_TX_BYTES], headers[_i].sent ? headers[_i].len : 0);
	if (headers[_i].sent)
		ck_assert_mem_eq(host->sent[0].data, &h, NIC_HEADER);
}
END_TEST

/* What means nothing on this way doesn't reach the host. */
START_TEST(header_is_cleaned)
{
	struct virtio_net_hdr_v1 h = {.flags = 0xfe,
		.num_buffers = 9,
		.csum_start = 7,
		.csum_offset = 8,
		.gso_size = 3,
		.hdr_len = 4};
	static const struct virtio_net_hdr_v1 zero;

	send_frame(&h, 60, 7);
	ck_assert_uint_eq(host->sent_count, 1);
	ck_assert_mem_eq(host->sent[0].data, &zero, NIC_HEADER);
}
END_TEST

START_TEST(checksums_not_negotiated)
{
	restart(0);
	send_frame(&(struct virtio_net_hdr_v1){.flags = 1, .csum_start = 34, .csum_offset = 16},
		100, 1);
	ck_assert_uint_eq(host->sent_count, 0);
	used_len(TX);
}
END_TEST

static void expect_broken(unsigned int queue)
{
	fake_kick(&f, queue);
	fake_nic_ready(host, 0);
	ck_assert(atomic_load(&dev->broken));
	ck_assert_uint_eq(f.config_signals, 1);
	ck_assert_uint_eq(host->sent_count, 0);
	ck_assert_uint_eq(host->pairs, 0);
	ck_assert_uint_eq(dev->counters[NET_BROKEN], 1);
	no_used(queue);
	/* It can be used again. */
	restart(FEATURES);
	send_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	ck_assert_uint_eq(host->sent_count, 1);
}

START_TEST(tx_without_header)
{
	fake_add(&f.queues[TX], &(struct fake_buf){fake_alloc(&f, 11, 16), 11, false}, 1);
	expect_broken(TX);
}
END_TEST

START_TEST(tx_writable)
{
	uint64_t gpa = fake_alloc(&f, 128, 16);
	const struct fake_buf bufs[] = {{gpa, 100, false}, {gpa + 100, 1, true}};

	fake_add(&f.queues[TX], bufs, 2);
	expect_broken(TX);
}
END_TEST

START_TEST(tx_bad_ring)
{
	add_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	f.queues[TX].avail->idx = 1000;
	expect_broken(TX);
}
END_TEST

START_TEST(rx_readable)
{
	fake_nic_arrive(host, 0, 60, 1);
	fake_add(&f.queues[RX], &(struct fake_buf){fake_alloc(&f, 2048, 16), 2048, false}, 1);
	expect_broken(RX);
}
END_TEST

START_TEST(rx_shorter_than_a_header)
{
	fake_nic_arrive(host, 0, 60, 1);
	fake_add(&f.queues[RX], &(struct fake_buf){fake_alloc(&f, 11, 16), 11, true}, 1);
	expect_broken(RX);
}
END_TEST

START_TEST(rx_bad_ring)
{
	fake_nic_arrive(host, 0, 60, 1);
	post(RX, 1, 2048);
	f.queues[RX].avail->idx = 1000;
	expect_broken(RX);
}
END_TEST

START_TEST(needs_the_first_pair)
{
	fake_driver_reset(&f);
	dev->driver_features = FEATURES;
	ck_assert_int_eq(dev->ops->activate(dev), -EPROTO);
}
END_TEST

START_TEST(reset_in_the_middle)
{
	uint64_t touched = 0;

	host->blocked = true;
	send_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	post(RX, 64, 2048);
	fake_nic_arrive(host, 0, 60, 1);
	fake_nic_ready(host, 0);
	ck_assert_uint_eq(host->waiting_count, 0);
	fake_driver_reset(&f);
	ck_assert_uint_eq(host->pairs, 0);
	memset(f.ram, 0, FAKE_RAM_SIZE);
	host->blocked = false;
	fake_nic_arrive(host, 0, 60, 1);
	fake_nic_ready(host, 0);
	dev->ops->notify(dev, TX);
	ck_assert_uint_eq(host->sent_count, 0);
	for (uint64_t i = 0; i < FAKE_RAM_SIZE; i++)
		touched += f.ram[i];
	ck_assert_uint_eq(touched, 0);
	/* The driver comes back, and the frame with it. */
	restart(FEATURES);
	post(RX, 64, 2048);
	fake_nic_ready(host, 0);
	ck_assert_uint_eq(used_len(RX), NIC_HEADER + 60);
}
END_TEST

static uint8_t status(void)
{
	uint8_t value = 0xff;

	dev->ops->read_config(dev, 6, &value, 1);
	return value;
}

START_TEST(host_gone_while_sending)
{
	host->gone = true;
	send_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	send_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(f.config_signals, 1);
	/* The guest gets its buffers back. */
	used_len(TX);
	used_len(TX);
	ck_assert_uint_eq(dev->counters[NET_TX_FAILED], 2);
	ck_assert_uint_eq(dev->counters[NET_TX_PACKETS], 0);
	ck_assert(!atomic_load(&dev->broken));
	/* It stays so. */
	restart(FEATURES);
	ck_assert_uint_eq(status(), 0);
	send_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	used_len(TX);
}
END_TEST

START_TEST(host_gone_while_receiving)
{
	post(RX, 64, 2048);
	host->blocked = true;
	send_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	host->gone = true;
	fake_nic_ready(host, 0);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(f.config_signals, 1);
	ck_assert_uint_eq(host->pairs, 0);
	fake_kick(&f, TX);
	used_len(TX);
}
END_TEST

START_TEST(host_gone_before_the_driver)
{
	fake_driver_reset(&f);
	host->gone = true;
	restart(FEATURES);
	ck_assert_uint_eq(status(), 0);
}
END_TEST

static const struct rate_limit_config limit = {.bytes = {.size = 1000, .refill_ms = 1000}};
static const struct rate_limit_config none;

/* Let the loop run for as long as the limit makes anything wait here. */
static void pass_time(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 400000000}, NULL);
	loop_step(&loop);
}

START_TEST(tx_limit)
{
	ck_assert_int_eq(net_set_limits(dev, NULL, &limit), 0);
	for (int i = 0; i < 3; i++)
		add_frame(&(struct virtio_net_hdr_v1){0}, 600, 1);
	fake_kick(&f, TX);
	ck_assert_uint_eq(host->sent_count, 2);
	ck_assert_uint_eq(dev->counters[NET_TX_THROTTLED], 1);
	pass_time();
	ck_assert_uint_eq(host->sent_count, 3);
	ck_assert_uint_ge(dev->counters[NET_TX_RESUMED], 1);
	ck_assert_uint_eq(dev->counters[NET_TX_NOTIFIES], 1);
	fake_kick(&f, TX);
	ck_assert_uint_eq(dev->counters[NET_TX_EMPTY], 1);
	/* Lifted while one waits. */
	for (int i = 0; i < 3; i++)
		send_frame(&(struct virtio_net_hdr_v1){0}, 1200, 1);
	ck_assert_uint_lt(host->sent_count, 6);
	ck_assert_int_eq(net_set_limits(dev, NULL, &none), 0);
	ck_assert_uint_eq(host->sent_count, 6);
}
END_TEST

START_TEST(rx_limit)
{
	ck_assert_int_eq(net_set_limits(dev, &limit, NULL), 0);
	post(RX, 64, 2048);
	for (int i = 0; i < 3; i++)
		fake_nic_arrive(host, 0, 600, 1);
	fake_nic_ready(host, 0);
	ck_assert_uint_eq(host->waiting_count, 1);
	ck_assert_uint_eq(dev->counters[NET_RX_THROTTLED], 1);
	pass_time();
	ck_assert_uint_eq(host->waiting_count, 0);
	ck_assert_uint_ge(dev->counters[NET_RX_RESUMED], 1);
	/* Sending isn't limited. */
	send_frame(&(struct virtio_net_hdr_v1){0}, 1200, 1);
	send_frame(&(struct virtio_net_hdr_v1){0}, 1200, 1);
	ck_assert_uint_eq(host->sent_count, 2);
}
END_TEST

START_TEST(reset_while_limited)
{
	ck_assert_int_eq(net_set_limits(dev, &limit, &limit), 0);
	for (int i = 0; i < 3; i++)
		add_frame(&(struct virtio_net_hdr_v1){0}, 1200, 1);
	fake_kick(&f, TX);
	ck_assert_uint_eq(host->sent_count, 1);
	fake_driver_reset(&f);
	pass_time();
	ck_assert_uint_eq(host->sent_count, 1);
}
END_TEST

/* Both or neither: descriptors for the timer of only one. */
START_TEST(limits_together)
{
	struct rlimit old, few;
	int next = dup(0);

	close(next);
	ck_assert_int_ge(next, 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){(rlim_t)next + 1, old.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(net_set_limits(dev, &limit, &limit), -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	post(RX, 64, 2048);
	for (int i = 0; i < 3; i++)
		fake_nic_arrive(host, 0, 1200, 1);
	fake_nic_ready(host, 0);
	ck_assert_uint_eq(host->waiting_count, 0);
	for (int i = 0; i < 3; i++)
		send_frame(&(struct virtio_net_hdr_v1){0}, 1200, 1);
	ck_assert_uint_eq(host->sent_count, 3);
	ck_assert_int_eq(net_set_limits(dev, &limit, &limit), 0);
}
END_TEST

SUITE_CASES("net", setup, teardown, {what_the_guest_finds}, {plain_nic}, {sends},
	{sends_from_pieces}, {a_batch_is_one_interrupt}, {a_notify_is_bounded},
	{a_full_host_holds_back}, {header, ARRAY_SIZE(headers)}, {header_is_cleaned},
	{checksums_not_negotiated}, {tx_without_header}, {tx_writable}, {tx_bad_ring},
	{rx_readable}, {rx_shorter_than_a_header}, {rx_bad_ring}, {needs_the_first_pair},
	{reset_in_the_middle}, {host_gone_while_sending}, {host_gone_while_receiving},
	{host_gone_before_the_driver}, {tx_limit}, {rx_limit}, {reset_while_limited},
	{limits_together})
