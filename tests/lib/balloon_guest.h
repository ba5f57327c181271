// SPDX-License-Identifier: Apache-2.0
// A balloon between a guest's driver and a host that are both the test; for one test program.
#pragma once

#include "base/cleanup.h"
#include "base/loop.h"
#include "devices/backend/reclaim.h"
#include "devices/balloon.h"
#include "devices/virtio.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/loop_step.h"

#include <check.h>
#include <linux/virtio_balloon.h>
#include <string.h>

#define PAGE 4096u
#define CALLS_MAX 512
#define ACTUAL offsetof(struct virtio_balloon_config, actual)
#define POISON offsetof(struct virtio_balloon_config, poison_val)

/* Writes down what it is told. */
static struct {
	struct reclaim base;
	unsigned int count;
	struct {
		uint64_t gpa;
		size_t len;
	} calls[CALLS_MAX];
} reclaim;

static struct loop loop;
static struct fake_driver f;
static struct virtio_dev *dev;

static inline void fake_release(struct reclaim *base, uint8_t *hva, size_t len)
{
	ck_assert_uint_lt(reclaim.count, CALLS_MAX);
	ck_assert(hva >= f.ram);
	ck_assert_uint_le((size_t)(hva - f.ram) + len, FAKE_RAM_SIZE);
	reclaim.calls[reclaim.count].gpa = FAKE_RAM_GPA + (uint64_t)(hva - f.ram);
	reclaim.calls[reclaim.count++].len = len;
}

static inline void fake_reclaim_free(struct reclaim *base)
{
}

static const struct reclaim_ops fake_ops = {.release = fake_release, .free = fake_reclaim_free};

static inline void start_with(const struct balloon_config *config, uint64_t features)
{
	memset(&reclaim, 0, sizeof(reclaim));
	reclaim.base.ops = &fake_ops;
	ck_assert_int_eq(loop_init(&loop), 0);
	fake_driver_init(&f);
	ck_assert_int_eq(balloon_new(&loop, &f.mem, &reclaim.base, config, &dev), 0);
	ck_assert_uint_eq(features & ~dev->features, 0);
	ck_assert_int_eq(fake_driver_start(&f, dev, features), 0);
}

static inline void setup(void)
{
	start_with(&(struct balloon_config){.target_mib = 1}, 0);
}

static inline void teardown(void)
{
	fake_driver_reset(&f);
	dev->ops->free(dev);
	fake_driver_fini(&f);
	loop_fini(&loop);
}

static inline void restart(const struct balloon_config *config, uint64_t features)
{
	teardown();
	start_with(config, features);
}

/* Put page numbers into a queue. */
static inline void send_pages(unsigned int queue, const uint32_t *pfns, unsigned int count)
{
	uint64_t gpa = fake_alloc(&f, 4 * count, 4);

	memcpy(fake_ptr(&f, gpa), pfns, 4 * count);
	fake_add(&f.queues[queue], &(struct fake_buf){gpa, 4 * count, false}, 1);
	fake_kick(&f, queue);
}

static inline void expect_call(unsigned int i, uint64_t pfn, unsigned int pages)
{
	ck_assert_uint_eq(reclaim.calls[i].gpa, pfn * PAGE);
	ck_assert_uint_eq(reclaim.calls[i].len, pages * PAGE);
}

static inline void expect_used(unsigned int queue)
{
	uint32_t id, len;

	ck_assert(fake_used(&f.queues[queue], &id, &len));
	ck_assert_uint_eq(len, 0);
}

static inline void expect_not_used(unsigned int queue)
{
	uint32_t id, len;

	ck_assert(!fake_used(&f.queues[queue], &id, &len));
}

static inline uint32_t config_word(unsigned int offset)
{
	uint32_t value = 0;

	dev->ops->read_config(dev, offset, &value, 4);
	return value;
}

static inline void write_word(unsigned int offset, uint32_t value)
{
	dev->ops->write_config(dev, offset, &value, 4);
}

static inline void with_stats(void)
{
	restart(&(struct balloon_config){.stats_s = 1}, 1u << VIRTIO_BALLOON_F_STATS_VQ);
}
