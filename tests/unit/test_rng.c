// SPDX-License-Identifier: Apache-2.0
// Tests of devices/rng.h.
#include "devices/rng.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "devices/backend/entropy.h"
#include "devices/rate_limit.h"
#include "devices/virtio.h"
#include "devices/virtqueue.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"

#include <linux/virtio_ids.h>
#include <string.h>
#include <time.h>

#define FILL 0x5a

/* A source that counts, and fails when told to. */
struct fake_entropy {
	struct entropy base;
	size_t given;
	bool fail;
	bool freed;
};

static struct loop loop;
static struct fake_driver f;
static struct fake_entropy entropy;
static struct virtio_dev *dev;

static int fake_fill(struct entropy *base, void *data, size_t len)
{
	if (entropy.fail)
		return -EIO;
	memset(data, FILL, len);
	entropy.given += len;
	return 0;
}

static void fake_free(struct entropy *base)
{
	entropy.freed = true;
}

static const struct entropy_ops fake_ops = {.fill = fake_fill, .free = fake_free};

static void setup(void)
{
	entropy = (struct fake_entropy){.base.ops = &fake_ops};
	ck_assert_int_eq(loop_init(&loop), 0);
	fake_driver_init(&f);
	ck_assert_int_eq(rng_new(&loop, &entropy.base, &dev), 0);
	ck_assert_int_eq(fake_driver_start(&f, dev, 1ull << VIRTIO_RING_F_EVENT_IDX), 0);
}

static void teardown(void)
{
	fake_driver_reset(&f);
	dev->ops->free(dev);
	ck_assert(entropy.freed);
	fake_driver_fini(&f);
	loop_fini(&loop);
}

static uint64_t add(uint32_t len)
{
	uint64_t gpa = fake_alloc(&f, len, 16);

	fake_add(&f.queues[0], &(struct fake_buf){gpa, len, true}, 1);
	return gpa;
}

static void expect_used(uint32_t len)
{
	uint32_t id, got;

	ck_assert(fake_used(&f.queues[0], &id, &got));
	ck_assert_uint_eq(got, len);
}

static void expect_nothing(void)
{
	uint32_t id, len;

	ck_assert(!fake_used(&f.queues[0], &id, &len));
}

START_TEST(fills)
{
	uint64_t a = fake_alloc(&f, 3, 1), b = fake_alloc(&f, 61, 1);
	const struct fake_buf bufs[] = {{a, 3, true}, {b, 61, true}};
	const uint8_t *p = fake_ptr(&f, a);

	ck_assert_uint_eq(dev->id, VIRTIO_ID_RNG);
	fake_add(&f.queues[0], bufs, 2);
	fake_kick(&f, 0);
	expect_used(64);
	for (int i = 0; i < 64; i++)
		ck_assert_uint_eq(p[i], FILL);
	ck_assert_uint_eq(p[64], 0);
	ck_assert_uint_eq(f.queue_signals, 1);
}
END_TEST

START_TEST(a_request_is_bounded)
{
	const uint8_t *p = fake_ptr(&f, add(RNG_REQUEST_MAX + 100));

	fake_kick(&f, 0);
	expect_used(RNG_REQUEST_MAX);
	ck_assert_uint_eq(p[RNG_REQUEST_MAX - 1], FILL);
	ck_assert_uint_eq(p[RNG_REQUEST_MAX], 0);
}
END_TEST

START_TEST(a_notify_is_bounded)
{
	for (int i = 0; i < 3; i++)
		add(RNG_NOTIFY_MAX);
	dev->ops->notify(dev, 0);
	expect_used(RNG_NOTIFY_MAX);
	expect_nothing();
	/* It comes back to the rest. */
	ck_assert_uint_eq(f.later, 1);
	fake_kick(&f, 0);
	expect_used(RNG_NOTIFY_MAX);
	expect_used(RNG_NOTIFY_MAX);
	ck_assert_uint_eq(f.later, 0);
}
END_TEST

START_TEST(failing_source)
{
	entropy.fail = true;
	add(16);
	fake_kick(&f, 0);
	expect_used(0);
	ck_assert(!atomic_load(&dev->broken));
}
END_TEST

START_TEST(readable_buffer)
{
	fake_add(&f.queues[0], &(struct fake_buf){fake_alloc(&f, 16, 16), 16, false}, 1);
	fake_kick(&f, 0);
	ck_assert(atomic_load(&dev->broken));
	expect_nothing();
	ck_assert_uint_eq(entropy.given, 0);
	/* It can be used again. */
	fake_driver_reset(&f);
	ck_assert_int_eq(fake_driver_start(&f, dev, 0), 0);
	add(8);
	fake_kick(&f, 0);
	expect_used(8);
}
END_TEST

