// SPDX-License-Identifier: Apache-2.0
// Attacks devices/balloon.h: legal requests in all queues, then changed anywhere at any moment.
#include "devices/balloon.h"

#include "base/buf.h"
#include "base/le.h"
#include "base/loop.h"
#include "devices/backend/reclaim.h"
#include "tests/lib/fuzz_ring.h"

#include <linux/virtio_balloon.h>

/*
 * The input: one byte of options (bit 0 EVENT_IDX, 1 INDIRECT, 2 STATS_VQ, 3 REPORTING,
 * 4 PAGE_POISON), then steps of four bytes: u8 what (STEP_* in the low nibble, queue in the high
 * one), u8 where, le16 value. After each the queue is notified.
 */
enum {
	/* Those of the ring come first. */
	STEP_RING = FUZZ_RING_STEPS - 1,
	STEP_DATA,   /* the list of pages or the statistics at 2 * where */
	STEP_CONFIG, /* write value, at offset where % 32 */
	STEP_TARGET,
	STEP_RESET,
	STEP_QUIESCE,
	STEP_LOAD, /* what was saved, with byte where changed */
	STEP_COUNT,
};

#define STEPS_MAX 256
#define DATA_GPA (FAKE_RAM_GPA + 0x20000)
#define DATA_SIZE 1024

static struct loop loop;
static struct fake_driver f;

static void fuzz_release(struct reclaim *reclaim, uint8_t *hva, size_t len)
{
	if (!len || hva < f.ram || len > FAKE_RAM_SIZE || hva > f.ram + FAKE_RAM_SIZE - len)
		abort();
}

static void fuzz_free(struct reclaim *reclaim)
{
}

static const struct reclaim_ops fuzz_ops = {.release = fuzz_release, .free = fuzz_free};
static struct reclaim reclaim = {.ops = &fuzz_ops};

static void start(struct virtio_dev *dev, uint64_t features)
{
	uint8_t *data = fake_ptr(&f, DATA_GPA);

	fuzz_restart(&f, dev, features);
	for (unsigned int i = 0; i < DATA_SIZE / 4; i++)
		le32_store(data + 4 * i, (uint32_t)(FAKE_RAM_GPA >> 12) + i % 512);
	for (unsigned int q = 0; q < dev->queue_count; q++) {
		bool write = q == 3;

		fake_add(&f.queues[q], &(struct fake_buf){DATA_GPA, q == 2 ? 40 : DATA_SIZE, write},
			1);
		fuzz_kick(&f, q);
	}
}

static void load(struct virtio_dev *dev, uint8_t where, uint8_t value)
{
	struct buf buf = BUF_INIT(64);

	if (!atomic_load(&dev->broken))
		dev->ops->quiesce(dev);
	if (dev->ops->save(dev, &buf) < 0)
		abort();
	buf.data[where % buf.len] = value;
	fake_driver_reset(&f);
	dev->ops->load(dev, buf.data, buf.len - (where >= 240));
	buf_fini(&buf);
}

static void step(struct virtio_dev *dev, uint64_t features, const uint8_t *data)
{
	unsigned int queue = (data[0] >> 4) % dev->queue_count;
	uint16_t value = (uint16_t)(data[2] | data[3] << 8);
	struct fake_queue *fq = &f.queues[queue];
	uint64_t word = fuzz_spread(value);

	switch ((data[0] & 15) % STEP_COUNT) {
	case FUZZ_RING_DESC:
	case FUZZ_RING_AVAIL:
	case FUZZ_RING_IDX:
	case FUZZ_RING_PUBLISH:
		fuzz_change_ring(fq, (data[0] & 15) % STEP_COUNT, data[1], value);
		break;
	case STEP_DATA:
		le16_store((uint8_t *)fake_ptr(&f, DATA_GPA) + 2 * data[1], value);
		break;
	case STEP_CONFIG:
		dev->ops->write_config(dev, data[1] % 32, &word, 1U << (data[1] >> 5) % 4);
		dev->ops->read_config(dev, data[1], &word, 8);
		break;
	case STEP_TARGET:
		balloon_set_target(dev, value);
		balloon_set_polling(dev, data[1]);
		break;
	case STEP_RESET:
		start(dev, features);
		break;
	case STEP_QUIESCE:
		if (!atomic_load(&dev->broken))
			dev->ops->quiesce(dev);
		break;
	default:
		load(dev, data[1], data[2]);
		start(dev, features);
		break;
	}
	fuzz_kick(&f, queue);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct balloon_config config = {.stats_s = 3600, .reporting = true};
	static struct virtio_dev *dev;
	uint64_t features;

	if (!size)
		return 0;
	if (!dev) {
		fake_driver_init(&f);
		if (loop_init(&loop) < 0 || balloon_new(&loop, &f.mem, &reclaim, &config, &dev) < 0)
			abort();
	}
	features = (uint64_t)(data[0] & 1) << VIRTIO_RING_F_EVENT_IDX |
		   (uint64_t)(data[0] >> 1 & 1) << VIRTIO_RING_F_INDIRECT_DESC |
		   (uint64_t)(data[0] >> 2 & 1) << VIRTIO_BALLOON_F_STATS_VQ |
		   (uint64_t)(data[0] >> 3 & 1) << VIRTIO_BALLOON_F_REPORTING |
		   (uint64_t)(data[0] >> 4 & 1) << VIRTIO_BALLOON_F_PAGE_POISON;
	start(dev, features);
	data++;
	size--;
	for (unsigned int i = 0; i < STEPS_MAX && size >= 4; i++, data += 4, size -= 4)
		step(dev, features, data);
	return 0;
}
