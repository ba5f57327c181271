// SPDX-License-Identifier: Apache-2.0
// A virtio-mmio driver that keeps to the rules, until a test has it break one.
#pragma once

#include "tests/guest/rt.h"

#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#define SLOTS_MAX 24
#define QUEUES_MAX 16
/* Entries of a queue as tests set it up, unless the device's own is smaller. */
#define RING_SIZE 16u

/* Entries behind the descriptor table that hold nothing else: what a device would see that looks
 * there. */
#define VQ_SPARE 4u

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER 2u
#define STATUS_DRIVER_OK 4u
#define STATUS_FEATURES_OK 8u
#define STATUS_NEEDS_RESET 0x40u
#define STATUS_RUNNING (STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK)

#define FEATURE(n) (1ull << (n))
#define FEATURE_VERSION_1 FEATURE(32)

/*
 * struct vdev - a device found in a slot
 * @features:	offered
 * @queue_count, @size_max: its queues
 */
struct vdev {
	uint64_t base;
	unsigned int slot;
	uint32_t id;
	const char *name;
	uint64_t features;
	unsigned int queue_count;
	uint32_t size_max[QUEUES_MAX];
};

/*
 * struct vq - a queue, the driver's side
 * @used_seen:	used entries taken so far
 */
struct vq {
	struct vdev *dev;
	unsigned int index;
	uint32_t size;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t used_seen;
};

extern struct vdev devices[SLOTS_MAX];
extern unsigned int device_count;

/* vdev_find_all() - fill the table above; each slot's device is reset. */
void vdev_find_all(void);

/* vdev_by_id() - the first device of a kind (VIRTIO_ID_), or NULL. */
struct vdev *vdev_by_id(uint32_t id);

static inline uint32_t vdev_read(const struct vdev *dev, uint32_t reg)
{
	return mmio_read32(dev->base + reg);
}

static inline void vdev_write(const struct vdev *dev, uint32_t reg, uint32_t value)
{
	mmio_write32(dev->base + reg, value);
}

static inline uint32_t vdev_status(const struct vdev *dev)
{
	return vdev_read(dev, VIRTIO_MMIO_STATUS);
}

/* vdev_reset() - Return: whether the status reads 0 afterwards. */
bool vdev_reset(const struct vdev *dev);

/*
 * vdev_negotiate() - reset, and go up to FEATURES_OK
 * @features:	accepted, as far as they are offered; VERSION_1 comes along
 *
 * Return: whether the device took them.
 */
bool vdev_negotiate(const struct vdev *dev, uint64_t features);

/* vdev_go() - set DRIVER_OK. */
void vdev_go(const struct vdev *dev);

/* vq_alloc() - a queue with rings of its own; nothing is told to the device. @size 0: as usual */
void vq_alloc(struct vq *q, struct vdev *dev, unsigned int index, uint32_t size);

/* vq_tell() - write the queue's size and addresses to the registers, and make it ready. */
void vq_tell(const struct vq *q);

/* vdev_start() - negotiate, set all queues up as usual, DRIVER_OK. @queues: queue_count of them */
bool vdev_start(struct vdev *dev, uint64_t features, struct vq *queues);

/* vq_desc() - fill one entry of the descriptor table. */
void vq_desc(struct vq *q, unsigned int i, const void *buffer, uint32_t len, uint16_t flags,
	uint16_t next);

/* vq_put() - make the chain available that begins at @head; no kick. */
void vq_put(struct vq *q, uint16_t head);

void vq_kick(const struct vq *q);

/* vq_submit() - put and kick. */
void vq_submit(struct vq *q, uint16_t head);

/*
 * vq_wait() - wait for the next used entry, and take it
 * @ret_id, @ret_len: what it says; may be NULL
 *
 * Return: false if it didn't come, or the device broke.
 */
bool vq_wait(struct vq *q, uint32_t *ret_id, uint32_t *ret_len);

static inline uint16_t shared16(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
