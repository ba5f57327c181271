// SPDX-License-Identifier: Apache-2.0
// Rate limits of a device.
#include "devices/rate_limit.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/le.h"

/* syscalls: loop: clock_gettime */

#define NS_PER_MS UINT64_C(1000000)
/* The timer's longest run; then it is asked again whether the tokens are there. */
#define WAIT_MAX_MS (UINT64_C(3600) * 1000)

/* The product of two 64-bit numbers always fits. */
typedef unsigned __int128 wide;

static uint64_t saturated(wide value)
{
	return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

static bool config_limits(const struct rate_bucket_config *config)
{
	return config->size && config->refill_ms;
}

void rate_bucket_init(
	struct rate_bucket *bucket, const struct rate_bucket_config *config, uint64_t now_ns)
{
	*bucket = (struct rate_bucket){0};
	if (!config_limits(config))
		return;
	*bucket = (struct rate_bucket){
		.size = config->size,
		.refill_ns = saturated((wide)config->refill_ms * NS_PER_MS),
		.burst = config->burst,
		.budget = config->size,
		.updated_ns = now_ns,
	};
}

static void bucket_refill(struct rate_bucket *bucket, uint64_t now_ns)
{
	uint64_t elapsed = now_ns - bucket->updated_ns;
	/* What it takes to fill it; debt plus size is less than 2^65. */
	wide room = (wide)bucket->debt + bucket->size - bucket->budget;
	wide earned = (wide)elapsed * bucket->size / bucket->refill_ns;

	if (earned >= room) {
		bucket->debt = 0;
		bucket->budget = bucket->size;
		bucket->updated_ns = now_ns;
		return;
	}
	/* Only the time that whole tokens took: the rest counts for the next one. */
	bucket->updated_ns += (uint64_t)(earned * bucket->refill_ns / bucket->size);
	if (earned < bucket->debt) {
		bucket->debt -= (uint64_t)earned;
		return;
	}
	bucket->budget += (uint64_t)(earned - bucket->debt);
	bucket->debt = 0;
}

uint64_t rate_bucket_wait(struct rate_bucket *bucket, uint64_t now_ns)
{
	wide missing, ns;
	uint64_t since;

	if (!bucket->size || bucket->burst)
		return 0;
	bucket_refill(bucket, now_ns);
	if (bucket->budget)
		return 0;
	missing = (wide)bucket->debt + 1;
	/* Up to 2^64 times less than 2^64; rounded up, or the token would not be there yet. */
	ns = (missing * bucket->refill_ns + bucket->size - 1) / bucket->size;
	since = now_ns - bucket->updated_ns;
	return ns > since ? saturated(ns - since) : 1;
}

void rate_bucket_charge(struct rate_bucket *bucket, uint64_t tokens)
{
	uint64_t part;

	if (!bucket->size)
		return;
	part = tokens < bucket->burst ? tokens : bucket->burst;
	bucket->burst -= part;
	tokens -= part;
	part = tokens < bucket->budget ? tokens : bucket->budget;
	bucket->budget -= part;
	tokens -= part;
	if (__builtin_add_overflow(bucket->debt, tokens, &bucket->debt))
		bucket->debt = UINT64_MAX;
}

bool rate_limit_ready_slow(struct rate_limit *limit)
{
	uint64_t now_ns, bytes_ns, ops_ns, ns, ms;

	if (limit->waiting)
		return false;
	now_ns = clock_ns();
	bytes_ns = rate_bucket_wait(&limit->bytes, now_ns);
	ops_ns = rate_bucket_wait(&limit->ops, now_ns);
	ns = bytes_ns > ops_ns ? bytes_ns : ops_ns;
	if (!ns)
		return true;
	ms = ns / NS_PER_MS + (ns % NS_PER_MS != 0);
	limit->waiting = true;
	loop_timer_set(&limit->timer, ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS);
	return false;
}

void rate_limit_charge_slow(struct rate_limit *limit, uint64_t bytes)
{
	rate_bucket_charge(&limit->bytes, bytes);
	rate_bucket_charge(&limit->ops, 1);
}

static void on_timer(struct loop_timer *timer)
{
	struct rate_limit *limit = container_of(timer, struct rate_limit, timer);

	limit->waiting = false;
	limit->resume(limit);
}

void rate_limit_init(struct rate_limit *limit, struct loop *loop, rate_limit_fn *resume)
{
	*limit = (struct rate_limit){.loop = loop, .timer.src.fd = -1, .resume = resume};
}

static bool limits(const struct rate_limit_config *config)
{
	return config && (config_limits(&config->bytes) || config_limits(&config->ops));
}

int rate_limit_prepare(struct rate_limit *limit, const struct rate_limit_config *config)
{
	if (!limits(config) || limit->timer.fn)
		return 0;
	return loop_timer_init(limit->loop, &limit->timer, on_timer);
}

int rate_limit_set(struct rate_limit *limit, const struct rate_limit_config *config)
{
	static const struct rate_limit_config none;
	bool waiting = limit->waiting;
	bool limited = limits(config);
	uint64_t now_ns = clock_ns();
	int r = rate_limit_prepare(limit, config);

	if (r < 0)
		return r;
	if (!config)
		config = &none;
	rate_limit_stop(limit);
	if (!limited)
		loop_timer_fini(limit->loop, &limit->timer);
	limit->limited = limited;
	rate_bucket_init(&limit->bytes, &config->bytes, now_ns);
	rate_bucket_init(&limit->ops, &config->ops, now_ns);
	if (waiting)
		limit->resume(limit);
	return 0;
}

void rate_limit_stop(struct rate_limit *limit)
{
	if (!limit->waiting)
		return;
	limit->waiting = false;
	loop_timer_set(&limit->timer, 0);
}

void rate_limit_fini(struct rate_limit *limit)
{
	limit->limited = limit->waiting = false;
	loop_timer_fini(limit->loop, &limit->timer);
}

void rate_limit_save(struct rate_limit *limit, uint8_t *data)
{
	struct rate_bucket *const buckets[] = {&limit->bytes, &limit->ops};

	for (size_t i = 0; i < ARRAY_SIZE(buckets); i++, data += RATE_LIMIT_SAVED_SIZE / 2) {
		struct rate_bucket *bucket = buckets[i];

		if (bucket->size)
			bucket_refill(bucket, clock_ns());
		le64_store(data, bucket->burst);
		le64_store(data + 8, bucket->budget);
		le64_store(data + 16, bucket->debt);
	}
}

void rate_limit_load(struct rate_limit *limit, const uint8_t *data)
{
	struct rate_bucket *const buckets[] = {&limit->bytes, &limit->ops};

	for (size_t i = 0; i < ARRAY_SIZE(buckets); i++, data += RATE_LIMIT_SAVED_SIZE / 2) {
		struct rate_bucket *bucket = buckets[i];
		uint64_t budget = le64_load(data + 8);

		if (!bucket->size)
			continue;
		bucket->burst = le64_load(data);
		bucket->budget = budget < bucket->size ? budget : bucket->size;
		bucket->debt = bucket->budget ? 0 : le64_load(data + 16);
		bucket->updated_ns = clock_ns();
	}
}
