// SPDX-License-Identifier: Apache-2.0
// Tests of devices/blk.h: another size, disk or limit while it runs; saved and loaded.
#include "devices/blk.h"

#include "base/buf.h"
#include "devices/rate_limit.h"
#include "tests/lib/blk_guest.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <poll.h>
#include <string.h>

static uint64_t told_capacity(void)
{
	uint64_t capacity;

	dev->ops->read_config(dev, 0, &capacity, sizeof(capacity));
	return capacity;
}

START_TEST(resizes)
{
	setup(false);
	disk->next_capacity = 2 * SECTORS * DISK_SECTOR;
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, SECTORS, 512), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(blk_resize(dev), 0);
	ck_assert_uint_eq(f.config_signals, 1);
	ck_assert_uint_eq(told_capacity(), 2 * SECTORS);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, SECTORS, 512), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(blk_resize(dev), 0);
	ck_assert_uint_eq(f.config_signals, 1);
	/* Smaller. */
	disk->next_capacity = DISK_SECTOR;
	ck_assert_int_eq(blk_resize(dev), 0);
	ck_assert_uint_eq(told_capacity(), 1);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 1, 512), VIRTIO_BLK_S_IOERR);
	/* The size can't be got: all stays. */
	disk->next_capacity = 0;
	ck_assert_int_eq(blk_resize(dev), -EIO);
	ck_assert_uint_eq(told_capacity(), 1);
	ck_assert_uint_eq(f.config_signals, 2);
	teardown();
}
END_TEST

