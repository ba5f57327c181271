// SPDX-License-Identifier: Apache-2.0
// A virtio driver in user space.
#include "tests/lib/fake_driver.h"

#include "devices/virtio.h"
#include "devices/virtqueue.h"

#include <stdlib.h>
#include <string.h>

void fake_driver_init(struct fake_driver *f)
{
	*f = (struct fake_driver){.next_gpa = FAKE_RAM_GPA};
	f->ram = calloc(1, FAKE_RAM_SIZE);
	if (!f->ram || guest_mem_add(&f->mem, FAKE_RAM_GPA, FAKE_RAM_SIZE, f->ram) < 0)
		abort();
}

void fake_driver_fini(struct fake_driver *f)
{
	free(f->ram);
}

uint64_t fake_alloc(struct fake_driver *f, uint64_t len, uint64_t align)
{
	uint64_t gpa = (f->next_gpa + align - 1) / align * align;

	f->next_gpa = gpa + len;
	if (f->next_gpa > FAKE_RAM_GPA + FAKE_RAM_SIZE)
		abort();
	return gpa;
}

void *fake_ptr(const struct fake_driver *f, uint64_t gpa)
{
	return f->ram + (gpa - FAKE_RAM_GPA);
}

void fake_queue_init(struct fake_driver *f, struct fake_queue *fq, uint16_t size)
{
	*fq = (struct fake_queue){.size = size};
	fq->desc_gpa = fake_alloc(f, 16 * (uint64_t)size, 16);
	fq->avail_gpa = fake_alloc(f, 6 + 2 * (uint64_t)size, 2);
	fq->used_gpa = fake_alloc(f, 6 + 8 * (uint64_t)size, 4);
	fq->desc = fake_ptr(f, fq->desc_gpa);
	fq->avail = fake_ptr(f, fq->avail_gpa);
	fq->used = fake_ptr(f, fq->used_gpa);
}

void fake_queue_attach(const struct fake_queue *fq, struct virtq *q)
{
	q->size = fq->size;
	q->desc_gpa = fq->desc_gpa;
	q->avail_gpa = fq->avail_gpa;
	q->used_gpa = fq->used_gpa;
}

static void fake_signal_queue(struct virtio_dev *dev, unsigned int queue)
{
	struct fake_driver *f = dev->transport_data;

	f->queue_signals++;
}

static void fake_signal_config(struct virtio_dev *dev)
{
	struct fake_driver *f = dev->transport_data;

	f->config_signals++;
}

static void fake_change_config(struct virtio_dev *dev, void *dst, const void *src, size_t len)
{
	memcpy(dst, src, len);
	fake_signal_config(dev);
}

static void fake_notify_later(struct virtio_dev *dev, unsigned int queue)
{
	struct fake_driver *f = dev->transport_data;

	f->later |= 1U << queue;
}

static const struct virtio_transport_ops fake_transport_ops = {
	.signal_queue = fake_signal_queue,
	.signal_config = fake_signal_config,
	.change_config = fake_change_config,
	.notify_later = fake_notify_later,
};

int fake_driver_start(struct fake_driver *f, struct virtio_dev *dev, uint64_t features)
{
	f->dev = dev;
	dev->transport = &fake_transport_ops;
	dev->transport_data = f;
	dev->driver_features = features;
	for (unsigned int i = 0; i < dev->queue_count; i++) {
		fake_queue_init(f, &f->queues[i], dev->queues[i].size_max);
		fake_queue_attach(&f->queues[i], &dev->queues[i]);
		if (virtq_start(&dev->queues[i], &f->mem, features) < 0)
			return -1;
	}
	return dev->ops->activate(dev);
}

void fake_driver_reset(struct fake_driver *f)
{
	f->dev->ops->reset(f->dev);
	for (unsigned int i = 0; i < f->dev->queue_count; i++)
		virtq_stop(&f->dev->queues[i]);
	atomic_store(&f->dev->broken, false);
	f->later = 0;
}

void fake_driver_pause(struct fake_driver *f)
{
	f->dev->ops->quiesce(f->dev);
	for (unsigned int i = 0; i < f->dev->queue_count; i++)
		f->dev->queues[i].held = true;
}

void fake_driver_resume(struct fake_driver *f)
{
	for (unsigned int i = 0; i < f->dev->queue_count; i++)
		f->dev->queues[i].held = false;
	for (unsigned int i = 0; i < f->dev->queue_count; i++)
		fake_kick(f, i);
}

void fake_kick(struct fake_driver *f, unsigned int queue)
{
	f->later |= 1U << queue;
	while (f->later && !atomic_load(&f->dev->broken)) {
		unsigned int next = (unsigned int)__builtin_ctz(f->later);

		f->later &= ~(1U << next);
		f->dev->ops->notify(f->dev, next);
	}
}

void fake_desc(struct fake_queue *fq, unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
	uint16_t next)
{
	fq->desc[i] = (struct vring_desc){.addr = gpa, .len = len, .flags = flags, .next = next};
}

void fake_publish(struct fake_queue *fq, uint16_t head)
{
	uint16_t idx = fq->avail->idx;

	fq->avail->ring[idx & (fq->size - 1)] = head;
	/* Partner: the device's acquire in virtq_pop(). */
	__atomic_store_n(&fq->avail->idx, (uint16_t)(idx + 1), __ATOMIC_RELEASE);
}

uint16_t fake_add(struct fake_queue *fq, const struct fake_buf *bufs, unsigned int count)
{
	uint16_t head = fq->next_desc;

	for (unsigned int i = 0; i < count; i++) {
		uint16_t next = (uint16_t)((fq->next_desc + 1) & (fq->size - 1));
		unsigned int flags = (bufs[i].write ? VRING_DESC_F_WRITE : 0) |
				     (i + 1 < count ? VRING_DESC_F_NEXT : 0);

		fake_desc(fq, fq->next_desc, bufs[i].gpa, bufs[i].len, (uint16_t)flags, next);
		fq->next_desc = next;
	}
	fake_publish(fq, head);
	return head;
}

bool fake_used(struct fake_queue *fq, uint32_t *ret_id, uint32_t *ret_len)
{
	const vring_used_elem_t *elem;

	/* Partner: the device's release in virtq_push(). */
	if (__atomic_load_n(&fq->used->idx, __ATOMIC_ACQUIRE) == fq->seen_used)
		return false;
	elem = &fq->used->ring[fq->seen_used++ & (fq->size - 1)];
	*ret_id = elem->id;
	*ret_len = elem->len;
	return true;
}
