// SPDX-License-Identifier: Apache-2.0
// The driver's side of virtio-mmio and split virtqueues.
#include "tests/guest/virtio.h"

#include "vmm/arch/x86_64/layout.h"

#include <linux/virtio_ids.h>

#define MAGIC 0x74726976u

struct vdev devices[SLOTS_MAX];
unsigned int device_count;

static const char *name_of(uint32_t id)
{
	switch (id) {
	case VIRTIO_ID_BLOCK:
		return "virtio-blk";
	case VIRTIO_ID_NET:
		return "virtio-net";
	case VIRTIO_ID_VSOCK:
		return "virtio-vsock";
	case VIRTIO_ID_RNG:
		return "virtio-rng";
	case VIRTIO_ID_BALLOON:
		return "virtio-balloon";
	default:
		return "virtio-?";
	}
}

static void examine(struct vdev *dev)
{
	dev->id = vdev_read(dev, VIRTIO_MMIO_DEVICE_ID);
	dev->name = name_of(dev->id);
	for (unsigned int i = 0; i < 2; i++) {
		vdev_write(dev, VIRTIO_MMIO_DEVICE_FEATURES_SEL, i);
		dev->features |= (uint64_t)vdev_read(dev, VIRTIO_MMIO_DEVICE_FEATURES) << 32 * i;
	}
	for (unsigned int i = 0; i < QUEUES_MAX; i++) {
		vdev_write(dev, VIRTIO_MMIO_QUEUE_SEL, i);
		dev->size_max[i] = vdev_read(dev, VIRTIO_MMIO_QUEUE_NUM_MAX);
		if (!dev->size_max[i])
			break;
		dev->queue_count++;
	}
	vdev_reset(dev);
}

void vdev_find_all(void)
{
	for (unsigned int slot = 0; slot < SLOTS_MAX; slot++) {
		uint64_t base = LAYOUT_SLOTS + (uint64_t)slot * LAYOUT_SLOT_SIZE;

		if (mmio_read32(base) != MAGIC)
			continue;
		devices[device_count] = (struct vdev){.base = base, .slot = slot};
		examine(&devices[device_count++]);
	}
}

struct vdev *vdev_by_id(uint32_t id)
{
	for (unsigned int i = 0; i < device_count; i++)
		if (devices[i].id == id)
			return &devices[i];
	return NULL;
}

bool vdev_reset(const struct vdev *dev)
{
	vdev_write(dev, VIRTIO_MMIO_STATUS, 0);
	return vdev_status(dev) == 0;
}

bool vdev_negotiate(const struct vdev *dev, uint64_t features)
{
	const uint32_t up_to_features = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;

	if (!vdev_reset(dev))
		return false;
	vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_ACKNOWLEDGE);
	vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	features = (features & dev->features) | FEATURE_VERSION_1;
	for (unsigned int i = 0; i < 2; i++) {
		vdev_write(dev, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
		vdev_write(dev, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32 * i));
	}
	vdev_write(dev, VIRTIO_MMIO_STATUS, up_to_features);
	return vdev_status(dev) == up_to_features;
}

void vdev_go(const struct vdev *dev)
{
	vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_RUNNING);
}

void vq_alloc(struct vq *q, struct vdev *dev, unsigned int index, uint32_t size)
{
	if (!size)
		size = dev->size_max[index] < RING_SIZE ? dev->size_max[index] : RING_SIZE;
	*q = (struct vq){.dev = dev, .index = index, .size = size};
	q->desc = arena(16 * (size + VQ_SPARE), 16);
	q->avail = arena(6 + 2 * size, 2);
	q->used = arena(6 + 8 * size, 4);
}

static void tell_address(const struct vdev *dev, uint32_t reg, const volatile void *address)
{
	vdev_write(dev, reg, (uint32_t)(uint64_t)address);
	vdev_write(dev, reg + 4, (uint32_t)((uint64_t)address >> 32));
}

void vq_tell(const struct vq *q)
{
	vdev_write(q->dev, VIRTIO_MMIO_QUEUE_SEL, q->index);
	vdev_write(q->dev, VIRTIO_MMIO_QUEUE_NUM, q->size);
	tell_address(q->dev, VIRTIO_MMIO_QUEUE_DESC_LOW, q->desc);
	tell_address(q->dev, VIRTIO_MMIO_QUEUE_AVAIL_LOW, q->avail);
	tell_address(q->dev, VIRTIO_MMIO_QUEUE_USED_LOW, q->used);
	vdev_write(q->dev, VIRTIO_MMIO_QUEUE_READY, 1);
}

bool vdev_start(struct vdev *dev, uint64_t features, struct vq *queues)
{
	if (!vdev_negotiate(dev, features))
		return false;
	for (unsigned int i = 0; i < dev->queue_count; i++) {
		vq_alloc(&queues[i], dev, i, 0);
		vq_tell(&queues[i]);
	}
	vdev_go(dev);
	return vdev_status(dev) == STATUS_RUNNING;
}

void vq_desc(struct vq *q, unsigned int i, const void *buffer, uint32_t len, uint16_t flags,
	uint16_t next)
{
	q->desc[i] = (struct vring_desc){(uint64_t)buffer, len, flags, next};
}

void vq_put(struct vq *q, uint16_t head)
{
	uint16_t idx = q->avail->idx;

	q->avail->ring[idx % q->size] = head;
	__atomic_store_n(&q->avail->idx, (uint16_t)(idx + 1), __ATOMIC_RELEASE);
	shared_fence();
}

void vq_kick(const struct vq *q)
{
	vdev_write(q->dev, VIRTIO_MMIO_QUEUE_NOTIFY, q->index);
}

void vq_submit(struct vq *q, uint16_t head)
{
	vq_put(q, head);
	vq_kick(q);
}

bool vq_wait(struct vq *q, uint32_t *ret_id, uint32_t *ret_len)
{
	const vring_used_elem_t *elem;
	bool broken = false;

	if (!WAIT_FOR(shared16(&q->used->idx) != q->used_seen ||
		      (broken = vdev_status(q->dev) & STATUS_NEEDS_RESET)))
		return false;
	if (broken && shared16(&q->used->idx) == q->used_seen)
		return false;
	elem = &q->used->ring[q->used_seen++ % q->size];
	if (ret_id)
		*ret_id = elem->id;
	if (ret_len)
		*ret_len = elem->len;
	return true;
}
