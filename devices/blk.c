// SPDX-License-Identifier: Apache-2.0
// virtio-blk. Spec: virtio 1.2 5.2
#include "devices/blk.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "devices/blk_req.h"

#include <endian.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

/* Data segments of a request: a chain less its header and status. */
#define BLK_SEG_MAX (BLK_QUEUE_SIZE - 2)
/* Advice to the driver, so that one request doesn't hold the disk for long. */
#define BLK_SIZE_MAX (1U << 20)

static struct blk *to_blk(struct virtio_dev *dev)
{
	return container_of(dev, struct blk, dev);
}

/* Interrupt the driver for the queues that got answers. */
static void blk_signal(struct blk *blk)
{
	while (blk->to_signal) {
		unsigned int queue = (unsigned int)__builtin_ctz(blk->to_signal);

		blk->to_signal &= blk->to_signal - 1;
		virtio_dev_signal(&blk->dev, queue);
	}
}

/* The disk has given some answers by itself. */
static void blk_batch_done(void *ctx)
{
	blk_signal(ctx);
}

enum served {
	SERVED_ALL,
	SERVED_MORE,      /* may be waiting */
	SERVED_THROTTLED, /* more is waiting, for the rate limit */
	SERVED_BROKEN,
};

/* Serve up to @budget chains of a queue. */
static enum served blk_serve_some(struct blk *blk, unsigned int queue, unsigned int budget)
{
	struct virtq *q = &blk->queues[queue];
	bool any = false;

	while (budget--) {
		struct blk_req *req;
		int r;

		if (blk->limit.limited && virtq_pending(q) && !rate_limit_ready(&blk->limit))
			return SERVED_THROTTLED;
		req = blk_req_get(blk);
		r = virtq_pop(q, &req->chain);
		req->queue = queue;
		if (r == 1 && blk_req_serve(req) == 0) {
			any = true;
			continue;
		}
		blk_req_put(req);
		if (r == 0) {
			blk->counters[BLK_NOTIFIES_EMPTY] += !any;
			return SERVED_ALL;
		}
		blk->counters[BLK_BROKEN]++;
		virtio_dev_broken(
			&blk->dev, r < 0 ? "bad ring" : "request without header or status");
		return SERVED_BROKEN;
	}
	return SERVED_MORE;
}

static void blk_notify(struct virtio_dev *dev, unsigned int queue)
{
	struct blk *blk = to_blk(dev);
	struct virtq *q = &blk->queues[queue];
	enum served served;
	bool more = false;

	blk->counters[BLK_NOTIFIES]++;
	virtq_quiet(q);
	/* One queue's worth, then others have their turn: the driver could add for ever. */
	served = blk_serve_some(blk, queue, BLK_QUEUE_SIZE);
	blk->disk->ops->commit(blk->disk);
	blk->counters[BLK_THROTTLED] += served == SERVED_THROTTLED;
	if (served == SERVED_THROTTLED)
		blk->throttled |= 1U << queue;
	else if (served != SERVED_BROKEN)
		more = virtq_listen(q);
	blk_signal(blk);
	if (more)
		dev->transport->notify_later(dev, queue);
}

/* The rate limit lets something pass again. */
static void blk_resume(struct rate_limit *limit)
{
	struct blk *blk = container_of(limit, struct blk, limit);
	uint32_t throttled = blk->throttled;

	blk->throttled = 0;
	blk->counters[BLK_RESUMED]++;
	for (; throttled; throttled &= throttled - 1)
		if (!atomic_load(&blk->dev.broken))
			blk_notify(&blk->dev, (unsigned int)__builtin_ctz(throttled));
}

static int blk_activate(struct virtio_dev *dev)
{
	struct blk *blk = to_blk(dev);

	/* Who can't flush must have its writes on stable storage when they end. */
	if (!virtio_dev_has(dev, VIRTIO_BLK_F_FLUSH))
		atomic_store(&blk->writeback, 0);
	return 0;
}

static void blk_reset(struct virtio_dev *dev)
{
	struct blk *blk = to_blk(dev);

	rate_limit_stop(&blk->limit);
	blk->throttled = 0;
	blk->draining = true;
	blk->disk->ops->cancel(blk->disk);
	blk->draining = false;
	blk->to_signal = 0;
	atomic_store(&blk->writeback, 1);
}

static void blk_quiesce(struct virtio_dev *dev)
{
	struct blk *blk = to_blk(dev);

	blk->disk->ops->drain(blk->disk);
	blk_signal(blk);
}

static void blk_read_config(
	struct virtio_dev *dev, unsigned int offset, void *data, unsigned int len)
{
	struct blk *blk = to_blk(dev);
	struct virtio_blk_config config = blk->config;

	config.wce = atomic_load(&blk->writeback);
	virtio_config_copy(&config, sizeof(config), offset, data, len);
}

static void blk_write_config(
	struct virtio_dev *dev, unsigned int offset, const void *data, unsigned int len)
{
	const uint8_t *value = data;

	if (offset == offsetof(struct virtio_blk_config, wce) && len == 1 &&
		(dev->features >> VIRTIO_BLK_F_CONFIG_WCE & 1))
		atomic_store(&to_blk(dev)->writeback, *value != 0);
}

/* Saved: writeback, then the rate limit. */
#define BLK_SAVED_SIZE (1 + RATE_LIMIT_SAVED_SIZE)

static int blk_save(struct virtio_dev *dev, struct buf *out)
{
	struct blk *blk = to_blk(dev);
	uint8_t saved[BLK_SAVED_SIZE];

	saved[0] = atomic_load(&blk->writeback);
	rate_limit_save(&blk->limit, saved + 1);
	return buf_add(out, saved, sizeof(saved));
}

