// SPDX-License-Identifier: Apache-2.0
// A virtio-mmio slot as bytes, and back: for snapshots.
#include "devices/virtio_mmio.h"

#include "base/buf.h"
#include "base/le.h"
#include "devices/irq.h"
#include "devices/virtio.h"
#include "devices/virtqueue.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <sys/eventfd.h>

/* syscalls: loop: write */

/*
 * All little-endian:
 *
 *     0  u32 device id           20 u32 driver_features_sel   40 u32 broken
 *     4  u32 queue count         24 u64 driver_features       44 u32 length of the device's state
 *     8  u32 reserved, 0         32 u32 queue_sel             48 queues, then the device's state
 *     12 u32 status              36 u16 interrupt status
 *     16 u32 device_features_sel 38 u16 generation
 *
 * A queue:
 *
 *     0  u32 size                16 u64 avail address         34 u16 used_idx
 *     4  u32 ready               24 u64 used address          36 u16 used_signalled
 *     8  u64 descriptor address  32 u16 last_avail            38 u16 reserved, 0
 *
 * The generation is cut to 16 bits: a driver only asks whether it changed.
 */
#define STATE_HEAD 48
#define STATE_QUEUE 40

#define STATUS_KNOWN                                                                               \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |      \
		VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)

static void save_queue(const struct virtio_mmio_queue *mq, const struct virtq *q, uint8_t *p)
{
	le32_store(p, mq->size);
	le32_store(p + 4, mq->ready);
	le64_store(p + 8, mq->desc_gpa);
	le64_store(p + 16, mq->avail_gpa);
	le64_store(p + 24, mq->used_gpa);
	le16_store(p + 32, q->last_avail);
	le16_store(p + 34, q->used_idx);
	le16_store(p + 36, q->used_signalled);
	le16_store(p + 38, 0);
}

int virtio_mmio_save(struct virtio_mmio *m, struct buf *out)
{
	struct virtio_dev *dev = m->dev;
	uint8_t head[STATE_HEAD], queue[STATE_QUEUE];
	size_t start = out->len, device;
	int r;

	if (m->running && !atomic_load(&dev->broken))
		dev->ops->quiesce(dev);
	pthread_mutex_lock(&m->lock);
	le32_store(head, dev->id);
	le32_store(head + 4, dev->queue_count);
	le32_store(head + 8, 0);
	le32_store(head + 12, m->status);
	le32_store(head + 16, m->device_features_sel);
	le32_store(head + 20, m->driver_features_sel);
	le64_store(head + 24, m->driver_features);
	le32_store(head + 32, m->queue_sel);
	le16_store(head + 36, (uint16_t)atomic_load(&m->interrupt));
	le16_store(head + 38, (uint16_t)atomic_load(&m->generation));
	/* Quiescing may have met a bad ring. */
	le32_store(head + 40, atomic_load(&dev->broken));
	le32_store(head + 44, 0);
	r = buf_add(out, head, sizeof(head));
	for (unsigned int i = 0; i < dev->queue_count && !r; i++) {
		save_queue(&m->queues[i], &dev->queues[i], queue);
		r = buf_add(out, queue, sizeof(queue));
	}
	pthread_mutex_unlock(&m->lock);
	device = out->len;
	if (!r && dev->ops->save)
		r = dev->ops->save(dev, out);
	if (!r)
		le32_store(out->data + start + 44, (uint32_t)(out->len - device));
	return r;
}

/* Could the driver have brought the status register there? */
static bool status_possible(const struct virtio_mmio *m, const uint8_t *head)
{
	uint32_t status = le32_load(head + 12), broken = le32_load(head + 40);

	if (status & ~(uint32_t)STATUS_KNOWN || broken > 1)
		return false;
	/* Each step stands on the one before. */
	if ((status & VIRTIO_CONFIG_S_DRIVER) && !(status & VIRTIO_CONFIG_S_ACKNOWLEDGE))
		return false;
	if ((status & VIRTIO_CONFIG_S_FEATURES_OK) && !(status & VIRTIO_CONFIG_S_DRIVER))
		return false;
	if ((status & VIRTIO_CONFIG_S_DRIVER_OK) && !(status & VIRTIO_CONFIG_S_FEATURES_OK))
		return false;
	if (broken && !(status & VIRTIO_CONFIG_S_DRIVER_OK))
		return false;
	return !(status & VIRTIO_CONFIG_S_FEATURES_OK) ||
	       virtio_mmio_features_acceptable(m, le64_load(head + 24));
}

