// SPDX-License-Identifier: Apache-2.0
// Tests of devices/net.h: room for received frames, the control queue, saving.
#include "tests/lib/suite.h"

#include "base/buf.h"
#include "tests/lib/net_guest.h"

#include <errno.h>

#define GSO (FEATURES | NET_BIT(VIRTIO_NET_F_GUEST_CSUM) | NET_BIT(VIRTIO_NET_F_GUEST_TSO4))
#define OFFLOADS (GSO | NET_BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))

static void arrive(uint32_t len, uint8_t fill)
{
	fake_nic_arrive(host, 0, len, fill);
	fake_nic_ready(host, 0);
}

static uint16_t num_buffers(uint64_t gpa)
{
	const uint8_t *p = fake_ptr(&f, gpa);

	return (uint16_t)(p[10] | p[11] << 8);
}

START_TEST(one_buffer)
{
	uint64_t gpa = post(RX, 8, 2048);
	const uint8_t *p = fake_ptr(&f, gpa);

	arrive(100, 7);
	arrive(200, 8);
	ck_assert_uint_eq(used_len(RX), NIC_HEADER + 100);
	ck_assert_uint_eq(used_len(RX), NIC_HEADER + 200);
	no_used(RX);
	ck_assert_uint_eq(num_buffers(gpa), 1);
	ck_assert_uint_eq(p[NIC_HEADER], 7);
	ck_assert_uint_eq(p[NIC_HEADER + 99], 7);
	ck_assert_uint_eq(p[NIC_HEADER + 100], 0);
	ck_assert_uint_eq(p[2048 + NIC_HEADER], 8);
	/* The driver has asked to hear of the first. */
	ck_assert_uint_eq(f.queue_signals, 1);
	ck_assert_uint_eq(dev->counters[NET_RX_PACKETS], 2);
	ck_assert_uint_eq(dev->counters[NET_RX_BYTES], 300);
	ck_assert_uint_eq(dev->counters[NET_NIC_READY], 2);
	ck_assert_uint_eq(dev->counters[NET_RX_FAILED], 0);
}
END_TEST

/* A frame over several buffers, then a small one in the next. */
START_TEST(merged)
{
	uint64_t gpa;

	restart(GSO);
	gpa = post(RX, 64, 2048);
	arrive(60000, 7);
	arrive(60, 8);
	ck_assert_uint_eq(num_buffers(gpa), 30);
	for (int i = 0; i < 29; i++)
		ck_assert_uint_eq(used_len(RX), 2048);
	ck_assert_uint_eq(used_len(RX), NIC_HEADER + 60000 - 29 * 2048);
	ck_assert_uint_eq(used_len(RX), NIC_HEADER + 60);
	no_used(RX);
	for (uint32_t i = NIC_HEADER; i < NIC_HEADER + 60000; i++)
		ck_assert_uint_eq(*(uint8_t *)fake_ptr(&f, gpa + i), 7);
	ck_assert_uint_eq(*(uint8_t *)fake_ptr(&f, gpa + NIC_HEADER + 60000), 0);
	ck_assert_uint_eq(num_buffers(gpa + UINT64_C(30) * 2048), 1);
}
END_TEST

/* Stands between the device and virtq_push(), which writes used.idx. */
static unsigned int publications;

void __real_virtq_push(struct virtq *q, uint16_t head, uint32_t len);
void __wrap_virtq_push(struct virtq *q, uint16_t head, uint32_t len);

void __wrap_virtq_push(struct virtq *q, uint16_t head, uint32_t len)
{
	publications++;
	__real_virtq_push(q, head, len);
}

/* The driver must find all buffers of a frame when it finds the first. */
START_TEST(merged_appears_at_once)
{
	restart(GSO);
	post(RX, 64, 2048);
	publications = 0;
	arrive(60000, 7);
	ck_assert_uint_eq(f.queues[RX].used->idx, 30);
	ck_assert_uint_eq(publications, 1);
	arrive(60, 8);
	ck_assert_uint_eq(f.queues[RX].used->idx, 31);
	ck_assert_uint_eq(publications, 2);
}
END_TEST

