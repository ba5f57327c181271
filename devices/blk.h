// SPDX-License-Identifier: Apache-2.0
// virtio-blk.
#pragma once

#include <stdbool.h>

struct disk;
struct loop;
struct rate_limit_config;
struct virtio_dev;

/* Most queues of a block device: one for each of the CPUs that a VM with fast disks has. */
#define BLK_QUEUES_MAX 16

/*
 * struct blk_options
 * @id:		what GET_ID answers, at most 20 bytes of it; NULL for none; copied
 * @unsafe:	the guest's flushes are not passed on: it isn't even offered them
 * @queues:	1 to BLK_QUEUES_MAX
 */
struct blk_options {
	const char *id;
	bool unsafe;
	unsigned int queues;
};

/*
 * What a block device counts, in virtio_dev's counters. A request counts when it is answered; reads
 * and writes only if they succeeded.
 */
enum blk_counter {
	BLK_NOTIFIES,
	BLK_NOTIFIES_EMPTY, /* and there was nothing in the queue */
	BLK_BROKEN,         /* the ring, or a chain that is no request */
	BLK_INVALID,        /* beyond the end, of an unknown kind, a write to what is read-only */
	BLK_FAILED,         /* by the disk */
	BLK_FLUSHES,
	BLK_READS,
	BLK_READ_BYTES,
	BLK_WRITES,
	BLK_WRITE_BYTES,
	BLK_UPDATES, /* another file or size */
	BLK_UPDATES_FAILED,
	BLK_THROTTLED, /* times that the rate limit stopped a queue */
	BLK_RESUMED,   /* times that it let them go on */
	BLK_COUNTERS,
};

/*
 * blk_new() - make a block device
 * @loop:	outlives the device
 * @disk:	taken over on success: the device frees it
 * @ret:	owned by the caller: (*ret)->ops->free(*ret) after its slot is gone
 *
 * Return: 0 or -ENOMEM.
 */
int blk_new(struct loop *loop, struct disk *disk, const struct blk_options *options,
	struct virtio_dev **ret);

/*
 * The rest changes a block device at any time, running or not. Context: loop.
 */

/*
 * blk_resize() - the host's file has another size: look at it, and tell the guest
 *
 * Return: 0, also if it is as before; -errno if the size can't be got or nothing is left of it, and
 * then nothing changes.
 */
int blk_resize(struct virtio_dev *dev);

/*
 * blk_set_disk() - put another disk in place of the one that is there, and tell the guest
 * @disk:	taken over on success; as read-only, and with the same block size, as the old one
 *
 * Waits for what is in flight.
 *
 * Return: 0; -EINVAL if the guest could not use it.
 */
int blk_set_disk(struct virtio_dev *dev, struct disk *disk);

/* blk_set_limits() - NULL for none. Return: as rate_limit_set(). */
int blk_set_limits(struct virtio_dev *dev, const struct rate_limit_config *config);