START_TEST(bad_ring)
{
	add(16);
	f.queues[0].avail->idx = 1000;
	fake_kick(&f, 0);
	ck_assert(atomic_load(&dev->broken));
	ck_assert_uint_eq(entropy.given, 0);
}
END_TEST

/* For 100 ms after 64 bytes: less, and a slow computer's pause between two requests would do. */
static void limit(void)
{
	const struct rate_limit_config config = {.bytes = {.size = 64, .refill_ms = 6400}};

	ck_assert_int_eq(rng_set_limits(dev, &config), 0);
	add(64);
	add(32);
	fake_kick(&f, 0);
	expect_used(64);
	expect_nothing();
	ck_assert_uint_eq(f.later, 0);
}

START_TEST(limited)
{
	limit();
	nanosleep(&(struct timespec){.tv_nsec = 110000000}, NULL);
	loop_step(&loop);
	ck_assert_uint_eq(f.later, 1);
	fake_kick(&f, 0);
	expect_used(32);
}
END_TEST

START_TEST(lifting_the_limit_resumes)
{
	limit();
	ck_assert_int_eq(rng_set_limits(dev, NULL), 0);
	fake_kick(&f, 0);
	expect_used(32);
}
END_TEST

/* What waited for the limiter is not touched after a reset. */
START_TEST(reset_while_limited)
{
	uint64_t touched = 0;

	limit();
	fake_driver_reset(&f);
	memset(f.ram, 0, FAKE_RAM_SIZE);
	nanosleep(&(struct timespec){.tv_nsec = 110000000}, NULL);
	loop_step(&loop);
	ck_assert_uint_eq(f.later, 0);
	for (uint64_t i = 0; i < FAKE_RAM_SIZE; i++)
		touched += f.ram[i];
	ck_assert_uint_eq(touched, 0);
}
END_TEST

/* What waited for the limiter waits through a pause, and comes after it. */
START_TEST(paused_while_limited)
{
	limit();
	fake_driver_pause(&f);
	nanosleep(&(struct timespec){.tv_nsec = 110000000}, NULL);
	loop_step(&loop);
	fake_kick(&f, 0);
	expect_nothing();
	fake_driver_resume(&f);
	expect_used(32);
}
END_TEST

/* Resumed before there are tokens: the timer goes on, too. */
START_TEST(paused_shortly_while_limited)
{
	limit();
	fake_driver_pause(&f);
	fake_driver_resume(&f);
	expect_nothing();
	nanosleep(&(struct timespec){.tv_nsec = 110000000}, NULL);
	loop_step(&loop);
	ck_assert_uint_eq(f.later, 1);
	fake_kick(&f, 0);
	expect_used(32);
}
END_TEST

START_TEST(no_config_space)
{
	uint64_t value = UINT64_MAX;

	dev->ops->read_config(dev, 0, &value, 8);
	ck_assert_uint_eq(value, 0);
	ck_assert_ptr_null(dev->ops->write_config);
}
END_TEST

START_TEST(host_source)
{
	struct entropy *host = NULL;
	uint8_t a[32] = {0}, b[32] = {0};
	struct err err;

	ck_assert_int_eq(entropy_host_new(&host, &err), 0);
	ck_assert_int_eq(host->ops->fill(host, a, sizeof(a)), 0);
	ck_assert_int_eq(host->ops->fill(host, b, sizeof(b)), 0);
	ck_assert_mem_ne(a, b, sizeof(a));
	entropy_free(host);
}
END_TEST

START_TEST(counts)
{
	const uint64_t *n = dev->counters;

	add(64);
	fake_kick(&f, 0);
	ck_assert_uint_eq(n[RNG_NOTIFIES], 1);
	ck_assert_uint_eq(n[RNG_BYTES], 64);
	ck_assert_uint_eq(n[RNG_FAILED], 0);
	entropy.fail = true;
	add(64);
	fake_kick(&f, 0);
	ck_assert_uint_eq(n[RNG_FAILED], 1);
	ck_assert_uint_eq(n[RNG_BYTES], 64);
}
END_TEST

SUITE_CASES("rng", setup, teardown, {counts}, {fills}, {a_request_is_bounded},
	{a_notify_is_bounded}, {failing_source}, {readable_buffer}, {bad_ring}, {limited},
	{lifting_the_limit_resumes}, {reset_while_limited}, {paused_while_limited},
	{paused_shortly_while_limited}, {no_config_space}, {host_source})
