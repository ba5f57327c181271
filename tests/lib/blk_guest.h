// SPDX-License-Identifier: Apache-2.0
// A block device between a guest's driver and a disk that are both the test; for one test program.
#pragma once

#include "base/loop.h"
#include "devices/blk.h"
#include "devices/virtio.h"
#include "tests/lib/fake_disk.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/loop_step.h"

#include <check.h>
#include <linux/virtio_blk.h>
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

static const struct blk_options plain = {.id = "hull-disk", .queues = 1};

static inline void make(bool read_only, const struct blk_options *options)
{
	ck_assert_int_eq(loop_init(&loop), 0);
	fake_driver_init(&f);
	disk = fake_disk_new(SECTORS, read_only);
	for (unsigned int i = 0; i < SECTORS * DISK_SECTOR; i++)
		disk->data[i] = (uint8_t)(i / DISK_SECTOR + i);
	ck_assert_int_eq(blk_new(&loop, &disk->disk, options, &dev), 0);
}

static inline void start(uint64_t features)
{
	ck_assert_int_eq(fake_driver_start(&f, dev, features), 0);
	hdr_gpa = fake_alloc(&f, sizeof(struct virtio_blk_outhdr), 16);
	data_gpa = fake_alloc(&f, 0x10000, 4096);
	status_gpa = fake_alloc(&f, 1, 1);
	data = fake_ptr(&f, data_gpa);
}

static inline void setup(bool read_only)
{
	make(read_only, &plain);
	start(FEATURES);
}

static inline void teardown(void)
{
	bool freed = false;

	disk->freed = &freed;
	fake_driver_reset(&f);
	dev->ops->free(dev);
	ck_assert(freed);
	fake_driver_fini(&f);
	loop_fini(&loop);
}

static inline uint8_t *status_byte(void)
{
	return fake_ptr(&f, status_gpa);
}

static inline void put_header(uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr *hdr = fake_ptr(&f, hdr_gpa);

	*hdr = (struct virtio_blk_outhdr){.type = type, .sector = sector};
	*status_byte() = NO_STATUS;
}

/* Offer a request of three buffers: header, @len bytes of data if any, status. */
static inline void offer(uint32_t type, uint64_t sector, uint32_t len)
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
static inline int answer(uint32_t *ret_len)
{
	uint32_t id;

	ck_assert(fake_used(&f.queues[0], &id, ret_len));
	ck_assert_int_ne(*status_byte(), NO_STATUS);
	return *status_byte();
}

static inline int request(uint32_t type, uint64_t sector, uint32_t len)
{
	uint32_t used;

	offer(type, sector, len);
	fake_kick(&f, 0);
	return answer(&used);
}

static inline void set_wce(uint8_t value)
{
	dev->ops->write_config(dev, offsetof(struct virtio_blk_config, wce), &value, 1);
}

static inline uint8_t get_wce(void)
{
	uint8_t value = 9;

	dev->ops->read_config(dev, offsetof(struct virtio_blk_config, wce), &value, 1);
	return value;
}
