// SPDX-License-Identifier: Apache-2.0
// Tests of devices/balloon.h.
#include "devices/balloon.h"

#include "base/buf.h"
#include "base/le.h"
#include "devices/virtqueue.h"
#include "tests/lib/balloon_guest.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <string.h>

START_TEST(pages_go_in_runs)
{
	/* Downwards, upwards, one alone, one twice. */
	const uint32_t pfns[] = {0x123, 0x122, 0x121, 0x130, 0x131, 0x180, 0x122};

	send_pages(0, pfns, ARRAY_SIZE(pfns));
	expect_used(0);
	ck_assert_uint_eq(reclaim.count, 3);
	expect_call(0, 0x121, 3);
	expect_call(1, 0x130, 2);
	expect_call(2, 0x180, 1);
}
END_TEST

START_TEST(a_list_in_pieces)
{
	/* A page number that lies across two buffers. */
	uint64_t gpa = fake_alloc(&f, 16, 4);
	const struct fake_buf bufs[] = {{gpa, 6, false}, {gpa + 6, 2, false}};
	const uint32_t pfns[] = {0x110, 0x111};

	memcpy(fake_ptr(&f, gpa), pfns, sizeof(pfns));
	fake_add(&f.queues[0], bufs, 2);
	fake_kick(&f, 0);
	expect_used(0);
	ck_assert_uint_eq(reclaim.count, 1);
	expect_call(0, 0x110, 2);
}
END_TEST

START_TEST(many_pages)
{
	uint32_t pfns[400];

	for (unsigned int i = 0; i < ARRAY_SIZE(pfns); i++)
		pfns[i] = 0x100 + i;
	send_pages(0, pfns, ARRAY_SIZE(pfns));
	expect_used(0);
	/* A batch, and the rest. */
	ck_assert_uint_eq(reclaim.count, 2);
	expect_call(0, 0x100, 256);
	expect_call(1, 0x200, 144);
}
END_TEST

static const uint32_t outside[] = {0, 0xff, 0x300, 0xffffffff, 0x100000};

START_TEST(page_outside)
{
	send_pages(0, &outside[_i], 1);
	ck_assert(atomic_load(&dev->broken));
	ck_assert_uint_eq(reclaim.count, 0);
	expect_not_used(0);
}
END_TEST

START_TEST(broken_and_used_again)
{
	send_pages(0, &outside[0], 1);
	ck_assert(atomic_load(&dev->broken));
	fake_driver_reset(&f);
	ck_assert_int_eq(fake_driver_start(&f, dev, 0), 0);
	send_pages(0, (const uint32_t[]){0x150}, 1);
	expect_used(0);
	expect_call(0, 0x150, 1);
}
END_TEST

START_TEST(odd_list)
{
	fake_add(&f.queues[0], &(struct fake_buf){fake_alloc(&f, 8, 4), 7, false}, 1);
	fake_kick(&f, 0);
	ck_assert(atomic_load(&dev->broken));
}
END_TEST

START_TEST(list_too_long)
{
	fake_add(&f.queues[0], &(struct fake_buf){FAKE_RAM_GPA, 4 * 4097, false}, 1);
	fake_kick(&f, 0);
	ck_assert(atomic_load(&dev->broken));
	ck_assert_uint_eq(reclaim.count, 0);
}
END_TEST

START_TEST(list_to_write)
{
	fake_add(&f.queues[_i], &(struct fake_buf){fake_alloc(&f, 4, 4), 4, true}, 1);
	fake_kick(&f, _i);
	ck_assert(atomic_load(&dev->broken));
}
END_TEST

START_TEST(deflating_gives_nothing_back)
{
	send_pages(1, (const uint32_t[]){0x150}, 1);
	expect_used(1);
	ck_assert_uint_eq(reclaim.count, 0);
}
END_TEST

