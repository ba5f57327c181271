// SPDX-License-Identifier: Apache-2.0
// Tests of devices/blk.h: what the guest finds, its requests, and their faults.
#include "devices/blk.h"

#include "devices/rate_limit.h"
#include "tests/lib/blk_guest.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <string.h>

START_TEST(counts)
{
	const struct rate_limit_config limit = {.ops = {.size = 1, .refill_ms = 20}};
	const uint64_t *n;

	setup(false);
	n = dev->counters;
	request(VIRTIO_BLK_T_IN, 0, 1024);
	request(VIRTIO_BLK_T_OUT, 0, 512);
	request(VIRTIO_BLK_T_FLUSH, 0, 0);
	ck_assert_uint_eq(n[BLK_READS], 1);
	ck_assert_uint_eq(n[BLK_READ_BYTES], 1024);
	ck_assert_uint_eq(n[BLK_WRITES], 1);
	ck_assert_uint_eq(n[BLK_WRITE_BYTES], 512);
	ck_assert_uint_eq(n[BLK_FLUSHES], 1);
	ck_assert_uint_eq(n[BLK_NOTIFIES], 3);
	ck_assert_uint_eq(n[BLK_NOTIFIES_EMPTY], 0);
	ck_assert_uint_ge(dev->signals, 1);
	fake_kick(&f, 0);
	ck_assert_uint_eq(n[BLK_NOTIFIES_EMPTY], 1);
	request(VIRTIO_BLK_T_IN, SECTORS, 512);
	request(77, 0, 0);
	ck_assert_uint_eq(n[BLK_INVALID], 2);
	disk->error = -EIO;
	request(VIRTIO_BLK_T_IN, 0, 512);
	ck_assert_uint_eq(n[BLK_FAILED], 1);
	ck_assert_uint_eq(n[BLK_READS], 1);
	disk->error = 0;
	ck_assert_int_eq(blk_set_limits(dev, &limit), 0);
	offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick(&f, 0);
	offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick(&f, 0);
	ck_assert_uint_eq(n[BLK_THROTTLED], 1);
	ck_assert_uint_eq(n[BLK_BROKEN], 0);
	teardown();
}
END_TEST

START_TEST(config_space)
{
	struct virtio_blk_config config;
	uint8_t beyond[4] = {1, 1, 1, 1};

	setup(false);
	dev->ops->read_config(dev, 0, &config, sizeof(config));
	ck_assert_uint_eq(config.capacity, SECTORS);
	ck_assert_uint_eq(config.seg_max, 254);
	ck_assert_uint_eq(config.blk_size, 512);
	dev->ops->read_config(dev, sizeof(config) - 2, beyond, 4);
	ck_assert_uint_eq(beyond[2] | beyond[3], 0);
	dev->ops->read_config(dev, 0xe00, beyond, 4);
	ck_assert_uint_eq(beyond[0], 0);
	ck_assert(dev->features >> VIRTIO_BLK_F_FLUSH & 1);
	ck_assert(!(dev->features >> VIRTIO_BLK_F_RO & 1));
	teardown();
	setup(true);
	ck_assert(dev->features >> VIRTIO_BLK_F_RO & 1);
	teardown();
}
END_TEST

START_TEST(reads)
{
	uint32_t used;

	setup(true);
	offer(VIRTIO_BLK_T_IN, 3, 1024);
	fake_kick(&f, 0);
	ck_assert_int_eq(answer(&used), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(used, 1025);
	ck_assert_mem_eq(data, disk->data + 3 * 512, 1024);
	ck_assert_uint_eq(f.queue_signals, 1);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, SECTORS - 1, 512), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 0, 0), VIRTIO_BLK_S_OK);
	teardown();
}
END_TEST