START_TEST(parts_appear_with_the_last)
{
	struct virtq q = dev->queues[RX];

	post(RX, 2, 64);
	ck_assert_int_eq(virtq_pop(&q, &(struct virtq_chain){0}), 1);
	virtq_push_part(&q, 0, 64);
	no_used(RX);
	virtq_push(&q, 1, 64);
	used_len(RX);
	used_len(RX);
}
END_TEST

/* However often the arrays come to their end. */
START_TEST(many_frames)
{
	uint64_t gpa;

	restart(GSO);
	gpa = post(RX, 256, 2048);
	for (unsigned int i = 0; i < 1000; i++) {
		uint32_t len = i % 7 == 0 ? 9000 : 100 + i, left = NIC_HEADER + len;

		arrive(len, (uint8_t)i);
		while (left) {
			uint32_t id, n;

			ck_assert(fake_used(&f.queues[RX], &id, &n));
			ck_assert_uint_eq(n, left < 2048 ? left : 2048);
			ck_assert_uint_eq(
				*(uint8_t *)fake_ptr(&f, gpa + id * 2048 + n - 1), i & 0xff);
			left -= n;
			fake_publish(&f.queues[RX], (uint16_t)id);
		}
		fake_kick(&f, RX);
	}
	ck_assert(!atomic_load(&dev->broken));
}
END_TEST

/* A driver that offers little at a time gets what fits. */
START_TEST(little_room)
{
	uint64_t gpa;

	restart(GSO);
	gpa = post(RX, 2, 1000);
	arrive(1500, 7);
	ck_assert_uint_eq(num_buffers(gpa), 2);
	used_len(RX);
	ck_assert_uint_eq(used_len(RX), NIC_HEADER + 500);
	/* What doesn't fit waits for more. */
	arrive(1500, 8);
	post(RX, 1, 1000);
	fake_kick(&f, RX);
	no_used(RX);
	ck_assert_uint_eq(host->waiting_count, 0);
	gpa = post(RX, 1, 1000);
	fake_kick(&f, RX);
	used_len(RX);
	used_len(RX);
	ck_assert_uint_eq(*(uint8_t *)fake_ptr(&f, gpa + 511), 8);
}
END_TEST

/* One that has offered enough before is waited for, without reading ahead. */
START_TEST(room_runs_short)
{
	unsigned int receives;

	restart(GSO);
	post(RX, 40, 2048);
	arrive(60000, 7);
	receives = host->receives;
	arrive(60, 8);
	ck_assert_uint_eq(host->receives, receives);
	ck_assert_uint_eq(host->waiting_count, 1);
	post(RX, 40, 2048);
	fake_kick(&f, RX);
	ck_assert_uint_eq(host->waiting_count, 0);
}
END_TEST

START_TEST(no_buffers)
{
	arrive(100, 7);
	ck_assert_uint_eq(host->waiting_count, 1);
	ck_assert_uint_eq(host->receives, 0);
	ck_assert_uint_gt(dev->counters[NET_RX_NO_BUFFERS], 0);
	ck_assert_uint_eq(dev->counters[NET_RX_NOTIFIES], 0);
	post(RX, 1, 2048);
	fake_kick(&f, RX);
	ck_assert_uint_eq(used_len(RX), NIC_HEADER + 100);
	ck_assert_uint_eq(dev->counters[NET_RX_NOTIFIES], 1);
}
END_TEST

/* Without mergeable buffers a frame has one chain; the others wait. */
START_TEST(not_mergeable)
{
	uint64_t gpa;

	restart(FEATURES & ~NET_BIT(VIRTIO_NET_F_MRG_RXBUF));
	gpa = post(RX, 3, NIC_HEADER + 1518);
	arrive(1518, 7);
	ck_assert_uint_eq(used_len(RX), NIC_HEADER + 1518);
	ck_assert_uint_eq(num_buffers(gpa), 1);
	/* Longer than the buffer: thrown away. */
	host->nic.frame_max = 9000;
	restart(FEATURES & ~NET_BIT(VIRTIO_NET_F_MRG_RXBUF));
	post(RX, 3, NIC_HEADER + 1518);
	arrive(2000, 7);
	no_used(RX);
	ck_assert_uint_eq(dev->counters[NET_RX_FAILED], 1);
	arrive(100, 8);
	ck_assert_uint_eq(used_len(RX), NIC_HEADER + 100);
	no_used(RX);
}
END_TEST

