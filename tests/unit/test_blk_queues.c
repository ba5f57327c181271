// SPDX-License-Identifier: Apache-2.0
// Tests of devices/blk.h: many requests at once, in one queue and in several.
#include "devices/blk.h"

#include "tests/lib/blk_guest.h"
#include "tests/lib/suite.h"

#include <linux/virtio_blk.h>

START_TEST(late_answers)
{
	uint32_t id, used;
	uint16_t heads[4];

	setup(false);
	disk->defer = true;
	for (unsigned int i = 0; i < 4; i++) {
		const struct fake_buf bufs[] = {{hdr_gpa, 16, false},
			{data_gpa + 512 * i, 512, true}, {status_gpa, 1, true}};

		put_header(VIRTIO_BLK_T_IN, 0);
		heads[i] = fake_add(&f.queues[0], bufs, 3);
	}
	fake_kick(&f, 0);
	ck_assert_uint_eq(disk->counts[DISK_READ], 4);
	ck_assert(!fake_used(&f.queues[0], &id, &used));
	fake_disk_complete(disk);
	for (unsigned int i = 0; i < 4; i++) {
		ck_assert(fake_used(&f.queues[0], &id, &used));
		ck_assert_uint_eq(id, heads[3 - i]);
	}
	ck_assert_uint_gt(f.queue_signals, 0);
	teardown();
}
END_TEST

START_TEST(reset_in_flight_leaves_no_late_write)
{
	uint32_t id, used;

	setup(false);
	disk->defer = true;
	offer(VIRTIO_BLK_T_OUT, 0, 512);
	fake_kick(&f, 0);
	offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick(&f, 0);
	ck_assert_uint_eq(disk->pending_count, 2);
	fake_driver_reset(&f);
	ck_assert_uint_eq(disk->pending_count, 0);
	ck_assert(!fake_used(&f.queues[0], &id, &used));
	ck_assert_int_eq(*status_byte(), NO_STATUS);
	ck_assert_uint_eq(f.queue_signals, 0);
	disk->defer = false;
	ck_assert_int_eq(fake_driver_start(&f, dev, FEATURES), 0);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	teardown();
}
END_TEST

START_TEST(quiesce_answers_all)
{
	uint32_t used;

	setup(false);
	disk->defer = true;
	offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick(&f, 0);
	dev->ops->quiesce(dev);
	ck_assert_int_eq(answer(&used), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(f.queue_signals, 1);
	teardown();
}
END_TEST

START_TEST(whole_queue_twice)
{
	uint32_t id, used;

	setup(false);
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (unsigned int i = 0; i < 128; i++)
			offer(VIRTIO_BLK_T_FLUSH, 0, 0);
		fake_kick(&f, 0);
		for (unsigned int i = 0; i < 128; i++)
			ck_assert(fake_used(&f.queues[0], &id, &used));
	}
	ck_assert_uint_eq(disk->counts[DISK_FLUSH], 256);
	ck_assert_uint_eq(f.queue_signals, 1); /* the driver's wish stayed at 0 */
	teardown();
}
END_TEST

START_TEST(queues)
{
	const struct blk_options three = {.queues = 3};
	struct virtio_blk_config config;
	uint32_t id, used;

	make(false, &three);
	ck_assert(dev->features & BIT(VIRTIO_BLK_F_MQ));
	dev->ops->read_config(dev, 0, &config, sizeof(config));
	ck_assert_uint_eq(config.num_queues, 3);
	start(FEATURES | BIT(VIRTIO_BLK_F_MQ));
	/* Full ones at once: there are requests for all. */
	disk->defer = true;
	for (unsigned int q = 0; q < 3; q++) {
		const struct fake_buf bufs[] = {{hdr_gpa, 16, false}, {status_gpa, 1, true}};

		put_header(VIRTIO_BLK_T_FLUSH, 0);
		for (unsigned int i = 0; i < 128; i++)
			fake_add(&f.queues[q], bufs, 2);
		fake_kick(&f, q);
	}
	ck_assert_uint_eq(disk->pending_count, 384);
	fake_disk_complete(disk);
	ck_assert_uint_eq(f.queue_signals, 3);
	for (unsigned int q = 0; q < 3; q++)
		for (unsigned int i = 0; i < 128; i++)
			ck_assert(fake_used(&f.queues[q], &id, &used));
	teardown();
}
END_TEST

START_TEST(as_many_in_flight_as_the_queue_holds)
{
	uint32_t id, used;

	setup(false);
	disk->defer = true;
	offer(VIRTIO_BLK_T_FLUSH, 0, 0);
	for (unsigned int i = 1; i < 256; i++)
		fake_publish(&f.queues[0], 0);
	/* Each look into the queue takes a request from the pool, also when there is nothing. */
	for (unsigned int i = 0; i < 3; i++)
		fake_kick(&f, 0);
	ck_assert_uint_eq(disk->pending_count, 256);
	fake_disk_complete(disk);
	for (unsigned int i = 0; i < 256; i++)
		ck_assert(fake_used(&f.queues[0], &id, &used));
	ck_assert(!atomic_load(&dev->broken));
	teardown();
}
END_TEST

START_TEST(one_commit_a_round)
{
	setup(false);
	for (unsigned int i = 0; i < 20; i++)
		offer(VIRTIO_BLK_T_FLUSH, 0, 0);
	fake_kick(&f, 0);
	ck_assert_uint_eq(disk->commits, 1);
	ck_assert_uint_eq(f.queue_signals, 1);
	teardown();
}
END_TEST

SUITE("blk_queues", late_answers, reset_in_flight_leaves_no_late_write, quiesce_answers_all,
	whole_queue_twice, queues, as_many_in_flight_as_the_queue_holds, one_commit_a_round)
