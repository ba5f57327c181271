// SPDX-License-Identifier: Apache-2.0
// Tests of devices/rate_limit.h.
#include "devices/rate_limit.h"

#include "tests/lib/loop_step.h"
#include "tests/lib/suite.h"

#include <poll.h>

#define SECOND UINT64_C(1000000000)

static struct rate_bucket make(uint64_t size, uint64_t refill_ms, uint64_t burst)
{
	const struct rate_bucket_config config = {size, refill_ms, burst};
	struct rate_bucket bucket;

	rate_bucket_init(&bucket, &config, SECOND);
	return bucket;
}

START_TEST(bucket_without_a_limit)
{
	struct rate_bucket a = make(0, 1000, 5), b = make(1000, 0, 5);

	for (int i = 0; i < 3; i++) {
		rate_bucket_charge(&a, UINT64_MAX);
		rate_bucket_charge(&b, UINT64_MAX);
		ck_assert_uint_eq(rate_bucket_wait(&a, SECOND), 0);
		ck_assert_uint_eq(rate_bucket_wait(&b, SECOND), 0);
	}
}
END_TEST

START_TEST(bucket_starts_full_and_refills)
{
	struct rate_bucket b = make(1000, 1000, 0);

	rate_bucket_charge(&b, 999);
	ck_assert_uint_eq(rate_bucket_wait(&b, SECOND), 0);
	rate_bucket_charge(&b, 1);
	/* One token takes a millisecond. */
	ck_assert_uint_eq(rate_bucket_wait(&b, SECOND), 1000000);
	ck_assert_uint_eq(rate_bucket_wait(&b, SECOND + 999999), 1);
	ck_assert_uint_eq(rate_bucket_wait(&b, SECOND + 1000000), 0);
	ck_assert_uint_eq(b.budget, 1);
	/* Never more than full. */
	ck_assert_uint_eq(rate_bucket_wait(&b, 100 * SECOND), 0);
	rate_bucket_charge(&b, 1);
	ck_assert_uint_eq(rate_bucket_wait(&b, 100 * SECOND), 0);
	ck_assert_uint_eq(b.budget, 999);
}
END_TEST

START_TEST(bucket_keeps_parts_of_tokens)
{
	struct rate_bucket b = make(3, 1000, 0);
	uint64_t now = SECOND, passed = 0;

	/* Looking often must not lose what a token's first part took: three a second. */
	while (now < 101 * SECOND) {
		while (!rate_bucket_wait(&b, now)) {
			rate_bucket_charge(&b, 1);
			passed++;
		}
		now += 1000003;
	}
	ck_assert_uint_ge(passed, 302);
	ck_assert_uint_le(passed, 303);
}
END_TEST

START_TEST(bucket_burst_goes_first_and_once)
{
	struct rate_bucket b = make(100, 1000, 50);

	rate_bucket_charge(&b, 40);
	ck_assert_uint_eq(b.burst, 10);
	ck_assert_uint_eq(b.budget, 100);
	rate_bucket_charge(&b, 20);
	ck_assert_uint_eq(b.burst, 0);
	ck_assert_uint_eq(b.budget, 90);
	ck_assert_uint_eq(rate_bucket_wait(&b, 1000 * SECOND), 0);
	ck_assert_uint_eq(b.burst, 0);
	ck_assert_uint_eq(b.budget, 100);
}
END_TEST

START_TEST(bucket_burst_alone_lets_pass)
{
	struct rate_bucket b = make(1, 1000, 2);

	b.budget = 0;
	ck_assert_uint_eq(rate_bucket_wait(&b, SECOND), 0);
	rate_bucket_charge(&b, 2);
	ck_assert_uint_eq(rate_bucket_wait(&b, SECOND), SECOND);
}
END_TEST

START_TEST(bucket_pays_for_what_is_larger_than_it)
{
	struct rate_bucket b = make(100, 1000, 10);

	rate_bucket_charge(&b, 1000);
	ck_assert_uint_eq(b.debt, 890);
	/* 891 tokens: 8.91 s. */
	ck_assert_uint_eq(rate_bucket_wait(&b, SECOND), 8910 * (SECOND / 1000));
	ck_assert_uint_ne(rate_bucket_wait(&b, 5 * SECOND), 0);
	ck_assert_uint_eq(b.debt, 490);
	ck_assert_uint_eq(rate_bucket_wait(&b, SECOND + 8910 * (SECOND / 1000)), 0);
	ck_assert_uint_eq(b.budget, 1);
}
END_TEST

START_TEST(bucket_boundaries)
{
	static const uint64_t values[] = {0, 1, 2, 1000, UINT32_MAX, UINT64_MAX / 1000000,
		UINT64_MAX / 1000000 + 1, UINT64_C(1) << 63, UINT64_MAX - 1, UINT64_MAX};
	const unsigned int n = sizeof(values) / sizeof(values[0]);

	for (unsigned int i = 0; i < n * n * n; i++) {
		struct rate_bucket b = make(values[i % n], values[i / n % n], values[i / n / n]);

		for (unsigned int j = 0; j < n * n; j++) {
			uint64_t now = SECOND + (j < n ? 0 : values[j / n] / 2), wait;

			if (now < b.updated_ns)
				now = b.updated_ns;
			rate_bucket_charge(&b, values[j % n]);
			wait = rate_bucket_wait(&b, now);
			if (!b.size) {
				ck_assert_uint_eq(wait, 0);
				continue;
			}
			ck_assert_uint_le(b.budget, b.size);
			ck_assert(!b.debt || !b.budget);
			ck_assert(!wait == (b.budget || b.burst));
			/* When that time is over, it isn't empty. */
			if (wait && wait < UINT64_MAX - now) {
				struct rate_bucket later = b;

				ck_assert_uint_eq(rate_bucket_wait(&later, now + wait), 0);
			}
		}
	}
}
END_TEST