/* The host's MTU has grown: a frame that was cut is not passed on. */
START_TEST(longer_than_told)
{
	post(RX, 8, 1531);
	arrive(9000, 7);
	no_used(RX);
	ck_assert_uint_eq(dev->counters[NET_RX_FAILED], 1);
	arrive(60, 8);
	ck_assert_uint_eq(used_len(RX), NIC_HEADER + 60);
}
END_TEST

/* @data goes to the control queue. Return: the answer. */
static uint8_t command(uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	uint64_t gpa = fake_alloc(&f, 16 + len, 16);
	const struct fake_buf bufs[] = {
		{gpa, 2, false}, {gpa + 16, len, false}, {gpa + 2, 1, true}};
	const struct fake_buf empty[] = {{gpa, 2, false}, {gpa + 2, 1, true}};
	uint8_t *p = fake_ptr(&f, gpa);

	p[0] = class;
	p[1] = cmd;
	p[2] = 0xee;
	if (len)
		memcpy(p + 16, data, len);
	fake_add(&f.queues[CTRL], len ? bufs : empty, len ? 3 : 2);
	fake_kick(&f, CTRL);
	ck_assert_uint_eq(used_len(CTRL), 1);
	return p[2];
}

/* {class, command, data, length, answer} */
static const struct {
	uint8_t class, cmd;
	uint8_t data[24];
	uint32_t len;
	uint8_t answer;
} commands[] = {
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, {1}, 1, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, {0}, 1, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, {2}, 1, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, {1}, 2, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, {1}, 0, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST + 1, {1}, 1, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {0}, 8, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {2}, 20, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {[4] = 2}, 20, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {2}, 19, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {2}, 21, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {2}, 15, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {0xff, 0xff, 0xff, 0xff}, 20,
		VIRTIO_NET_ERR},
	/* Times six it would be 2. */
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {0xab, 0xaa, 0xaa, 0xaa}, 8,
		VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, {0}, 3, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, {2, 9, 9, 9, 9, 9}, 6, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, {3, 9, 9, 9, 9, 9}, 6, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, {2, 9, 9, 9, 9, 9}, 5, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, {2}, 2, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, {0}, 2, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, {3}, 2, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, {2}, 3, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET + 1, {2}, 2, VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, {2}, 8, VIRTIO_NET_OK},
	{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, {0}, 8, VIRTIO_NET_OK},
	/* TSO6 was not negotiated, MRG_RXBUF is no offload. */
	{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, {2, 1}, 8,
		VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, {0, 0x80}, 8,
		VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, {2}, 4,
		VIRTIO_NET_ERR},
	{VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, {1, 0}, 2, VIRTIO_NET_ERR},
	{200, 0, {0}, 1, VIRTIO_NET_ERR},
};

START_TEST(control)
{
	restart(OFFLOADS);
	ck_assert_uint_eq(
		command(commands[_i].class, commands[_i].cmd, commands[_i].data, commands[_i].len),
		commands[_i].answer);
	ck_assert(!atomic_load(&dev->broken));
}
END_TEST

START_TEST(control_without_answer)
{
	fake_add(&f.queues[CTRL], &(struct fake_buf){fake_alloc(&f, 16, 16), 3, false}, 1);
	fake_kick(&f, CTRL);
	ck_assert(atomic_load(&dev->broken));
}
END_TEST

START_TEST(control_without_command)
{
	uint64_t gpa = fake_alloc(&f, 16, 16);
	const struct fake_buf bufs[] = {{gpa, 1, false}, {gpa + 1, 1, true}};

	fake_add(&f.queues[CTRL], bufs, 2);
	fake_kick(&f, CTRL);
	ck_assert(atomic_load(&dev->broken));
}
END_TEST

/* Without pairs the control queue is the third, and further queues mean nothing. */
START_TEST(control_queue_without_pairs)
{
	uint64_t gpa;
	const uint8_t *p;

	restart(FEATURES & ~NET_BIT(VIRTIO_NET_F_MQ));
	gpa = fake_alloc(&f, 16, 16);
	p = fake_ptr(&f, gpa);
	*(uint8_t *)fake_ptr(&f, gpa + 3) = 0xee;
	fake_add(&f.queues[2], (const struct fake_buf[]){{gpa, 3, false}, {gpa + 3, 1, true}}, 2);
	fake_kick(&f, CTRL);
	fake_kick(&f, 3);
	no_used(2);
	fake_kick(&f, 2);
	ck_assert_uint_eq(used_len(2), 1);
	ck_assert_uint_eq(p[3], VIRTIO_NET_OK);
}
END_TEST