/* Each request is 1024 pages: four of them are the bound of a notify. */
START_TEST(a_notify_is_bounded)
{
	uint64_t gpa = fake_alloc(&f, 4096, 4);
	uint32_t *pfns = fake_ptr(&f, gpa);

	for (unsigned int i = 0; i < 1024; i++)
		pfns[i] = 0x100 + i % 256;
	for (unsigned int i = 0; i < 6; i++)
		fake_add(&f.queues[0], &(struct fake_buf){gpa, 4096, false}, 1);
	dev->ops->notify(dev, 0);
	for (unsigned int i = 0; i < 4; i++)
		expect_used(0);
	expect_not_used(0);
	ck_assert_uint_eq(f.later, 1);
	fake_kick(&f, 0);
	expect_used(0);
	expect_used(0);
}
END_TEST

START_TEST(target)
{
	unsigned int before = f.config_signals;

	ck_assert_uint_eq(config_word(0), 256);
	ck_assert_int_eq(balloon_set_target(dev, 2), 0);
	ck_assert_uint_eq(config_word(0), 512);
	ck_assert_uint_eq(f.config_signals, before + 1);
	/* The guest has two MiB. */
	ck_assert_int_eq(balloon_set_target(dev, 3), -EINVAL);
	ck_assert_int_eq(balloon_set_target(dev, UINT32_MAX), -EINVAL);
	ck_assert_uint_eq(config_word(0), 512);
	ck_assert_uint_eq(f.config_signals, before + 1);
}
END_TEST

START_TEST(config_space)
{
	struct balloon_stats stats;
	uint64_t wide = UINT64_MAX;
	uint8_t byte = 7;

	write_word(ACTUAL, 99);
	ck_assert_uint_eq(config_word(ACTUAL), 99);
	balloon_get_stats(dev, &stats);
	ck_assert_uint_eq(stats.actual_pages, 99);
	ck_assert_uint_eq(stats.target_pages, 256);
	/* Only that, and whole. */
	write_word(0, 5);
	write_word(8, 5);
	write_word(2, 5);
	write_word(0xfc, 5);
	dev->ops->write_config(dev, ACTUAL, &byte, 1);
	dev->ops->write_config(dev, 0, &wide, 8);
	ck_assert_uint_eq(config_word(0), 256);
	ck_assert_uint_eq(config_word(ACTUAL), 99);
	ck_assert_uint_eq(config_word(8), 0);
	dev->ops->read_config(dev, 0xf0, &wide, 8);
	ck_assert_uint_eq(wide, 0);
}
END_TEST

static void report(unsigned int queue, bool write)
{
	const struct fake_buf bufs[] = {{FAKE_RAM_GPA + 0x100000, 0x80000, write},
		{FAKE_RAM_GPA + 0x1f0000, 0x4000, write}};

	fake_add(&f.queues[queue], bufs, 2);
	fake_kick(&f, queue);
}

START_TEST(reported_pages)
{
	const struct balloon_config config = {.reporting = true, .stats_s = 1};

	/* Queues have numbers only when they were negotiated. */
	restart(&config, 1u << VIRTIO_BALLOON_F_REPORTING);
	report(2, true);
	expect_used(2);
	restart(&config, 1u << VIRTIO_BALLOON_F_REPORTING | 1u << VIRTIO_BALLOON_F_STATS_VQ);
	report(3, true);
	expect_used(3);
	ck_assert_uint_eq(reclaim.count, 2);
	expect_call(0, 0x200, 0x80);
	expect_call(1, 0x2f0, 4);
}
END_TEST

START_TEST(report_to_read)
{
	restart(&(struct balloon_config){.reporting = true}, 1u << VIRTIO_BALLOON_F_REPORTING);
	report(2, false);
	ck_assert(atomic_load(&dev->broken));
	ck_assert_uint_eq(reclaim.count, 0);
}
END_TEST

