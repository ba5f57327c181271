// SPDX-License-Identifier: Apache-2.0
// Attacks devices/rng.h: legal requests, then changed anywhere at any moment.
#include "devices/rng.h"

#include "base/loop.h"
#include "devices/backend/entropy.h"
#include "devices/rate_limit.h"
#include "tests/lib/fuzz_ring.h"

/*
 * The input: one byte of options (bit 0 EVENT_IDX, bit 1 INDIRECT, bit 2 limited), then steps of
 * four bytes: u8 what (STEP_*), u8 where, le16 value. After each the queue is notified.
 */
enum {
	/* Those of the ring come first. */
	STEP_RING = FUZZ_RING_STEPS - 1,
	STEP_REQUEST, /* a legal one of value bytes */
	STEP_RESET,
	STEP_QUIESCE,
	STEP_COUNT,
};

#define STEPS_MAX 256

static struct loop loop;
static struct fake_driver f;

/* The room must be guest RAM: this would crash otherwise, or ASan tell. */
static int fuzz_fill(struct entropy *entropy, void *data, size_t len)
{
	uint8_t *p = data;

	if (!len || len > RNG_REQUEST_MAX || p < f.ram || len > FAKE_RAM_SIZE ||
		p > f.ram + FAKE_RAM_SIZE - len)
		abort();
	/* Only the edges: rings among it stay as the input made them. */
	p[0] = p[len - 1] = 1;
	return 0;
}

static void fuzz_free(struct entropy *entropy)
{
}

static const struct entropy_ops fuzz_ops = {.fill = fuzz_fill, .free = fuzz_free};
static struct entropy source = {.ops = &fuzz_ops};

static void request(uint32_t len)
{
	fake_add(&f.queues[0], &(struct fake_buf){FAKE_RAM_GPA + 0x20000, len, true}, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rate_limit_config limit = {.ops = {.size = 5, .refill_ms = 3600000}};
	static struct virtio_dev *dev;
	uint64_t features;

	if (!size)
		return 0;
	if (!dev) {
		fake_driver_init(&f);
		if (loop_init(&loop) < 0 || rng_new(&loop, &source, &dev) < 0)
			abort();
	}
	features = (uint64_t)(data[0] & 1) << VIRTIO_RING_F_EVENT_IDX |
		   (uint64_t)(data[0] >> 1 & 1) << VIRTIO_RING_F_INDIRECT_DESC;
	rng_set_limits(dev, data[0] & 4 ? &limit : NULL);
	fuzz_restart(&f, dev, features);
	request(64);
	data++;
	size--;
	for (unsigned int i = 0; i < STEPS_MAX && size >= 4; i++, data += 4, size -= 4) {
		uint16_t value = (uint16_t)(data[2] | data[3] << 8);
		struct fake_queue *fq = &f.queues[0];

		switch (data[0] % STEP_COUNT) {
		case FUZZ_RING_DESC:
		case FUZZ_RING_AVAIL:
		case FUZZ_RING_IDX:
		case FUZZ_RING_PUBLISH:
			fuzz_change_ring(fq, data[0] % STEP_COUNT, data[1], value);
			break;
		case STEP_REQUEST:
			request(value);
			break;
		case STEP_RESET:
			fuzz_restart(&f, dev, features);
			break;
		default:
			if (!atomic_load(&dev->broken))
				dev->ops->quiesce(dev);
			break;
		}
		fuzz_kick(&f, 0);
	}
	return 0;
}