START_TEST(pairs)
{
	static const uint8_t two[2] = {2}, one[2] = {1};

	ck_assert_uint_eq(host->pairs, 1);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MQ, 0, two, 2), VIRTIO_NET_OK);
	ck_assert_uint_eq(host->pairs, 2);
	post(2, 8, 2048);
	fake_nic_arrive(host, 1, 100, 7);
	fake_nic_ready(host, 1);
	ck_assert_uint_eq(used_len(2), NIC_HEADER + 100);
	fake_add(&f.queues[3], &(struct fake_buf){fake_alloc(&f, 100, 16), 100, false}, 1);
	fake_kick(&f, 3);
	ck_assert_uint_eq(host->sent_count, 1);
	ck_assert_uint_eq(host->sent[0].pair, 1);
	/* Back to one: gathered buffers go back, kicks are not heard. */
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MQ, 0, one, 2), VIRTIO_NET_OK);
	ck_assert_uint_eq(dev->queues[2].last_avail, 1);
	fake_add(&f.queues[3], &(struct fake_buf){fake_alloc(&f, 100, 16), 100, false}, 1);
	fake_kick(&f, 3);
	ck_assert_uint_eq(host->sent_count, 1);
}
END_TEST

START_TEST(pairs_that_the_host_refuses)
{
	static const uint8_t two[2] = {2};

	host->set_error = -EPERM;
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MQ, 0, two, 2), VIRTIO_NET_ERR);
	host->set_error = 0;
	send_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	ck_assert_uint_eq(host->sent_count, 1);
}
END_TEST

START_TEST(pairs_without_queues)
{
	static const uint8_t two[2] = {2};

	virtq_stop(&dev->queues[3]);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MQ, 0, two, 2), VIRTIO_NET_ERR);
}
END_TEST

START_TEST(offloads)
{
	static const uint8_t csum[8] = {2}, nothing[8] = {0};
	const uint64_t ecn = NET_BIT(VIRTIO_NET_F_GUEST_ECN);

	ck_assert_uint_eq(host->offloads, 0);
	restart(OFFLOADS);
	ck_assert_uint_eq(host->offloads, NIC_CSUM | NIC_TSO4);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, csum, 8), VIRTIO_NET_OK);
	ck_assert_uint_eq(host->offloads, NIC_CSUM);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, nothing, 8), VIRTIO_NET_OK);
	ck_assert_uint_eq(host->offloads, 0);
	/* Each stands on another. */
	restart(OFFLOADS & ~NET_BIT(VIRTIO_NET_F_GUEST_CSUM));
	ck_assert_uint_eq(host->offloads, 0);
	restart((OFFLOADS | ecn) & ~NET_BIT(VIRTIO_NET_F_GUEST_TSO4));
	ck_assert_uint_eq(host->offloads, NIC_CSUM);
	restart(OFFLOADS | NET_BIT(NET_F_GUEST_USO4));
	ck_assert_uint_eq(host->offloads, NIC_CSUM | NIC_TSO4);
	restart(OFFLOADS | ecn | NET_BIT(NET_F_GUEST_USO4) | NET_BIT(NET_F_GUEST_USO6));
	ck_assert_uint_eq(host->offloads, NIC_CSUM | NIC_TSO4 | NIC_ECN | NIC_USO);
}
END_TEST

static void read_mac(uint8_t ret[6])
{
	for (unsigned int i = 0; i < 6; i++)
		dev->ops->read_config(dev, i, ret + i, 1);
}

START_TEST(address)
{
	static const uint8_t other[6] = {2, 9, 9, 9, 9, 9};
	uint8_t got[6];

	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 6),
		VIRTIO_NET_OK);
	read_mac(got);
	ck_assert_mem_eq(got, other, 6);
	/* A reset gives back the first. */
	restart(FEATURES);
	read_mac(got);
	ck_assert_mem_eq(got, mac, 6);
}
END_TEST

