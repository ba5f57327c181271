// SPDX-License-Identifier: Apache-2.0
// virtio-blk. Spec: virtio 1.2 5.2
#include "devices/blk.h"

#include "base/cleanup.h"
#include "devices/backend/disk.h"
#include "devices/virtio.h"
#include "devices/virtqueue.h"

#include <endian.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

/*
 * Theory of operation
 *
 *     readable                      writable
 *     [type reserved sector][data]  [data][status]
 *      16 bytes              write   read  1 byte
 *
 * Where one descriptor ends and the next begins means nothing: the header may be split, the status
 * may share a descriptor with data. A request is taken from a fixed pool with its chain, goes to
 * the disk, and comes back through blk_done(), perhaps at once: then the interrupt is held back
 * until the whole batch is through.
 */

#define BLK_QUEUE_SIZE 256
/* Data segments of a request: a chain less its header and status. */
#define BLK_SEG_MAX (BLK_QUEUE_SIZE - 2)
/* Advice to the driver, so that one request doesn't hold the disk for long. */
#define BLK_SIZE_MAX (1U << 20)

/*
 * struct blk_req - one request in flight
 * @status:	where its last byte goes
 * @len:	bytes of data
 * @written:	of them, those written to the guest: what the used ring tells
 */
struct blk_req {
	struct blk *blk;
	struct blk_req *next_free;
	uint8_t *status;
	uint32_t type;
	uint32_t len;
	uint32_t written;
	struct virtq_chain chain;
};

/*
 * struct blk - the device
 * @free:	requests used before; @fresh: how many of the pool were never touched, so that an
 *idle device costs no memory
 * @batching:	blk_notify() is running and will signal at its end
 * @draining:	the device is being reset: results are thrown away
 */
struct blk {
	struct virtio_dev dev;
	struct virtq queue;
	struct disk *disk;
	struct virtio_blk_config config;
	char id[VIRTIO_BLK_ID_BYTES];
	bool batching;
	bool draining;
	struct blk_req *free;
	unsigned int fresh;
	struct blk_req reqs[BLK_QUEUE_SIZE];
};

static struct blk *to_blk(struct virtio_dev *dev)
{
	return container_of(dev, struct blk, dev);
}

/* Never NULL: a queue has no more in flight than its size, see virtq_pop(). */
static struct blk_req *blk_req_get(struct blk *blk)
{
	struct blk_req *req = blk->free;

	if (req)
		blk->free = req->next_free;
	else
		req = &blk->reqs[--blk->fresh];
	return req;
}

static void blk_req_put(struct blk_req *req)
{
	req->next_free = req->blk->free;
	req->blk->free = req;
}

/* Take @n bytes from the front of @count iovecs. The caller has checked that they are there. */
static unsigned int iov_skip(struct iovec **iov, unsigned int count, void *ret, size_t n)
{
	uint8_t *out = ret;

	while (n) {
		struct iovec *first = *iov;
		size_t part = first->iov_len < n ? first->iov_len : n;

		memcpy(out, first->iov_base, part);
		out += part;
		n -= part;
		first->iov_base = (uint8_t *)first->iov_base + part;
		first->iov_len -= part;
		if (!first->iov_len) {
			(*iov)++;
			count--;
		}
	}
	return count;
}

static void blk_finish(struct blk_req *req, uint8_t status)
{
	struct blk *blk = req->blk;

	if (!blk->draining) {
		*req->status = status;
		virtq_push(&blk->queue, req->chain.head, req->written + 1);
		if (!blk->batching)
			virtio_dev_signal(&blk->dev, 0);
	}
	blk_req_put(req);
}

