// SPDX-License-Identifier: Apache-2.0
// The requests of virtio-blk. Spec: virtio 1.2 5.2.6
#include "devices/blk_req.h"

#include "base/cleanup.h"

#include <endian.h>
#include <string.h>

struct blk_req *blk_req_get(struct blk *blk)
{
	struct blk_req *req = blk->free;

	if (req)
		blk->free = req->next_free;
	else
		req = &blk->reqs[--blk->fresh];
	req->blk = blk;
	return req;
}

void blk_req_put(struct blk_req *req)
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
		virtq_push(&blk->queues[req->queue], req->chain.head, req->written + 1);
		blk->to_signal |= 1U << req->queue;
	}
	blk_req_put(req);
}

/* What is asked for is not to be had; the disk isn't asked. */
static void blk_refuse(struct blk_req *req, uint8_t status)
{
	req->blk->counters[BLK_INVALID]++;
	blk_finish(req, status);
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

/* Is that a range of the disk? Fills in bytes. */
static bool blk_range(const struct blk *blk, struct disk_req *req, uint64_t sector, uint64_t len)
{
	uint64_t end;

	req->len = len;
	return !__builtin_mul_overflow(sector, DISK_SECTOR, &req->offset) &&
	       !__builtin_add_overflow(req->offset, len, &end) && end <= blk->disk->capacity &&
	       len % DISK_SECTOR == 0;
}

static bool blk_durable(const struct blk *blk)
{
	return !blk->unsafe && !atomic_load_explicit(&blk->writeback, memory_order_relaxed);
}

/* The disk has answered a read, a write, or a flush. */
static void blk_done(struct disk_req *disk, int result)
{
	struct blk_req *req = container_of(disk, struct blk_req, disk);
	uint64_t *counters = req->blk->counters;

	if (result) {
		counters[BLK_FAILED]++;
	} else if (disk->op == DISK_READ) {
		req->written = (uint32_t)disk->len;
		counters[BLK_READS]++;
		counters[BLK_READ_BYTES] += disk->len;
	} else if (disk->op == DISK_WRITE) {
		counters[BLK_WRITES]++;
		counters[BLK_WRITE_BYTES] += disk->len;
	} else {
		counters[BLK_FLUSHES]++;
	}
	blk_finish(req, result ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

static void blk_read_write(
	struct blk_req *req, struct iovec *iov, unsigned int count, uint64_t sector)
{
	struct blk *blk = req->blk;
	bool write = req->disk.op == DISK_WRITE;

	if (!blk_range(blk, &req->disk, sector, req->disk.len) || (write && blk->disk->read_only)) {
		blk_refuse(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (!req->disk.len) {
		blk_finish(req, VIRTIO_BLK_S_OK);
		return;
	}
	req->disk.iov = iov;
	req->disk.iov_count = (int)count;
	req->disk.durable = write && blk_durable(blk);
	req->disk.done = blk_done;
	blk->disk->ops->start(blk->disk, &req->disk);
}

static void blk_flush(struct blk_req *req)
{
	struct blk *blk = req->blk;

	if (blk->disk->read_only || blk->unsafe) {
		blk->counters[BLK_FLUSHES]++;
		blk_finish(req, VIRTIO_BLK_S_OK);
		return;
	}
	req->disk.op = DISK_FLUSH;
	req->disk.done = blk_done;
	blk->disk->ops->start(blk->disk, &req->disk);
}

/* Begin the next range that isn't empty, or answer if there is none left. */
static void blk_next_range(struct blk_req *req)
{
	struct blk *blk = req->blk;

	for (; req->range < req->range_count && !blk->draining; req->range++) {
		const struct virtio_blk_discard_write_zeroes *range = &req->ranges[req->range];

		if (!range->num_sectors)
			continue;
		/* Checked before; but another disk may have come meanwhile. */
		if (!blk_range(blk, &req->disk, range->sector,
			    (uint64_t)range->num_sectors * DISK_SECTOR)) {
			blk_refuse(req, VIRTIO_BLK_S_IOERR);
			return;
		}
		req->disk.unmap = range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
		req->disk.moved = 0;
		req->range++;
		blk->disk->ops->start(blk->disk, &req->disk);
		return;
	}
	blk_finish(req, VIRTIO_BLK_S_OK);
}

/* The disk has answered one range. */
static void blk_range_done(struct disk_req *disk, int result)
{
	struct blk_req *req = container_of(disk, struct blk_req, disk);

	if (!result) {
		blk_next_range(req);
		return;
	}
	req->blk->counters[BLK_FAILED]++;
	blk_finish(req, VIRTIO_BLK_S_IOERR);
}

/* Copy and check the ranges of a request. Return: its status. */
static uint8_t blk_load_ranges(struct blk_req *req, struct iovec *iov, unsigned int count)
{
	bool discard = req->disk.op == DISK_DISCARD;
	uint32_t max = discard ? BLK_DISCARD_SECTORS_MAX : BLK_ZEROES_SECTORS_MAX;
	uint64_t len = req->disk.len;

	if (!len || len % sizeof(req->ranges[0]) || len > sizeof(req->ranges) ||
		req->blk->disk->read_only)
		return VIRTIO_BLK_S_IOERR;
	iov_skip(&iov, count, req->ranges, len);
	req->range_count = (unsigned int)(len / sizeof(req->ranges[0]));
	for (unsigned int i = 0; i < req->range_count; i++) {
		struct virtio_blk_discard_write_zeroes *range = &req->ranges[i];

		range->sector = le64toh(range->sector);
		range->num_sectors = le32toh(range->num_sectors);
		range->flags = le32toh(range->flags);
		if (range->flags & ~(discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP))
			return VIRTIO_BLK_S_UNSUPP;
		if (range->num_sectors > max || !blk_range(req->blk, &req->disk, range->sector,
							(uint64_t)range->num_sectors * DISK_SECTOR))
			return VIRTIO_BLK_S_IOERR;
	}
	return VIRTIO_BLK_S_OK;
}

static void blk_ranges(struct blk_req *req, struct iovec *iov, unsigned int count)
{
	uint8_t status = blk_load_ranges(req, iov, count);

	if (status != VIRTIO_BLK_S_OK) {
		blk_refuse(req, status);
		return;
	}
	req->disk.durable = req->disk.op == DISK_WRITE_ZEROES && blk_durable(req->blk);
	req->disk.done = blk_range_done;
	blk_next_range(req);
}

int blk_req_serve(struct blk_req *req)
{
	struct virtq_chain *chain = &req->chain;
	struct iovec *out = chain->iov, *in = chain->iov + chain->out_count, *last;
	unsigned int out_count = chain->out_count, in_count = chain->in_count;
	struct virtio_blk_outhdr hdr;
	uint32_t out_len;

	if (chain->out_len < sizeof(hdr) || !chain->in_len)
		return -1;
	out_count = iov_skip(&out, out_count, &hdr, sizeof(hdr));
	out_len = chain->out_len - (uint32_t)sizeof(hdr);
	last = &in[in_count - 1];
	req->status = (uint8_t *)last->iov_base + --last->iov_len;
	if (!last->iov_len)
		in_count--;
	req->written = 0;
	req->range = req->range_count = 0;
	req->disk = (struct disk_req){.len = out_len};
	switch (le32toh(hdr.type)) {
	case VIRTIO_BLK_T_IN:
		req->disk.op = DISK_READ;
		req->disk.len = chain->in_len - 1;
		rate_limit_charge(&req->blk->limit, req->disk.len);
		blk_read_write(req, in, in_count, le64toh(hdr.sector));
		return 0;
	case VIRTIO_BLK_T_OUT:
		req->disk.op = DISK_WRITE;
		rate_limit_charge(&req->blk->limit, req->disk.len);
		blk_read_write(req, out, out_count, le64toh(hdr.sector));
		return 0;
	default:
		break;
	}
	rate_limit_charge(&req->blk->limit, 0);
	switch (le32toh(hdr.type)) {
	case VIRTIO_BLK_T_FLUSH:
		blk_flush(req);
		break;
	case VIRTIO_BLK_T_GET_ID:
		blk_get_id(req, in, in_count);
		break;
	case VIRTIO_BLK_T_DISCARD:
		req->disk.op = DISK_DISCARD;
		blk_ranges(req, out, out_count);
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		req->disk.op = DISK_WRITE_ZEROES;
		blk_ranges(req, out, out_count);
		break;
	default:
		blk_refuse(req, VIRTIO_BLK_S_UNSUPP);
		break;
	}
	return 0;
}