/* What was gathered and never filled goes back to the queue. */
START_TEST(quiesce)
{
	post(RX, 40, 2048);
	arrive(100, 7);
	used_len(RX);
	add_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	dev->ops->quiesce(dev);
	ck_assert_uint_eq(dev->queues[RX].last_avail, 1);
	ck_assert_uint_eq(host->sent_count, 1);
	/* And on it goes. */
	arrive(100, 8);
	ck_assert_uint_eq(used_len(RX), NIC_HEADER + 100);
}
END_TEST

/* However much is in it. */
START_TEST(quiesce_empties_the_queue)
{
	uint64_t gpa = fake_alloc(&f, NIC_HEADER + 60, 16);

	for (int i = 0; i < NET_QUEUE_SIZE; i++)
		fake_add(&f.queues[TX], &(struct fake_buf){gpa, NIC_HEADER + 60, false}, 1);
	dev->ops->quiesce(dev);
	ck_assert_uint_eq(host->sent_count, NET_QUEUE_SIZE);
	ck_assert_uint_eq(f.queues[TX].used->idx, NET_QUEUE_SIZE);
	ck_assert_uint_eq(dev->queues[TX].last_avail, NET_QUEUE_SIZE);
}
END_TEST

/* What can't go stays in the queue, to be sent by whoever loads it. */
START_TEST(quiesce_of_a_full_host)
{
	host->blocked = true;
	for (int i = 0; i < 3; i++)
		send_frame(&(struct virtio_net_hdr_v1){0}, 60, 1);
	dev->ops->quiesce(dev);
	ck_assert_uint_eq(dev->queues[TX].last_avail, 0);
	no_used(TX);
}
END_TEST

START_TEST(saved_and_loaded)
{
	static const uint8_t two[2] = {2}, csum[8] = {2}, other[6] = {2, 9, 9, 9, 9, 9};
	struct buf state = BUF_INIT(4096);
	uint8_t got[6];

	restart(OFFLOADS);
	command(VIRTIO_NET_CTRL_MQ, 0, two, 2);
	command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, csum, 8);
	command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 6);
	dev->ops->quiesce(dev);
	ck_assert_int_eq(dev->ops->save(dev, &state), 0);
	fake_driver_reset(&f);
	ck_assert_int_eq(dev->ops->load(dev, state.data, state.len), 0);
	f.next_gpa = FAKE_RAM_GPA;
	memset(f.ram, 0, FAKE_RAM_SIZE);
	ck_assert_int_eq(fake_driver_start(&f, dev, OFFLOADS), 0);
	ck_assert_uint_eq(host->pairs, 2);
	ck_assert_uint_eq(host->offloads, NIC_CSUM);
	read_mac(got);
	ck_assert_mem_eq(got, other, 6);
	buf_fini(&state);
}
END_TEST

/* {offset, value} that spoil a saved state; 0xff as the offset: one byte less */
static const uint8_t spoilt[][2] = {{0, 0}, {0, 3}, {1, 1}, {2, 1}, {5, 0x80}, {12, 1}, {0xff, 0}};

START_TEST(bad_state)
{
	struct buf state = BUF_INIT(4096);

	ck_assert_int_eq(dev->ops->save(dev, &state), 0);
	fake_driver_reset(&f);
	ck_assert_int_eq(dev->ops->load(dev, state.data, state.len), 0);
	if (spoilt[_i][0] == 0xff)
		state.len--;
	else
		state.data[spoilt[_i][0]] = spoilt[_i][1];
	ck_assert_int_eq(dev->ops->load(dev, state.data, state.len), -EINVAL);
	buf_fini(&state);
}
END_TEST

SUITE_CASES("net_rx", setup, teardown, {one_buffer}, {merged}, {merged_appears_at_once},
	{parts_appear_with_the_last}, {many_frames}, {little_room}, {room_runs_short}, {no_buffers},
	{not_mergeable}, {longer_than_told}, {control, ARRAY_SIZE(commands)},
	{control_without_answer}, {control_without_command}, {control_queue_without_pairs}, {pairs},
	{pairs_that_the_host_refuses}, {pairs_without_queues}, {offloads}, {address}, {quiesce},
	{quiesce_empties_the_queue}, {quiesce_of_a_full_host}, {saved_and_loaded},
	{bad_state, ARRAY_SIZE(spoilt)})
