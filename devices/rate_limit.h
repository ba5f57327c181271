// SPDX-License-Identifier: Apache-2.0
// Rate limits of a device: bytes and operations a second, each a token bucket.
#pragma once

#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 *     refill: size tokens in refill_ms, evenly      one-time burst
 *            |                                           |
 *            v                                           v
 *        [ budget, at most size ]  --- then ---      [ burst: used up first, never refilled ]
 *            |
 *            v
 *        a request: one token of "ops", its length in tokens of "bytes"
 *
 * A request may go when neither bucket is empty, and takes its tokens then; what a bucket lacks
 * becomes debt, paid from the refill before the next request may go. So a request larger than a
 * whole bucket passes too, the rate over any longer time is exact, and nothing has ever to be
 * given back. While a request waits, a timer runs for as long as the missing tokens take; with
 * nothing waiting there is no timer.
 */

/*
 * struct rate_bucket_config - one bucket; any values are safe
 * @size:	tokens it holds when full, as it is at first; 0: no limit
 * @refill_ms:	time to fill it from empty; 0: no limit
 * @burst:	tokens on top, once
 */
struct rate_bucket_config {
	uint64_t size;
	uint64_t refill_ms;
	uint64_t burst;
};

/* struct rate_limit_config - a device's limits; all zero: none */
struct rate_limit_config {
	struct rate_bucket_config bytes;
	struct rate_bucket_config ops;
};

/*
 * struct rate_bucket - a bucket in use
 * @size:	0: no limit
 * @refill_ns:	as configured; saturated, at 584 years
 * @burst, @budget, @debt: tokens; with debt there is neither burst nor budget
 * @updated_ns:	monotonic time up to which the refill was given
 */
struct rate_bucket {
	uint64_t size;
	uint64_t refill_ns;
	uint64_t burst;
	uint64_t budget;
	uint64_t debt;
	uint64_t updated_ns;
};

struct rate_limit;
typedef void rate_limit_fn(struct rate_limit *limit);

/*
 * struct rate_limit - embedded in its device
 * @limited:	a bucket has a limit
 * @waiting:	rate_limit_ready() said no, and the timer runs
 */
struct rate_limit {
	bool limited;
	bool waiting;
	struct rate_bucket bytes;
	struct rate_bucket ops;
	struct loop *loop;
	struct loop_timer timer;
	rate_limit_fn *resume;
};

/*
 * rate_limit_init() - make a limiter without limits: no descriptor, no timer
 * @resume:	called (context: loop) when what was refused may be tried again
 */
void rate_limit_init(struct rate_limit *limit, struct loop *loop, rate_limit_fn *resume);

/*
 * rate_limit_set() - change the limits, at any time; buckets start full
 * @config:	NULL or all zero: no limits
 *
 * If something waits, it is resumed before this returns.
 *
 * Return: 0; -errno if there can be no timer, and then nothing is changed. Context: loop.
 */
int rate_limit_set(struct rate_limit *limit, const struct rate_limit_config *config);

/*
 * rate_limit_prepare() - make sure that rate_limit_set() with the same @config can't fail, for who
 * changes several limits together
 *
 * Return: 0 or -errno; no limit is changed. Context: loop.
 */
int rate_limit_prepare(struct rate_limit *limit, const struct rate_limit_config *config);

/* rate_limit_stop() - nothing waits any more: no resume follows. Context: loop. */
void rate_limit_stop(struct rate_limit *limit);

/* rate_limit_fini() - as rate_limit_stop(), and give back the timer; harmless when zeroed. */
void rate_limit_fini(struct rate_limit *limit);

/* What rate_limit_save() writes: burst, budget and debt of both buckets, 64 bits each. */
#define RATE_LIMIT_SAVED_SIZE 48

/*
 * rate_limit_save() / rate_limit_load() - how full the buckets are
 * @data:	RATE_LIMIT_SAVED_SIZE bytes; those loaded are untrusted
 *
 * The limits themselves are the device's configuration: set them first. Time stands still between
 * the two.
 */
void rate_limit_save(struct rate_limit *limit, uint8_t *data);
void rate_limit_load(struct rate_limit *limit, const uint8_t *data);

bool rate_limit_ready_slow(struct rate_limit *limit);
void rate_limit_charge_slow(struct rate_limit *limit, uint64_t bytes);

/*
 * rate_limit_ready() - may a request go now?
 *
 * Return: true; or false, and then resume will be called.
 * Context: loop.
 */
static inline bool rate_limit_ready(struct rate_limit *limit)
{
	return !limit->limited || rate_limit_ready_slow(limit);
}

/* rate_limit_charge() - one request of @bytes has gone. Context: loop. */
static inline void rate_limit_charge(struct rate_limit *limit, uint64_t bytes)
{
	if (limit->limited)
		rate_limit_charge_slow(limit, bytes);
}

/* The buckets themselves, apart from timers, with the time given: @now_ns never goes back. */

void rate_bucket_init(
	struct rate_bucket *bucket, const struct rate_bucket_config *config, uint64_t now_ns);

/*
 * rate_bucket_wait() - refill, then tell how long the bucket stays empty
 *
 * Return: nanoseconds, 0 if it isn't empty.
 */
uint64_t rate_bucket_wait(struct rate_bucket *bucket, uint64_t now_ns);

/* rate_bucket_charge() - take @tokens; what isn't there becomes debt. */
void rate_bucket_charge(struct rate_bucket *bucket, uint64_t tokens);
