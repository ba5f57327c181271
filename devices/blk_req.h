// SPDX-License-Identifier: Apache-2.0
// The inside of virtio-blk: the device and its requests.
#pragma once

#include "devices/backend/disk.h"
#include "devices/blk.h"
#include "devices/rate_limit.h"
#include "devices/virtio.h"
#include "devices/virtqueue.h"

#include <linux/virtio_blk.h>
#include <stdatomic.h>

/*
 * Theory of operation
 *
 *     readable                      writable
 *     [type reserved sector][data]  [data][status]
 *      16 bytes              write   read  1 byte
 *
 * Where one descriptor ends and the next begins means nothing: the header may be split, the status
 * may share a descriptor with data. A request is taken from a pool with its chain, goes to the
 * disk, and comes back through blk_done(), perhaps at once. The interrupt waits for the end of a
 * batch: of requests taken from a queue, or of answers that the disk gives together.
 *
 * The data of a discard or write-zeroes request are segments: ranges of sectors, which go to the
 * disk one after the other, when all of them are good.
 */

#define BLK_QUEUE_SIZE 256
/* Segments of one discard or write-zeroes request; a driver that has more makes more requests. */
#define BLK_RANGES_MAX 16
/* Sectors of such a segment: what a file system frees, or a disk writes, in reasonable time. */
#define BLK_DISCARD_SECTORS_MAX (1U << 22)
#define BLK_ZEROES_SECTORS_MAX (1U << 16)

/*
 * struct blk_req - one request in flight
 * @disk:	what the disk sees of it
 * @queue:	it came from
 * @status:	where its last byte goes
 * @written:	bytes written to the guest, without it
 * @range, @range_count: the segment in work, and how many there are: 0 but for discard and write
 *		zeroes
 */
struct blk_req {
	struct disk_req disk;
	struct blk *blk;
	struct blk_req *next_free;
	unsigned int queue;
	uint8_t *status;
	uint32_t written;
	unsigned int range;
	unsigned int range_count;
	struct virtio_blk_discard_write_zeroes ranges[BLK_RANGES_MAX];
	struct virtq_chain chain;
};

/*
 * struct blk - the device
 * @writeback:	the driver may change it in the config space, on a vCPU
 * @unsafe:	nothing is ever made durable
 * @draining:	the device is being reset: results are thrown away
 * @to_signal:	bit per queue: something was pushed since the last interrupt
 * @throttled:	bit per queue: waits for the rate limit
 * @free:	requests used before; @fresh: how many of the pool were never touched, so that an
 *		idle device costs no memory
 */
struct blk {
	struct virtio_dev dev;
	struct disk *disk;
	struct virtio_blk_config config;
	atomic_uchar writeback;
	bool unsafe;
	bool draining;
	uint32_t to_signal;
	uint32_t throttled;
	struct rate_limit limit;
	uint64_t counters[BLK_COUNTERS];
	char id[VIRTIO_BLK_ID_BYTES];
	struct blk_req *free;
	struct blk_req *reqs;
	unsigned int fresh;
	struct virtq queues[BLK_QUEUES_MAX];
};

/*
 * blk_req_get() - Return: a request. There is always one: the queues give no more than they hold
 * until something is pushed, see virtq_pop(), and the pool has one more.
 */
struct blk_req *blk_req_get(struct blk *blk);
void blk_req_put(struct blk_req *req);

/*
 * blk_req_serve() - begin what the chain of @req asks for
 *
 * The request goes back to the pool when it is answered, perhaps at once.
 *
 * Return: 0, or -1 if it isn't a request at all; then it is still the caller's.
 */
int blk_req_serve(struct blk_req *req);
