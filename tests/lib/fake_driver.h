// SPDX-License-Identifier: Apache-2.0
// A virtio driver in user space: guest RAM is an array, and any rule can be broken.
#pragma once

#include "devices/guest_mem.h"

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

struct virtio_dev;
struct virtq;

#define FAKE_RAM_GPA UINT64_C(0x100000)
#define FAKE_RAM_SIZE UINT64_C(0x200000)
#define FAKE_QUEUES_MAX 8

/* One buffer of a request. */
struct fake_buf {
	uint64_t gpa;
	uint32_t len;
	bool write;
};

/*
 * struct fake_queue - the driver's side of a queue
 * @next_desc:	descriptors are handed out round the table, never checked for being free
 * @seen_used:	used entries taken so far
 */
struct fake_queue {
	uint16_t size;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_desc;
	uint16_t seen_used;
};

/*
 * struct fake_driver - RAM, a device, its queues, and a transport that counts
 * @later:	bit per queue: notify_later() was called
 */
struct fake_driver {
	struct guest_mem mem;
	uint8_t *ram;
	uint64_t next_gpa;
	struct virtio_dev *dev;
	struct fake_queue queues[FAKE_QUEUES_MAX];
	unsigned int queue_signals;
	unsigned int config_signals;
	unsigned int later;
};

void fake_driver_init(struct fake_driver *f);
void fake_driver_fini(struct fake_driver *f);

/* Zeroed guest RAM; never freed. Aborts when there is none left. */
uint64_t fake_alloc(struct fake_driver *f, uint64_t len, uint64_t align);
void *fake_ptr(const struct fake_driver *f, uint64_t gpa);

/* Make rings of @size entries, all zero. */
void fake_queue_init(struct fake_driver *f, struct fake_queue *fq, uint16_t size);
/* Tell the device's queue where they are, as a transport does. */
void fake_queue_attach(const struct fake_queue *fq, struct virtq *q);

/* Attach to a device: all its queues at their largest, started; then activate. */
int fake_driver_start(struct fake_driver *f, struct virtio_dev *dev, uint64_t features);
/* Reset the device as a transport does. */
void fake_driver_reset(struct fake_driver *f);
/* Pause and resume the device as a transport does; resuming notifies each queue. */
void fake_driver_pause(struct fake_driver *f);
void fake_driver_resume(struct fake_driver *f);
/* Notify @queue unless the device is broken, and again as long as the device asks for it. */
void fake_kick(struct fake_driver *f, unsigned int queue);

void fake_desc(struct fake_queue *fq, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
	uint16_t next);
/* Put a head into the available ring. */
void fake_publish(struct fake_queue *fq, uint16_t head);
/* Chain the buffers and publish them. Return: the head. */
uint16_t fake_add(struct fake_queue *fq, const struct fake_buf *bufs, unsigned int count);
/* Take the next used entry. Return: false if there is none. */
bool fake_used(struct fake_queue *fq, uint32_t *ret_id, uint32_t *ret_len);
