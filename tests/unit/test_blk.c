// SPDX-License-Identifier: Apache-2.0
// Tests of devices/blk.h and devices/backend/disk_file.h.
#include "devices/blk.h"

#include "base/err.h"
#include "devices/backend/disk_file.h"
#include "devices/virtio.h"
#include "tests/lib/fake_disk.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTORS 64
#define FEATURES                                                                                   \
	(UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX | UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC)
#define NO_STATUS 0x55

static struct fake_driver f;
static struct fake_disk *disk;
static struct virtio_dev *dev;
static uint64_t hdr_gpa, data_gpa, status_gpa;
static uint8_t *data;

static void setup(bool read_only)
{
	fake_driver_init(&f);
	disk = fake_disk_new(SECTORS, read_only);
	for (unsigned int i = 0; i < SECTORS * DISK_SECTOR; i++)
		disk->data[i] = (uint8_t)(i / DISK_SECTOR + i);
	ck_assert_int_eq(blk_new(&disk->disk, "hull-disk", &dev), 0);
	ck_assert_int_eq(fake_driver_start(&f, dev, FEATURES), 0);
	hdr_gpa = fake_alloc(&f, sizeof(struct virtio_blk_outhdr), 16);
	data_gpa = fake_alloc(&f, 0x10000, 4096);
	status_gpa = fake_alloc(&f, 1, 1);
	data = fake_ptr(&f, data_gpa);
}

static void teardown(void)
{
	bool freed = false;

	disk->freed = &freed;
	fake_driver_reset(&f);
	dev->ops->free(dev);
	ck_assert(freed);
	fake_driver_fini(&f);
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
	ck_assert_uint_eq(disk->reads + disk->writes + disk->flushes, 0);
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
	ck_assert_uint_eq(disk->flushes, 1);
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
	ck_assert_int_eq(request(VIRTIO_BLK_T_DISCARD, 0, 512), VIRTIO_BLK_S_UNSUPP);
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
	ck_assert_uint_eq(disk->reads + disk->writes, 0);
	teardown();
}
END_TEST

START_TEST(write_to_read_only)
{
	setup(true);
	ck_assert_int_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(disk->writes + disk->flushes, 0);
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
	disk->short_by = 512;
	ck_assert_int_eq(request(VIRTIO_BLK_T_IN, 0, 1024), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	disk->short_by = 0;
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
	ck_assert_uint_eq(disk->reads, 4);
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
	ck_assert_uint_eq(disk->flushes, 256);
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

/* Raw files */

static char path[64];

static int make_file(off_t size)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/hull-blk-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	return fd;
}

static int64_t file_result;

static void file_done(void *ctx, int64_t result)
{
	file_result = result;
}

START_TEST(file_round_trip)
{
	uint8_t out[1024], in[1024] = {0};
	const struct iovec wv[] = {{out, 100}, {out + 100, 924}},
			   rv[] = {{in, 1000}, {in + 1000, 24}};
	struct disk *d = NULL;
	int fd = make_file(4096);

	memset(out, 0x3c, sizeof(out));
	ck_assert_int_eq(disk_file_open(path, false, &d, NULL), 0);
	ck_assert_uint_eq(d->capacity, 4096);
	d->ops->write(d, wv, 2, 512, file_done, NULL);
	ck_assert_int_eq(file_result, 1024);
	d->ops->flush(d, file_done, NULL);
	ck_assert_int_eq(file_result, 0);
	d->ops->read(d, rv, 2, 512, file_done, NULL);
	ck_assert_int_eq(file_result, 1024);
	ck_assert_mem_eq(in, out, 1024);
	/* Truncated behind our back. */
	ck_assert_int_eq(ftruncate(fd, 1024), 0);
	d->ops->read(d, rv, 2, 512, file_done, NULL);
	ck_assert_int_eq(file_result, 512);
	disk_free(d);
	close(fd);
	unlink(path);
}
END_TEST

static void expect_refused(int code, const char *text)
{
	struct disk *d = NULL;
	struct err err = {0};

	ck_assert_int_eq(disk_file_open(path, false, &d, &err), code);
	ck_assert_ptr_null(d);
	ck_assert_msg(strstr(err.msg, text), "%s", err.msg);
	ck_assert_msg(strstr(err.msg, path), "%s", err.msg);
}

START_TEST(file_refused)
{
	struct disk *d = NULL;
	struct err err = {0};

	close(make_file(0));
	expect_refused(-EINVAL, "is empty");
	ck_assert_int_eq(truncate(path, 1000), 0);
	expect_refused(-EINVAL, "size 1000 is not a multiple of 512");
	unlink(path);
	expect_refused(-ENOENT, "No such file");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	expect_refused(-EINVAL, "neither a file nor a block device");
	unlink(path);
	snprintf(path, sizeof(path), "/tmp");
	expect_refused(-EISDIR, "is a directory");
	ck_assert_int_eq(disk_file_open("/tmp", true, &d, &err), -EISDIR);
	ck_assert_ptr_nonnull(strstr(err.msg, "is a directory"));
}
END_TEST

START_TEST(file_locks)
{
	struct disk *writer = NULL, *reader = NULL, *reader2 = NULL;
	struct err err = {0};

	close(make_file(512));
	ck_assert_int_eq(disk_file_open(path, false, &writer, NULL), 0);
	expect_refused(-EBUSY, "in use");
	ck_assert_int_eq(disk_file_open(path, true, &reader, &err), -EBUSY);
	disk_free(writer);
	ck_assert_int_eq(disk_file_open(path, true, &reader, NULL), 0);
	ck_assert_int_eq(disk_file_open(path, true, &reader2, NULL), 0);
	expect_refused(-EBUSY, "in use");
	disk_free(reader);
	disk_free(reader2);
	unlink(path);
}
END_TEST

START_TEST(file_from_descriptor)
{
	struct disk *d = NULL;
	struct err err = {0};

	close(make_file(512));
	ck_assert_int_eq(disk_file_from_fd(open(path, O_RDONLY), "fd=9", false, &d, &err), -EBADF);
	ck_assert_ptr_nonnull(strstr(err.msg, "fd=9"));
	ck_assert_int_eq(disk_file_from_fd(open(path, O_WRONLY), "fd=9", false, &d, &err), -EBADF);
	ck_assert_int_eq(disk_file_from_fd(open(path, O_PATH), "fd=9", true, &d, &err), -EBADF);
	ck_assert_int_eq(disk_file_from_fd(999, "fd=999", true, &d, &err), -EBADF);
	ck_assert_ptr_null(d);
	ck_assert_int_eq(disk_file_from_fd(open(path, O_RDONLY), "fd=9", true, &d, &err), 0);
	ck_assert(d->read_only);
	disk_free(d);
	unlink(path);
}
END_TEST

SUITE("blk", config_space, reads, writes_and_flushes, framing_means_nothing, get_id, unsupported,
	out_of_range, write_to_read_only, disk_errors_reach_the_guest, late_answers,
	reset_in_flight_leaves_no_late_write, quiesce_answers_all, whole_queue_twice, no_status,
	short_header, bad_ring, file_round_trip, file_refused, file_locks, file_from_descriptor)
