// SPDX-License-Identifier: Apache-2.0
// Tests of devices/balloon.h: statistics.
#include "devices/balloon.h"

#include "base/le.h"
#include "devices/virtqueue.h"
#include "tests/lib/balloon_guest.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <string.h>
#include <time.h>

static void send_stats(unsigned int tag, uint64_t value)
{
	uint64_t gpa = fake_alloc(&f, 20, 2);
	uint8_t *p = fake_ptr(&f, gpa);

	le16_store(p, (uint16_t)tag);
	le64_store(p + 2, value);
	le16_store(p + 10, BALLOON_STAT_FREE_MEMORY);
	le64_store(p + 12, 77);
	fake_add(&f.queues[2], &(struct fake_buf){gpa, 20, false}, 1);
	fake_kick(&f, 2);
}

/* Let the timer fire. */
static void after_a_second(void)
{
	nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 50000000}, NULL);
	loop_step(&loop);
}

START_TEST(statistics)
{
	struct balloon_stats stats;

	with_stats();
	send_stats(BALLOON_STAT_DIRECT_RECLAIM, 1ull << 40);
	/* Held until the next are wanted. */
	expect_not_used(2);
	balloon_get_stats(dev, &stats);
	ck_assert_uint_eq(
		stats.present, 1u << BALLOON_STAT_DIRECT_RECLAIM | 1u << BALLOON_STAT_FREE_MEMORY);
	ck_assert_uint_eq(stats.values[BALLOON_STAT_DIRECT_RECLAIM], 1ull << 40);
	ck_assert_uint_eq(stats.values[BALLOON_STAT_FREE_MEMORY], 77);
	after_a_second();
	expect_used(2);
	send_stats(BALLOON_STAT_COUNT, 1);
	balloon_get_stats(dev, &stats);
	/* A tag that nobody knows is left out. */
	ck_assert_uint_eq(stats.present, 1u << BALLOON_STAT_FREE_MEMORY);
	/* No second time unless it answers. */
	after_a_second();
	expect_used(2);
	after_a_second();
	expect_not_used(2);
}
END_TEST

START_TEST(statistics_too_long)
{
	with_stats();
	fake_add(&f.queues[2], &(struct fake_buf){FAKE_RAM_GPA, 641, false}, 1);
	fake_kick(&f, 2);
	ck_assert(atomic_load(&dev->broken));
}
END_TEST

START_TEST(statistics_twice)
{
	with_stats();
	send_stats(0, 1);
	send_stats(0, 2);
	/* The older one goes back at once. */
	expect_used(2);
	expect_not_used(2);
}
END_TEST

START_TEST(polling)
{
	ck_assert_int_eq(balloon_set_polling(dev, 1), -ENOTSUP);
	with_stats();
	ck_assert_int_eq(balloon_set_polling(dev, UINT32_MAX), -EINVAL);
	ck_assert_int_eq(balloon_set_polling(dev, 0), 0);
	send_stats(0, 1);
	after_a_second();
	expect_not_used(2);
	ck_assert_int_eq(balloon_set_polling(dev, 1), 0);
	after_a_second();
	expect_used(2);
}
END_TEST

/* Nothing is written behind a reset or while a snapshot is made. */
START_TEST(nothing_late)
{
	uint64_t touched = 0;

	with_stats();
	send_stats(0, 1);
	if (_i)
		fake_driver_reset(&f);
	else
		dev->ops->quiesce(dev);
	memset(f.ram, 0, FAKE_RAM_SIZE);
	after_a_second();
	for (uint64_t i = 0; i < FAKE_RAM_SIZE; i++)
		touched += f.ram[i];
	ck_assert_uint_eq(touched, 0);
}
END_TEST

START_TEST(quiesce_puts_statistics_back)
{
	with_stats();
	send_stats(0, 1);
	dev->ops->quiesce(dev);
	ck_assert(virtq_pending(&dev->queues[2]));
	fake_kick(&f, 2);
	expect_not_used(2);
	after_a_second();
	expect_used(2);
}
END_TEST

START_TEST(statistics_go_on_after_a_pause)
{
	with_stats();
	send_stats(0, 1);
	fake_driver_pause(&f);
	after_a_second();
	expect_not_used(2);
	fake_driver_resume(&f);
	expect_not_used(2);
	after_a_second();
	expect_used(2);
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(balloon_stat_name(BALLOON_STAT_SWAP_IN), "swap_in");
	ck_assert_str_eq(balloon_stat_name(BALLOON_STAT_DIRECT_RECLAIM), "direct_reclaim");
}
END_TEST

SUITE_CASES("balloon_stats", setup, teardown, {statistics}, {statistics_too_long},
	{statistics_twice}, {polling}, {nothing_late, 2}, {quiesce_puts_statistics_back},
	{statistics_go_on_after_a_pause}, {names})