START_TEST(bucket_fast_and_slow)
{
	struct rate_bucket fast = make(UINT64_MAX, 1, 0), slow = make(1, UINT64_MAX, 0);

	rate_bucket_charge(&fast, UINT64_MAX);
	ck_assert_uint_eq(rate_bucket_wait(&fast, SECOND), 1);
	ck_assert_uint_eq(rate_bucket_wait(&fast, SECOND + 1000000), 0);
	ck_assert_uint_eq(fast.budget, UINT64_MAX);
	rate_bucket_charge(&slow, 1);
	ck_assert_uint_eq(rate_bucket_wait(&slow, SECOND), UINT64_MAX);
	rate_bucket_charge(&slow, UINT64_MAX);
	rate_bucket_charge(&slow, UINT64_MAX);
	ck_assert_uint_eq(slow.debt, UINT64_MAX);
	ck_assert_uint_eq(rate_bucket_wait(&slow, SECOND), UINT64_MAX);
}
END_TEST

/* The limiter, on a loop. */

static struct loop loop;
static struct rate_limit limit;
static int resumed;

static void on_resume(struct rate_limit *l)
{
	ck_assert_ptr_eq(l, &limit);
	resumed++;
}

static void setup(void)
{
	ck_assert_int_eq(loop_init(&loop), 0);
	rate_limit_init(&limit, &loop, on_resume);
	resumed = 0;
}

static void teardown(void)
{
	rate_limit_fini(&limit);
	loop_fini(&loop);
}

/* Let the loop run for @ms, or until something is resumed. */
static void run_for(int ms)
{
	for (int i = 0; i < ms && !resumed; i++) {
		poll(NULL, 0, 1);
		loop_step(&loop);
	}
}

START_TEST(limiter_without_limits)
{
	for (int i = 0; i < 1000; i++) {
		ck_assert(rate_limit_ready(&limit));
		rate_limit_charge(&limit, UINT64_MAX);
	}
	ck_assert_int_eq(limit.timer.src.fd, -1);
	ck_assert_int_eq(rate_limit_set(&limit, NULL), 0);
	ck_assert(rate_limit_ready(&limit));
	ck_assert_int_eq(limit.timer.src.fd, -1);
}
END_TEST

START_TEST(limiter_waits_and_resumes)
{
	/* Either bucket alone: 20 ms a token. */
	const struct rate_limit_config configs[] = {
		{.ops = {1, 20, 0}},
		{.bytes = {512, 20, 0}},
		{.ops = {1, 20, 0}, .bytes = {UINT64_MAX, 1, 0}},
	};

	ck_assert_int_eq(rate_limit_set(&limit, &configs[_i]), 0);
	ck_assert(rate_limit_ready(&limit));
	rate_limit_charge(&limit, 1023);
	ck_assert(!rate_limit_ready(&limit));
	ck_assert(!rate_limit_ready(&limit));
	loop_step(&loop);
	ck_assert_int_eq(resumed, 0);
	run_for(5000);
	ck_assert_int_eq(resumed, 1);
	ck_assert(rate_limit_ready(&limit));
}
END_TEST

START_TEST(limiter_changes_while_waiting)
{
	const struct rate_limit_config never = {.ops = {1, UINT64_MAX, 0}},
				       more = {.ops = {5, UINT64_MAX, 0}};

	ck_assert_int_eq(rate_limit_set(&limit, &never), 0);
	rate_limit_charge(&limit, 0);
	ck_assert(!rate_limit_ready(&limit));
	ck_assert_int_eq(rate_limit_set(&limit, &more), 0);
	ck_assert_int_eq(resumed, 1);
	for (int i = 0; i < 5; i++) {
		ck_assert(rate_limit_ready(&limit));
		rate_limit_charge(&limit, 0);
	}
	ck_assert(!rate_limit_ready(&limit));
	ck_assert_int_eq(rate_limit_set(&limit, NULL), 0);
	ck_assert_int_eq(resumed, 2);
	ck_assert(rate_limit_ready(&limit));
	ck_assert_int_eq(limit.timer.src.fd, -1);
	/* Nothing waits now. */
	ck_assert_int_eq(rate_limit_set(&limit, &more), 0);
	ck_assert_int_eq(resumed, 2);
}
END_TEST

START_TEST(limiter_stopped)
{
	const struct rate_limit_config config = {.ops = {1, 5, 0}};

	ck_assert_int_eq(rate_limit_set(&limit, &config), 0);
	rate_limit_charge(&limit, 0);
	ck_assert(!rate_limit_ready(&limit));
	rate_limit_stop(&limit);
	run_for(30);
	ck_assert_int_eq(resumed, 0);
	/* It can be used again. */
	rate_limit_charge(&limit, 0);
	ck_assert(!rate_limit_ready(&limit) || limit.ops.budget);
}
END_TEST

SUITE_CASES("rate_limit", setup, teardown, {bucket_without_a_limit},
	{bucket_starts_full_and_refills}, {bucket_keeps_parts_of_tokens},
	{bucket_burst_goes_first_and_once}, {bucket_burst_alone_lets_pass},
	{bucket_pays_for_what_is_larger_than_it}, {bucket_boundaries}, {bucket_fast_and_slow},
	{limiter_without_limits}, {limiter_waits_and_resumes, 3}, {limiter_changes_while_waiting},
	{limiter_stopped})