/* The disk has answered. */
static void blk_done(void *ctx, int64_t result)
{
	struct blk_req *req = ctx;
	uint32_t expected = req->type == VIRTIO_BLK_T_FLUSH ? 0 : req->len;
	bool ok = result == expected;

	if (ok && req->type == VIRTIO_BLK_T_IN)
		req->written = req->len;
	blk_finish(req, ok ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
}

static void blk_get_id(struct blk_req *req, const struct iovec *iov, unsigned int count)
{
	const char *id = req->blk->id;
	size_t left = VIRTIO_BLK_ID_BYTES;

	for (unsigned int i = 0; i < count && left; i++) {
		size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;

		memcpy(iov[i].iov_base, id, part);
		id += part;
		left -= part;
		req->written += (uint32_t)part;
	}
	blk_finish(req, VIRTIO_BLK_S_OK);
}

static void blk_read_write(
	struct blk_req *req, struct iovec *iov, unsigned int count, uint64_t sector)
{
	struct disk *disk = req->blk->disk;
	bool is_write = req->type == VIRTIO_BLK_T_OUT;
	uint64_t offset, end;

	if (__builtin_mul_overflow(sector, DISK_SECTOR, &offset) ||
		__builtin_add_overflow(offset, req->len, &end) || end > disk->capacity ||
		req->len % DISK_SECTOR || (is_write && disk->read_only)) {
		blk_finish(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (!req->len)
		blk_finish(req, VIRTIO_BLK_S_OK);
	else if (is_write)
		disk->ops->write(disk, iov, (int)count, offset, blk_done, req);
	else
		disk->ops->read(disk, iov, (int)count, offset, blk_done, req);
}

/* Serve one chain. Return: 0, or -1 if it isn't a request at all. */
static int blk_serve(struct blk_req *req)
{
	struct virtq_chain *chain = &req->chain;
	struct disk *disk = req->blk->disk;
	struct iovec *out = chain->iov, *in = chain->iov + chain->out_count, *last;
	unsigned int out_count = chain->out_count, in_count = chain->in_count;
	struct virtio_blk_outhdr hdr;

	if (chain->out_len < sizeof(hdr) || !chain->in_len)
		return -1;
	out_count = iov_skip(&out, out_count, &hdr, sizeof(hdr));
	last = &in[in_count - 1];
	req->status = (uint8_t *)last->iov_base + --last->iov_len;
	if (!last->iov_len)
		in_count--;
	req->written = 0;
	req->type = le32toh(hdr.type);
	switch (req->type) {
	case VIRTIO_BLK_T_IN:
		req->len = chain->in_len - 1;
		blk_read_write(req, in, in_count, le64toh(hdr.sector));
		break;
	case VIRTIO_BLK_T_OUT:
		req->len = chain->out_len - (uint32_t)sizeof(hdr);
		blk_read_write(req, out, out_count, le64toh(hdr.sector));
		break;
	case VIRTIO_BLK_T_FLUSH:
		if (disk->read_only)
			blk_finish(req, VIRTIO_BLK_S_OK);
		else
			disk->ops->flush(disk, blk_done, req);
		break;
	case VIRTIO_BLK_T_GET_ID:
		blk_get_id(req, in, in_count);
		break;
	default:
		blk_finish(req, VIRTIO_BLK_S_UNSUPP);
		break;
	}
	return 0;
}

/* Serve up to @budget chains. Return: 1 if more may be waiting, 0 if not, -1 if broken. */
static int blk_serve_some(struct blk *blk, unsigned int budget)
{
	while (budget--) {
		struct blk_req *req = blk_req_get(blk);
		int r = virtq_pop(&blk->queue, &req->chain);

		req->blk = blk;
		if (r == 1 && blk_serve(req) == 0)
			continue;
		blk_req_put(req);
		if (r == 0)
			return 0;
		virtio_dev_broken(
			&blk->dev, r < 0 ? "bad ring" : "request without header or status");
		return -1;
	}
	return 1;
}

static void blk_notify(struct virtio_dev *dev, unsigned int queue)
{
	struct blk *blk = to_blk(dev);
	int more;

	blk->batching = true;
	virtq_quiet(&blk->queue);
	/* One queue's worth, then others have their turn: the driver could add for ever. */
	more = blk_serve_some(blk, BLK_QUEUE_SIZE);
	blk->batching = false;
	if (more >= 0)
		more = virtq_listen(&blk->queue);
	virtio_dev_signal(dev, 0);
	if (more > 0)
		dev->transport->notify_later(dev, queue);
}

static int blk_activate(struct virtio_dev *dev)
{
	return 0;
}

static void blk_reset(struct virtio_dev *dev)
{
	struct blk *blk = to_blk(dev);

	blk->draining = true;
	blk->disk->ops->drain(blk->disk);
	blk->draining = false;
}

static void blk_quiesce(struct virtio_dev *dev)
{
	struct blk *blk = to_blk(dev);

	blk->disk->ops->drain(blk->disk);
}

static void blk_read_config(
	struct virtio_dev *dev, unsigned int offset, void *data, unsigned int len)
{
	const struct blk *blk = to_blk(dev);

	virtio_config_copy(&blk->config, sizeof(blk->config), offset, data, len);
}

static void blk_free(struct virtio_dev *dev)
{
	struct blk *blk = to_blk(dev);

	disk_free(blk->disk);
	free(blk);
}

static const struct virtio_dev_ops blk_ops = {
	.name = "virtio-blk",
	.activate = blk_activate,
	.notify = blk_notify,
	.reset = blk_reset,
	.read_config = blk_read_config,
	.quiesce = blk_quiesce,
	.free = blk_free,
};

int blk_new(struct disk *disk, const char *id, struct virtio_dev **ret)
{
	/* Fresh zeroed pages from the kernel: the pool takes no memory until it is used. */
	struct blk *blk = calloc(1, sizeof(*blk));

	if (!blk)
		return -ENOMEM;
	blk->dev = (struct virtio_dev){
		.ops = &blk_ops,
		.id = VIRTIO_ID_BLOCK,
		.features = 1U << VIRTIO_BLK_F_SEG_MAX | 1U << VIRTIO_BLK_F_SIZE_MAX |
			    1U << VIRTIO_BLK_F_BLK_SIZE | 1U << VIRTIO_RING_F_INDIRECT_DESC |
			    1U << VIRTIO_RING_F_EVENT_IDX |
			    (disk->read_only ? 1U << VIRTIO_BLK_F_RO : 1U << VIRTIO_BLK_F_FLUSH),
		.queues = &blk->queue,
		.queue_count = 1,
	};
	blk->queue.size_max = BLK_QUEUE_SIZE;
	blk->disk = disk;
	blk->fresh = BLK_QUEUE_SIZE;
	blk->config = (struct virtio_blk_config){
		.capacity = htole64(disk->capacity / DISK_SECTOR),
		.size_max = htole32(BLK_SIZE_MAX),
		.seg_max = htole32(BLK_SEG_MAX),
		.blk_size = htole32(DISK_SECTOR),
	};
	if (id)
		memcpy(blk->id, id, strnlen(id, sizeof(blk->id)));
	*ret = &blk->dev;
	return 0;
}
