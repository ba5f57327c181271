// SPDX-License-Identifier: Apache-2.0
// Tests of devices/blk.h.
#include "devices/blk.h"

#include "base/buf.h"
#include "base/loop.h"
#include "devices/rate_limit.h"
#include "devices/virtio.h"
#include "tests/lib/fake_disk.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <poll.h>
#include <string.h>

#define SECTORS 64
#define BIT(n) (UINT64_C(1) << (n))
#define RING_FEATURES (BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC))
#define FEATURES (RING_FEATURES | BIT(VIRTIO_BLK_F_FLUSH))
#define NO_STATUS 0x55

static struct loop loop;
static struct fake_driver f;
static struct fake_disk *disk;
static struct virtio_dev *dev;
static uint64_t hdr_gpa, data_gpa, status_gpa;
static uint8_t *data;

static void make(bool read_only, const struct blk_options *options)
{
	ck_assert_int_eq(loop_init(&loop), 0);
	fake_driver_init(&f);
	disk = fake_disk_new(SECTORS, read_only);
	for (unsigned int i = 0; i < SECTORS * DISK_SECTOR; i++)
		disk->data[i] = (uint8_t)(i / DISK_SECTOR + i);
	ck_assert_int_eq(blk_new(&loop, &disk->disk, options, &dev), 0);
}

static void start(uint64_t features)
{
	ck_assert_int_eq(fake_driver_start(&f, dev, features), 0);
	hdr_gpa = fake_alloc(&f, sizeof(struct virtio_blk_outhdr), 16);
	data_gpa = fake_alloc(&f, 0x10000, 4096);
	status_gpa = fake_alloc(&f, 1, 1);
	data = fake_ptr(&f, data_gpa);
}

static const struct blk_options plain = {.id = "hull-disk", .queues = 1};

static void setup(bool read_only)
{
	make(read_only, &plain);
	start(FEATURES);
}

static void teardown(void)
{
	bool freed = false;

	disk->freed = &freed;
	fake_driver_reset(&f);
	dev->ops->free(dev);
	ck_assert(freed);
	fake_driver_fini(&f);
	loop_fini(&loop);
}

static uint8_t *status_byte(void)
{
	return fake_ptr(&f, status_gpa);
}

static void put_header(uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr *hdr = fake_ptr(&f, hdr_gpa);

	*hdr = (struct virtio_blk_outhdr){.type = type, .sector = sector};
	*status_byte() = NO_STATUS;
}

/* Offer a request of three buffers: header, @len bytes of data if any, status. */
static void offer(uint32_t type, uint64_t sector, uint32_t len)
{
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	const struct fake_buf three[] = {
		{hdr_gpa, 16, false}, {data_gpa, len, in}, {status_gpa, 1, true}};
	const struct fake_buf two[] = {{hdr_gpa, 16, false}, {status_gpa, 1, true}};

	put_header(type, sector);
	if (len)
		fake_add(&f.queues[0], three, 3);
	else
		fake_add(&f.queues[0], two, 2);
}

/* Take the answer. Return: its status; *@ret_len is what the used ring says. */
static int answer(uint32_t *ret_len)
{
	uint32_t id;

	ck_assert(fake_used(&f.queues[0], &id, ret_len));
	ck_assert_int_ne(*status_byte(), NO_STATUS);
	return *status_byte();
}

static int request(uint32_t type, uint64_t sector, uint32_t len)
{
	uint32_t used;

	offer(type, sector, len);
	fake_kick(&f, 0);
	return answer(&used);
}

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

/* Not a request at all: the device waits for a reset. */

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

/* Discard and write zeroes */

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

/* Durability */

static void set_wce(uint8_t value)
{
	dev->ops->write_config(dev, offsetof(struct virtio_blk_config, wce), &value, 1);
}

static uint8_t get_wce(void)
{
	uint8_t value = 9;

	dev->ops->read_config(dev, offsetof(struct virtio_blk_config, wce), &value, 1);
	return value;
}

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

/* Several queues */

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

/* Changes while it runs */

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

/* Saved and loaded */

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

SUITE_CASES("blk", NULL, NULL, {counts}, {config_space}, {reads}, {writes_and_flushes},
	{framing_means_nothing}, {get_id}, {unsupported}, {out_of_range}, {write_to_read_only},
	{disk_errors_reach_the_guest}, {late_answers}, {reset_in_flight_leaves_no_late_write},
	{quiesce_answers_all}, {whole_queue_twice}, {no_status}, {short_header}, {bad_ring},
	{discards}, {writes_zeroes}, {bad_ranges, 2}, {ranges_change_while_checked}, {cache_modes},
	{queues}, {as_many_in_flight_as_the_queue_holds}, {one_commit_a_round}, {resizes},
	{exchanges_the_disk}, {limits}, {paused_while_limited}, {saves_and_loads})
