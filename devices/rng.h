// SPDX-License-Identifier: Apache-2.0
// virtio-rng.
#pragma once

#include <stdint.h>

struct entropy;
struct loop;
struct rate_limit_config;
struct virtio_dev;

/*
 * Most bytes for one request, and for all that one notify serves. A driver that asks for more gets
 * this much, and is told so; one that keeps asking waits for its turn behind the other devices.
 */
#define RNG_REQUEST_MAX 65536
#define RNG_NOTIFY_MAX 65536

/* What it counts, in virtio_dev's counters. */
enum rng_counter {
	RNG_NOTIFIES,
	RNG_BROKEN, /* the ring, or a chain that is no request */
	RNG_BYTES,
	RNG_FAILED,    /* requests that the source did not fill */
	RNG_THROTTLED, /* times that the rate limit stopped the queue */
	RNG_RESUMED,   /* times that it let it go on */
	RNG_COUNTERS,
};

/*
 * rng_new() - make an entropy device
 * @loop:	outlives it
 * @entropy:	taken over on success: the device frees it
 * @ret:	owned by the caller: (*ret)->ops->free(*ret) after its slot is gone
 *
 * Return: 0 or -ENOMEM.
 */
int rng_new(struct loop *loop, struct entropy *entropy, struct virtio_dev **ret);

/*
 * rng_set_limits() - change the limits on bytes and requests, at any time
 * @config:	NULL: none
 *
 * Return: 0 or -errno, and then nothing is changed. Context: loop.
 */
int rng_set_limits(struct virtio_dev *dev, const struct rate_limit_config *config);