START_TEST(writes_and_flushes)
{
	uint32_t used;

	setup(false);
	memset(data, 0xab, 1536);
	offer(VIRTIO_BLK_T_OUT, 5, 1536);
	fake_kick(&f, 0);
	ck_assert_int_eq(answer(&used), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(used, 1);
	ck_assert_mem_eq(disk->data + 5 * 512, data, 1536);
	ck_assert_uint_eq(disk->data[8 * 512], (uint8_t)(8 + 8 * 512));
	ck_assert_int_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(disk->counts[DISK_FLUSH], 1);
	teardown();
}
END_TEST

START_TEST(framing_means_nothing)
{
	const struct virtio_blk_outhdr hdr = {.type = VIRTIO_BLK_T_OUT, .sector = 2};
	uint32_t id, used;

	setup(false);
	/* The header in three pieces, the last with data behind it; status at a buffer's end. */
	memset(data, 0x77, 1000);
	memcpy(fake_ptr(&f, hdr_gpa), &hdr, 11);
	memcpy(data, (const uint8_t *)&hdr + 11, 5);
	data[2002] = NO_STATUS;
	fake_add(&f.queues[0],
		(const struct fake_buf[]){{hdr_gpa, 1, false}, {hdr_gpa + 1, 10, false},
			{data_gpa, 5 + 100, false}, {data_gpa + 105, 412, false},
			{data_gpa + 2000, 3, true}},
		5);
	fake_kick(&f, 0);
	ck_assert(fake_used(&f.queues[0], &id, &used));
	ck_assert_uint_eq(used, 1);
	ck_assert_uint_eq(data[2002], VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(disk->data[2 * 512], 0x77);
	ck_assert_uint_eq(disk->data[3 * 512 - 1], 0x77);
	/* Data in two pieces, the status behind the second. */
	put_header(VIRTIO_BLK_T_IN, 9);
	fake_add(&f.queues[0],
		(const struct fake_buf[]){{hdr_gpa, 16, false}, {data_gpa + 1, 300, true},
			{data_gpa + 301, 212 + 1, true}},
		3);
	fake_kick(&f, 0);
	ck_assert(fake_used(&f.queues[0], &id, &used));
	ck_assert_uint_eq(used, 513);
	ck_assert_uint_eq(data[513], VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(data + 1, disk->data + 9 * 512, 512);
	teardown();
}
END_TEST

START_TEST(get_id)
{
	setup(false);
	memset(data, 0xff, 32);
	ck_assert_int_eq(request(VIRTIO_BLK_T_GET_ID, 0, 32), VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(data, "hull-disk\0\0\0\0\0\0\0\0\0\0\0", 20);
	ck_assert_uint_eq(data[20], 0xff);
	ck_assert_int_eq(request(VIRTIO_BLK_T_GET_ID, 0, 4), VIRTIO_BLK_S_OK);
	teardown();
}
END_TEST

START_TEST(unsupported)
{
	setup(false);
	ck_assert_int_eq(request(VIRTIO_BLK_T_SCSI_CMD, 0, 0), VIRTIO_BLK_S_UNSUPP);
	ck_assert_int_eq(request(0xffffffff, 0, 0), VIRTIO_BLK_S_UNSUPP);
	ck_assert(!atomic_load(&dev->broken));
	teardown();
}
END_TEST

/* Requests with one fault: an I/O error, and no touch of the disk. */

START_TEST(out_of_range)
{
	setup(false);
	for (int write = 0; write < 2; write++) {
		uint32_t type = write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;

		ck_assert_int_eq(request(type, SECTORS, 512), VIRTIO_BLK_S_IOERR);
		ck_assert_int_eq(request(type, SECTORS - 1, 1024), VIRTIO_BLK_S_IOERR);
		ck_assert_int_eq(request(type, UINT64_MAX, 512), VIRTIO_BLK_S_IOERR);
		/* Sector times 512 wraps to 0; with the length added it wraps to 512. */
		ck_assert_int_eq(request(type, UINT64_C(1) << 55, 512), VIRTIO_BLK_S_IOERR);
		ck_assert_int_eq(request(type, (UINT64_C(1) << 55) - 1, 1024), VIRTIO_BLK_S_IOERR);
		ck_assert_int_eq(request(type, 0, 511), VIRTIO_BLK_S_IOERR);
	}
	ck_assert_uint_eq(fake_disk_total(disk), 0);
	teardown();
}
END_TEST

START_TEST(write_to_read_only)
{
	setup(true);
	ck_assert_int_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(fake_disk_total(disk), 0);
	teardown();
}
END_TEST

START_TEST(disk_errors_reach_the_guest)
{
	uint32_t used;

	setup(false);
	disk->error = -EIO;
	offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick(&f, 0);
	ck_assert_int_eq(answer(&used), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(used, 1);
	ck_assert_int_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_IOERR);
	disk->error = 0;
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	teardown();
}
END_TEST

/* Not a request at all: the device waits for a reset. */

static void expect_broken(void)
{
	fake_kick(&f, 0);
	ck_assert(atomic_load(&dev->broken));
	ck_assert_uint_eq(f.config_signals, 1);
	ck_assert_uint_eq(fake_disk_total(disk), 0);
	/* Only until it is reset. */
	fake_driver_reset(&f);
	ck_assert_int_eq(fake_driver_start(&f, dev, FEATURES), 0);
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	teardown();
}

START_TEST(no_status)
{
	setup(false);
	put_header(VIRTIO_BLK_T_FLUSH, 0);
	fake_add(&f.queues[0], (const struct fake_buf[]){{hdr_gpa, 16, false}}, 1);
	expect_broken();
}
END_TEST

START_TEST(short_header)
{
	setup(false);
	put_header(VIRTIO_BLK_T_FLUSH, 0);
	fake_add(&f.queues[0],
		(const struct fake_buf[]){{hdr_gpa, 15, false}, {status_gpa, 1, true}}, 2);
	expect_broken();
}
END_TEST

START_TEST(bad_ring)
{
	setup(false);
	offer(VIRTIO_BLK_T_FLUSH, 0, 0);
	f.queues[0].avail->ring[0] = 256;
	expect_broken();
}
END_TEST

SUITE("blk", counts, config_space, reads, writes_and_flushes, framing_means_nothing, get_id,
	unsupported, out_of_range, write_to_read_only, disk_errors_reach_the_guest, no_status,
	short_header, bad_ring)
