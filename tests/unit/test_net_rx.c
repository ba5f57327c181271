// SPDX-License-Identifier: Apache-2.0
// Tests of devices/net.h: room for received frames.
#include "devices/net.h"

#include "tests/lib/net_guest.h"
#include "tests/lib/suite.h"

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

SUITE_CASES("net_rx", setup, teardown, {one_buffer}, {merged}, {merged_appears_at_once},
	{parts_appear_with_the_last}, {many_frames}, {little_room}, {room_runs_short}, {no_buffers},
	{not_mergeable}, {longer_than_told}, {quiesce}, {quiesce_empties_the_queue},
	{quiesce_of_a_full_host})