static int blk_load(struct virtio_dev *dev, const void *data, size_t len)
{
	struct blk *blk = to_blk(dev);
	const uint8_t *saved = data;

	if (len != BLK_SAVED_SIZE || saved[0] > 1)
		return -EINVAL;
	atomic_store(&blk->writeback, saved[0]);
	rate_limit_load(&blk->limit, saved + 1);
	return 0;
}

static void blk_free(struct virtio_dev *dev)
{
	struct blk *blk = to_blk(dev);

	rate_limit_fini(&blk->limit);
	disk_free(blk->disk);
	free(blk->reqs);
	free(blk);
}

static const struct virtio_dev_ops blk_ops = {
	.name = "virtio-blk",
	.activate = blk_activate,
	.notify = blk_notify,
	.reset = blk_reset,
	.read_config = blk_read_config,
	.write_config = blk_write_config,
	.quiesce = blk_quiesce,
	.save = blk_save,
	.load = blk_load,
	.free = blk_free,
};

static uint64_t blk_features(const struct disk *disk, const struct blk_options *options)
{
	uint64_t features = 1U << VIRTIO_BLK_F_SEG_MAX | 1U << VIRTIO_BLK_F_SIZE_MAX |
			    1U << VIRTIO_BLK_F_BLK_SIZE | 1U << VIRTIO_RING_F_INDIRECT_DESC |
			    1U << VIRTIO_RING_F_EVENT_IDX;

	if (options->queues > 1)
		features |= 1U << VIRTIO_BLK_F_MQ;
	if (disk->read_only)
		return features | 1U << VIRTIO_BLK_F_RO;
	if (!options->unsafe)
		features |= 1U << VIRTIO_BLK_F_FLUSH | 1U << VIRTIO_BLK_F_CONFIG_WCE;
	return features | 1U << VIRTIO_BLK_F_DISCARD | 1U << VIRTIO_BLK_F_WRITE_ZEROES;
}

static void blk_take_disk(struct blk *blk, struct disk *disk)
{
	blk->disk = disk;
	disk->batch_done = blk_batch_done;
	disk->owner = blk;
}

int blk_new(struct loop *loop, struct disk *disk, const struct blk_options *options,
	struct virtio_dev **ret)
{
	/* What all queues hold, and one to look into a queue with. */
	unsigned int pool = options->queues * BLK_QUEUE_SIZE + 1;
	struct blk *blk = calloc(1, sizeof(*blk));

	if (!blk)
		return -ENOMEM;
	/* Fresh zeroed pages from the kernel: the pool takes no memory until it is used. */
	blk->reqs = calloc(pool, sizeof(*blk->reqs));
	if (!blk->reqs) {
		free(blk);
		return -ENOMEM;
	}
	blk->fresh = pool;
	blk->dev = (struct virtio_dev){
		.ops = &blk_ops,
		.id = VIRTIO_ID_BLOCK,
		.features = blk_features(disk, options),
		.queues = blk->queues,
		.queue_count = options->queues,
		.counters = blk->counters,
	};
	for (unsigned int i = 0; i < options->queues; i++)
		blk->queues[i].size_max = BLK_QUEUE_SIZE;
	blk->unsafe = options->unsafe;
	atomic_store(&blk->writeback, 1);
	rate_limit_init(&blk->limit, loop, blk_resume);
	blk_take_disk(blk, disk);
	blk->config = (struct virtio_blk_config){
		.capacity = htole64(disk->capacity / DISK_SECTOR),
		.size_max = htole32(BLK_SIZE_MAX),
		.seg_max = htole32(BLK_SEG_MAX),
		.blk_size = htole32(disk->block_size),
		.num_queues = htole16((uint16_t)options->queues),
		.max_discard_sectors = htole32(BLK_DISCARD_SECTORS_MAX),
		.max_discard_seg = htole32(BLK_RANGES_MAX),
		.discard_sector_alignment = htole32(disk->discard_size / DISK_SECTOR),
		.max_write_zeroes_sectors = htole32(BLK_ZEROES_SECTORS_MAX),
		.max_write_zeroes_seg = htole32(BLK_RANGES_MAX),
		.write_zeroes_may_unmap = 1,
	};
	if (options->id)
		memcpy(blk->id, options->id, strnlen(options->id, sizeof(blk->id)));
	*ret = &blk->dev;
	return 0;
}

static void blk_tell_capacity(struct blk *blk)
{
	uint64_t capacity = htole64(blk->disk->capacity / DISK_SECTOR);

	if (capacity != blk->config.capacity)
		virtio_dev_change_config(
			&blk->dev, &blk->config.capacity, &capacity, sizeof(capacity));
}

int blk_resize(struct virtio_dev *dev)
{
	struct blk *blk = to_blk(dev);
	int r = blk->disk->ops->refresh(blk->disk);

	blk->counters[r ? BLK_UPDATES_FAILED : BLK_UPDATES]++;
	if (!r)
		blk_tell_capacity(blk);
	return r;
}

int blk_set_disk(struct virtio_dev *dev, struct disk *disk)
{
	struct blk *blk = to_blk(dev);

	if (disk->read_only != blk->disk->read_only || disk->block_size != blk->disk->block_size) {
		blk->counters[BLK_UPDATES_FAILED]++;
		return -EINVAL;
	}
	blk->counters[BLK_UPDATES]++;
	blk->disk->ops->drain(blk->disk);
	blk_signal(blk);
	disk_free(blk->disk);
	blk_take_disk(blk, disk);
	blk_tell_capacity(blk);
	return 0;
}

int blk_set_limits(struct virtio_dev *dev, const struct rate_limit_config *config)
{
	return rate_limit_set(&to_blk(dev)->limit, config);
}