/* Check all that can be told without guest memory. */
static bool state_possible(const struct virtio_mmio *m, const uint8_t *head, size_t len)
{
	const struct virtio_dev *dev = m->dev;
	bool may_be_ready;
	size_t queues;

	if (len < STATE_HEAD || le32_load(head) != dev->id ||
		le32_load(head + 4) != dev->queue_count || le32_load(head + 8) ||
		!status_possible(m, head) ||
		le16_load(head + 36) & ~(VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG))
		return false;
	queues = (size_t)STATE_QUEUE * dev->queue_count;
	if (len - STATE_HEAD < queues || len - STATE_HEAD - queues != le32_load(head + 44))
		return false;
	may_be_ready = le32_load(head + 12) & VIRTIO_CONFIG_S_FEATURES_OK;
	for (unsigned int i = 0; i < dev->queue_count; i++) {
		const uint8_t *q = head + STATE_HEAD + (size_t)STATE_QUEUE * i;

		if (le32_load(q + 4) > may_be_ready || le16_load(q + 38))
			return false;
	}
	return dev->ops->load || !le32_load(head + 44);
}

static void load_registers(struct virtio_mmio *m, const uint8_t *head)
{
	m->status = le32_load(head + 12);
	m->device_features_sel = le32_load(head + 16);
	m->driver_features_sel = le32_load(head + 20);
	m->driver_features = le64_load(head + 24);
	m->queue_sel = le32_load(head + 32);
	for (unsigned int i = 0; i < m->dev->queue_count; i++) {
		const uint8_t *q = head + STATE_HEAD + (size_t)STATE_QUEUE * i;
		struct virtio_mmio_queue *mq = &m->queues[i];

		mq->size = le32_load(q);
		mq->ready = le32_load(q + 4);
		mq->desc_gpa = le64_load(q + 8);
		mq->avail_gpa = le64_load(q + 16);
		mq->used_gpa = le64_load(q + 24);
	}
}

/* Start the queues where they were. Return: 0 or -EPROTO. */
static int load_queues(struct virtio_mmio *m, const uint8_t *head)
{
	struct virtio_dev *dev = m->dev;
	int r = virtio_mmio_start_queues(m);

	for (unsigned int i = 0; i < dev->queue_count && !r; i++) {
		const uint8_t *q = head + STATE_HEAD + (size_t)STATE_QUEUE * i;

		if (dev->queues[i].ready)
			r = virtq_resume(&dev->queues[i], le16_load(q + 32), le16_load(q + 34),
				le16_load(q + 36));
	}
	return r;
}

/* As after virtio_mmio_init(). */
static void unload(struct virtio_mmio *m)
{
	pthread_mutex_lock(&m->lock);
	m->dev->driver_features = 0;
	m->status = m->device_features_sel = m->driver_features_sel = m->queue_sel = 0;
	m->driver_features = 0;
	for (unsigned int i = 0; i < m->dev->queue_count; i++) {
		struct virtio_mmio_queue *mq = &m->queues[i];

		virtq_stop(&m->dev->queues[i]);
		mq->size = mq->ready = 0;
		mq->desc_gpa = mq->avail_gpa = mq->used_gpa = 0;
	}
	pthread_mutex_unlock(&m->lock);
}

/* The device goes on. */
static void load_activate(struct virtio_mmio *m)
{
	if (m->dev->ops->activate(m->dev) < 0) {
		virtio_dev_broken(m->dev, "activation");
		return;
	}
	m->running = true;
	/* A kick may have been on its way. */
	for (unsigned int i = 0; i < m->dev->queue_count; i++)
		eventfd_write(m->queues[i].kick_fd, 1);
}

int virtio_mmio_load(struct virtio_mmio *m, const void *data, size_t len)
{
	struct virtio_dev *dev = m->dev;
	const uint8_t *head = data, *device;
	bool live, broken;
	int r = 0;

	if (m->status || m->running)
		return -EINVAL;
	if (!state_possible(m, head, len))
		return -EINVAL;
	device = head + STATE_HEAD + (size_t)STATE_QUEUE * dev->queue_count;
	live = le32_load(head + 12) & VIRTIO_CONFIG_S_DRIVER_OK;
	broken = le32_load(head + 40);
	pthread_mutex_lock(&m->lock);
	load_registers(m, head);
	if (live) {
		dev->driver_features = m->driver_features;
		/* A broken device touches no queue, so bad ones don't matter. */
		if (!broken)
			r = load_queues(m, head);
	}
	pthread_mutex_unlock(&m->lock);
	/* Without the mutex: the device may change its config space. */
	if (!r && dev->ops->load)
		r = dev->ops->load(dev, device, le32_load(head + 44));
	if (r < 0) {
		unload(m);
		return r == -ENOMEM ? r : -EINVAL;
	}
	atomic_store(&m->generation, le16_load(head + 38));
	atomic_store(&m->interrupt, le16_load(head + 36));
	atomic_store(&m->driver_ok, live);
	atomic_store(&dev->broken, broken);
	if (live && !broken)
		load_activate(m);
	if (le16_load(head + 36))
		irq_raise(m->irq);
	return 0;
}
