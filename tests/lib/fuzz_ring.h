// SPDX-License-Identifier: Apache-2.0
// How fuzz targets of devices change one field of a legal ring.
#pragma once

#include "devices/virtio.h"
#include "tests/lib/fake_driver.h"

#include <stdlib.h>
#include <string.h>

/* Interesting addresses and lengths, so that the fuzzer need not find 64-bit numbers. */
static inline uint64_t fuzz_spread(uint16_t value)
{
	static const uint64_t bases[] = {0, FAKE_RAM_GPA, FAKE_RAM_GPA + FAKE_RAM_SIZE - 0x800,
		FAKE_RAM_GPA - 0x800, UINT32_MAX - 0x7ffU, UINT64_MAX - 0x7ffU, UINT64_C(1) << 63,
		FAKE_RAM_GPA + 0x1000};

	return bases[value >> 13] + (value & 0x1fff);
}

/* @where: field in its two low bits, entry of @table in the others. */
static inline void fuzz_change_desc(
	struct vring_desc *table, unsigned int count, uint8_t where, uint16_t value)
{
	struct vring_desc *d = &table[where / 4 % count];

	switch (where % 4) {
	case 0:
		d->addr = fuzz_spread(value);
		break;
	case 1:
		d->len = (uint32_t)fuzz_spread(value);
		break;
	case 2:
		d->flags = value;
		break;
	default:
		d->next = value;
		break;
	}
}

/* The first steps of a target: what becomes of its ring. */
enum fuzz_ring_step {
	FUZZ_RING_DESC,    /* where: entry and field of the descriptor table */
	FUZZ_RING_AVAIL,   /* where: index into the available ring, event index included */
	FUZZ_RING_IDX,     /* avail.idx = value */
	FUZZ_RING_PUBLISH, /* one more chain, head = value */
	FUZZ_RING_STEPS,
};

static inline void fuzz_change_ring(
	struct fake_queue *fq, unsigned int step, uint8_t where, uint16_t value)
{
	switch (step) {
	case FUZZ_RING_DESC:
		fuzz_change_desc(fq->desc, fq->size, where, value);
		break;
	case FUZZ_RING_AVAIL:
		fq->avail->ring[where % (fq->size + 1)] = value;
		break;
	case FUZZ_RING_IDX:
		fq->avail->idx = value;
		break;
	default:
		fake_publish(fq, value);
		break;
	}
}

/* Notify, and again while the device asks for it, but not for ever. */
static inline void fuzz_kick(struct fake_driver *f, unsigned int queue)
{
	f->later |= 1U << queue;
	for (unsigned int i = 0; i < 64 && f->later; i++) {
		unsigned int next = (unsigned int)__builtin_ctz(f->later);

		f->later &= ~(1U << next);
		if (!atomic_load(&f->dev->broken))
			f->dev->ops->notify(f->dev, next);
	}
	f->later = 0;
}

/* Begin again as after a reset: RAM that rings use is zero, the device runs with @features. */
static inline void fuzz_restart(struct fake_driver *f, struct virtio_dev *dev, uint64_t features)
{
	if (f->dev)
		fake_driver_reset(f);
	memset(f->ram, 0, 0x10000);
	f->next_gpa = FAKE_RAM_GPA;
	if (fake_driver_start(f, dev, features) < 0)
		abort();
}
