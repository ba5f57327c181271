// SPDX-License-Identifier: Apache-2.0
// Tests of devices/blk.h: ranges to discard or to zero, and what is durable when.
#include "devices/blk.h"

#include "tests/lib/blk_guest.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <linux/virtio_blk.h>

static void put_range(unsigned int i, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes *ranges = (void *)data;

	ranges[i] = (struct virtio_blk_discard_write_zeroes){
		.sector = sector, .num_sectors = sectors, .flags = flags};
}

static int one_range(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	put_range(0, sector, sectors, flags);
	return request(type, 0, 16);
}

START_TEST(discards)
{
	setup(false);
	put_range(0, 2, 3, 0);
	put_range(1, 10, 0, 0);
	put_range(2, SECTORS - 1, 1, 0);
	ck_assert_int_eq(request(VIRTIO_BLK_T_DISCARD, 0, 48), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(disk->counts[DISK_DISCARD], 2);
	ck_assert_uint_eq(disk->data[2 * 512], 0xdd);
	ck_assert_uint_eq(disk->data[5 * 512 - 1], 0xdd);
	ck_assert_uint_eq(disk->data[SECTORS * 512 - 1], 0xdd);
	ck_assert_uint_ne(disk->data[10 * 512], 0xdd);
	/* All there may be, answered late. */
	disk->defer = true;
	for (unsigned int i = 0; i < 16; i++)
		put_range(i, i, 1, 0);
	offer(VIRTIO_BLK_T_DISCARD, 0, 256);
	fake_kick(&f, 0);
	ck_assert_uint_eq(disk->pending_count, 1);
	ck_assert_int_eq(*status_byte(), NO_STATUS);
	fake_disk_complete(disk);
	ck_assert_int_eq(*status_byte(), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(disk->counts[DISK_DISCARD], 18);
	teardown();
}
END_TEST

START_TEST(writes_zeroes)
{
	setup(false);
	put_range(0, 0, 1, 0);
	put_range(1, 4, 2, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	ck_assert_int_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 32), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(disk->counts[DISK_WRITE_ZEROES], 2);
	ck_assert_uint_eq(disk->unmapped, 1);
	for (unsigned int i = 0; i < 512; i++)
		ck_assert_uint_eq(disk->data[i] | disk->data[4 * 512 + i], 0);
	/* An error ends it. */
	disk->error = -EIO;
	ck_assert_int_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 32), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(disk->counts[DISK_WRITE_ZEROES], 3);
	teardown();
}
END_TEST

/* One fault each; nothing reaches the disk. */
START_TEST(bad_ranges)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES};
	uint32_t type = types[_i];

	setup(false);
	ck_assert_int_eq(one_range(type, SECTORS, 1, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(one_range(type, SECTORS - 1, 2, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(one_range(type, UINT64_MAX, 1, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(one_range(type, UINT64_C(1) << 55, 1, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(one_range(type, (UINT64_C(1) << 55) - 1, 2, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(one_range(type, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(one_range(type, 0, 1, 2), VIRTIO_BLK_S_UNSUPP);
	ck_assert_int_eq(one_range(type, 0, 1, 1U << 31), VIRTIO_BLK_S_UNSUPP);
	if (type == VIRTIO_BLK_T_DISCARD)
		ck_assert_int_eq(one_range(type, 0, 1, 1), VIRTIO_BLK_S_UNSUPP);
	put_range(0, 0, 1, 0);
	ck_assert_int_eq(request(type, 0, 15), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(request(type, 0, 17), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(request(type, 0, 0), VIRTIO_BLK_S_IOERR);
	for (unsigned int i = 0; i < 17; i++)
		put_range(i, 0, 1, 0);
	ck_assert_int_eq(request(type, 0, 17 * 16), VIRTIO_BLK_S_IOERR);
	/* The second is bad, so the first isn't done either. */
	put_range(1, SECTORS, 1, 0);
	ck_assert_int_eq(request(type, 0, 32), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(fake_disk_total(disk), 0);
	ck_assert_int_eq(one_range(type, 0, 1, 0), VIRTIO_BLK_S_OK);
	teardown();
	setup(true);
	ck_assert_int_eq(one_range(type, 0, 1, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(fake_disk_total(disk), 0);
	teardown();
}
END_TEST

START_TEST(ranges_change_while_checked)
{
	setup(false);
	disk->defer = true;
	put_range(0, 0, 1, 0);
	put_range(1, 1, 1, 0);
	offer(VIRTIO_BLK_T_WRITE_ZEROES, 0, 32);
	fake_kick(&f, 0);
	/* Too late: they were copied. */
	put_range(1, 5, 1, 0);
	disk->defer = false;
	fake_disk_complete(disk);
	ck_assert_int_eq(*status_byte(), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(disk->data[512], 0);
	ck_assert_uint_ne(disk->data[5 * 512 + 1], 0);
	teardown();
}
END_TEST

START_TEST(cache_modes)
{
	const struct blk_options unsafe = {.unsafe = true, .queues = 1};

	/* The driver can flush: writes may stay in a cache. */
	make(false, &plain);
	ck_assert(dev->features & BIT(VIRTIO_BLK_F_CONFIG_WCE));
	start(FEATURES | BIT(VIRTIO_BLK_F_CONFIG_WCE));
	ck_assert_uint_eq(get_wce(), 1);
	ck_assert_int_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(disk->durable, 0);
	/* It wants no cache, then it wants one again. */
	set_wce(0);
	ck_assert_uint_eq(get_wce(), 0);
	ck_assert_int_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(one_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(disk->durable, 2);
	ck_assert_int_eq(one_range(VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	set_wce(1);
	ck_assert_int_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(disk->durable, 2);
	/* Nothing else can be written there. */
	set_wce(0);
	dev->ops->write_config(dev, 0, "\1\1\1\1\1\1\1\1", 8);
	dev->ops->write_config(dev, offsetof(struct virtio_blk_config, wce), "\1\1", 2);
	ck_assert_uint_eq(get_wce(), 0);
	fake_driver_reset(&f);
	ck_assert_uint_eq(get_wce(), 1);
	start(FEATURES);
	teardown();
	/* It can't flush. */
	make(false, &plain);
	start(RING_FEATURES);
	ck_assert_int_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(disk->durable, 1);
	teardown();
	/* Nobody cares. */
	make(false, &unsafe);
	ck_assert(!(dev->features & (BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_CONFIG_WCE))));
	start(RING_FEATURES);
	ck_assert_int_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(disk->durable + disk->counts[DISK_FLUSH], 0);
	teardown();
}
END_TEST

SUITE_CASES("blk_ranges", NULL, NULL, {discards}, {writes_zeroes}, {bad_ranges, 2},
	{ranges_change_while_checked}, {cache_modes})