START_TEST(queue_that_was_not_negotiated)
{
	restart(&(struct balloon_config){.reporting = true}, 0);
	report(2, true);
	expect_not_used(2);
	ck_assert_uint_eq(reclaim.count, 0);
}
END_TEST

START_TEST(poison)
{
	uint32_t both = 1u << VIRTIO_BALLOON_F_REPORTING | 1u << VIRTIO_BALLOON_F_PAGE_POISON;

	restart(&(struct balloon_config){.reporting = true}, both);
	write_word(POISON, 0);
	report(2, true);
	expect_used(2);
	ck_assert_uint_eq(reclaim.count, 2);
	write_word(POISON, 0xaaaaaaaa);
	ck_assert_uint_eq(config_word(POISON), 0xaaaaaaaa);
	report(2, true);
	expect_used(2);
	ck_assert_uint_eq(reclaim.count, 2);
	/* A reset forgets it. */
	fake_driver_reset(&f);
	ck_assert_uint_eq(config_word(POISON), 0);
}
END_TEST

START_TEST(save_and_load)
{
	const uint8_t bad[16] = {1, 2}; /* 513 pages */
	struct buf buf = BUF_INIT(64);
	struct balloon_stats stats;

	with_stats();
	ck_assert_int_eq(balloon_set_target(dev, 2), 0);
	ck_assert_int_eq(balloon_set_polling(dev, 9), 0);
	write_word(ACTUAL, 100);
	write_word(POISON, 3);
	dev->ops->quiesce(dev);
	ck_assert_int_eq(dev->ops->save(dev, &buf), 0);
	with_stats();
	fake_driver_reset(&f);
	ck_assert_int_eq(dev->ops->load(dev, buf.data, buf.len - 1), -EINVAL);
	ck_assert_int_eq(dev->ops->load(dev, bad, sizeof(bad)), -EINVAL);
	ck_assert_int_eq(dev->ops->load(dev, buf.data, buf.len), 0);
	balloon_get_stats(dev, &stats);
	ck_assert_uint_eq(stats.target_pages, 512);
	ck_assert_uint_eq(stats.actual_pages, 100);
	ck_assert_uint_eq(stats.stats_s, 9);
	ck_assert_uint_eq(config_word(POISON), 3);
	/* A balloon without statistics can't poll. */
	restart(&(struct balloon_config){0}, 0);
	fake_driver_reset(&f);
	ck_assert_int_eq(dev->ops->load(dev, buf.data, buf.len), -EINVAL);
	buf_fini(&buf);
}
END_TEST

START_TEST(target_beyond_memory)
{
	struct virtio_dev *other;

	ck_assert_int_eq(balloon_new(&loop, &f.mem, &reclaim.base,
				 &(struct balloon_config){.target_mib = 3}, &other),
		-EINVAL);
}
END_TEST

START_TEST(counts)
{
	const uint64_t *n = dev->counters;

	send_pages(0, (const uint32_t[]){0x150}, 1);
	send_pages(1, (const uint32_t[]){0x150}, 1);
	send_pages(1, (const uint32_t[]){0x151}, 1);
	ck_assert_uint_eq(n[BALLOON_INFLATES], 1);
	ck_assert_uint_eq(n[BALLOON_DEFLATES], 2);
	ck_assert_uint_eq(n[BALLOON_BROKEN], 0);
	send_pages(0, &outside[0], 1);
	ck_assert_uint_eq(n[BALLOON_BROKEN], 1);
}
END_TEST

SUITE_CASES("balloon", setup, teardown, {pages_go_in_runs}, {a_list_in_pieces}, {many_pages},
	{page_outside, ARRAY_SIZE(outside)}, {broken_and_used_again}, {odd_list}, {list_too_long},
	{list_to_write, 2}, {deflating_gives_nothing_back}, {a_notify_is_bounded}, {target},
	{config_space}, {reported_pages}, {report_to_read}, {queue_that_was_not_negotiated},
	{poison}, {save_and_load}, {target_beyond_memory}, {counts})