START_TEST(exchanges_the_disk)
{
	struct fake_disk *other = fake_disk_new(2 * SECTORS, false), *bad;
	bool freed = false;
	uint32_t used;

	setup(false);
	disk->defer = true;
	disk->freed = &freed;
	offer(VIRTIO_BLK_T_IN, 1, 512);
	fake_kick(&f, 0);
	memset(other->data, 0x42, 512);
	ck_assert_int_eq(blk_set_disk(dev, &other->disk), 0);
	/* What was in flight came from the old one, which is gone. */
	ck_assert_int_eq(answer(&used), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(data[0], 1);
	ck_assert_uint_eq(f.queue_signals, 1);
	ck_assert(freed);
	disk = other;
	ck_assert_uint_eq(told_capacity(), 2 * SECTORS);
	ck_assert_uint_eq(f.config_signals, 1);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(data[0], 0x42);
	disk->defer = true;
	offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick(&f, 0);
	fake_disk_complete(disk);
	ck_assert_int_eq(answer(&used), VIRTIO_BLK_S_OK);
	/* The guest was told what it can't be told again. */
	bad = fake_disk_new(SECTORS, true);
	ck_assert_int_eq(blk_set_disk(dev, &bad->disk), -EINVAL);
	disk_free(&bad->disk);
	bad = fake_disk_new(SECTORS, false);
	bad->disk.block_size = 4096;
	ck_assert_int_eq(blk_set_disk(dev, &bad->disk), -EINVAL);
	disk_free(&bad->disk);
	teardown();
}
END_TEST

START_TEST(limits)
{
	const struct rate_limit_config ops = {.ops = {2, 400, 1}},
				       never = {.bytes = {512, UINT64_MAX, 0}};
	uint32_t id, used;

	setup(false);
	ck_assert_int_eq(blk_set_limits(dev, &ops), 0);
	for (unsigned int i = 0; i < 6; i++)
		offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick(&f, 0);
	ck_assert_uint_ge(disk->counts[DISK_READ], 3);
	ck_assert_uint_lt(disk->counts[DISK_READ], 6);
	for (unsigned int i = 0; i < 5000 && disk->counts[DISK_READ] < 6; i++) {
		poll(NULL, 0, 1);
		loop_step(&loop);
	}
	for (unsigned int i = 0; i < 6; i++)
		ck_assert(fake_used(&f.queues[0], &id, &used));
	/* Changed while something waits; what is left is served at once. */
	ck_assert_int_eq(blk_set_limits(dev, &never), 0);
	for (unsigned int i = 0; i < 4; i++)
		offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick(&f, 0);
	fake_kick(&f, 0);
	ck_assert_uint_eq(disk->counts[DISK_READ], 7);
	ck_assert_int_eq(blk_set_limits(dev, NULL), 0);
	ck_assert_uint_eq(disk->counts[DISK_READ], 10);
	/* A reset while something waits. */
	ck_assert_int_eq(blk_set_limits(dev, &never), 0);
	for (unsigned int i = 0; i < 4; i++)
		offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick(&f, 0);
	fake_driver_reset(&f);
	ck_assert_int_eq(blk_set_limits(dev, NULL), 0);
	ck_assert_uint_eq(disk->counts[DISK_READ], 11);
	start(FEATURES);
	teardown();
}
END_TEST

/* Nothing is served in a pause, neither when the limit lets it pass nor when it is lifted. */
START_TEST(paused_while_limited)
{
	const struct rate_limit_config never = {.bytes = {512, UINT64_MAX, 0}},
				       soon = {.ops = {1, 1, 0}};

	setup(false);
	ck_assert_int_eq(blk_set_limits(dev, &never), 0);
	for (unsigned int i = 0; i < 4; i++)
		offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick(&f, 0);
	ck_assert_uint_eq(disk->counts[DISK_READ], 1);
	fake_driver_pause(&f);
	ck_assert_int_eq(blk_set_limits(dev, &soon), 0);
	for (unsigned int i = 0; i < 5; i++) {
		poll(NULL, 0, 2);
		loop_step(&loop);
	}
	ck_assert_int_eq(blk_set_limits(dev, NULL), 0);
	ck_assert_uint_eq(disk->counts[DISK_READ], 1);
	fake_driver_resume(&f);
	ck_assert_uint_eq(disk->counts[DISK_READ], 4);
	/* And the timer goes on. */
	ck_assert_int_eq(blk_set_limits(dev, &(struct rate_limit_config){.ops = {1, 20, 0}}), 0);
	for (unsigned int i = 0; i < 3; i++)
		offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick(&f, 0);
	fake_driver_pause(&f);
	fake_driver_resume(&f);
	ck_assert_uint_lt(disk->counts[DISK_READ], 7);
	for (unsigned int i = 0; i < 5000 && disk->counts[DISK_READ] < 7; i++) {
		poll(NULL, 0, 1);
		loop_step(&loop);
	}
	ck_assert_uint_eq(disk->counts[DISK_READ], 7);
	teardown();
}
END_TEST

START_TEST(saves_and_loads)
{
	const struct rate_limit_config config = {.ops = {10, UINT64_MAX, 3}};
	struct buf saved = BUF_INIT(4096);

	setup(false);
	ck_assert_int_eq(blk_set_limits(dev, &config), 0);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	set_wce(0);
	ck_assert_int_eq(dev->ops->save(dev, &saved), 0);
	teardown();

	make(false, &plain);
	ck_assert_int_eq(blk_set_limits(dev, &config), 0);
	ck_assert_int_eq(dev->ops->load(dev, saved.data, saved.len - 1), -EINVAL);
	ck_assert_int_eq(dev->ops->load(dev, NULL, 0), -EINVAL);
	ck_assert_uint_eq(get_wce(), 1);
	ck_assert_int_eq(dev->ops->load(dev, saved.data, saved.len), 0);
	start(FEATURES);
	ck_assert_uint_eq(get_wce(), 0);
	/* Eight of ten were left, and no burst. */
	for (unsigned int i = 0; i < 20; i++)
		offer(VIRTIO_BLK_T_OUT, 0, 512);
	fake_kick(&f, 0);
	ck_assert_uint_eq(disk->counts[DISK_WRITE], 8);
	ck_assert_uint_eq(disk->durable, 8);
	saved.data[0] = 2;
	ck_assert_int_eq(dev->ops->load(dev, saved.data, saved.len), -EINVAL);
	buf_fini(&saved);
	teardown();
}
END_TEST

SUITE("blk_changes", resizes, exchanges_the_disk, limits, paused_while_limited, saves_and_loads)
