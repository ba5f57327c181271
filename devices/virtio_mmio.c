// SPDX-License-Identifier: Apache-2.0
// The virtio-mmio transport, version 2.
#include "devices/virtio_mmio.h"

#include "base/cleanup.h"
#include "devices/irq.h"
#include "devices/virtio.h"
#include "devices/virtqueue.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* syscalls: loop: close; vcpu, loop: write; start: eventfd2 */

#define MMIO_MAGIC 0x74726976 /* "virt" */
#define MMIO_VERSION 2
#define MMIO_VENDOR 0x4c4c5548 /* "HULL" */
#define MMIO_NO_SHM 0xffffffff /* the length of a shared memory region that doesn't exist */

static void mmio_interrupt(struct virtio_mmio *m, unsigned int bit)
{
	/* The bit first: who sees the edge finds it. Partner: the driver's read of the status. */
	atomic_fetch_or(&m->interrupt, bit);
	irq_raise(m->irq);
}

static void mmio_signal_queue(struct virtio_dev *dev, unsigned int queue)
{
	mmio_interrupt(dev->transport_data, VIRTIO_MMIO_INT_VRING);
}

static void mmio_signal_config(struct virtio_dev *dev)
{
	struct virtio_mmio *m = dev->transport_data;

	atomic_fetch_add(&m->generation, 1);
	if (atomic_load(&m->driver_ok))
		mmio_interrupt(m, VIRTIO_MMIO_INT_CONFIG);
}

static void mmio_change_config(struct virtio_dev *dev, void *dst, const void *src, size_t len)
{
	struct virtio_mmio *m = dev->transport_data;

	pthread_mutex_lock(&m->lock);
	memcpy(dst, src, len);
	pthread_mutex_unlock(&m->lock);
	mmio_signal_config(dev);
}

static void mmio_ring(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0) {
		/* The counter is full, so the loop has been rung already. */
	}
}

static void mmio_notify_later(struct virtio_dev *dev, unsigned int queue)
{
	struct virtio_mmio *m = dev->transport_data;

	mmio_ring(m->queues[queue].kick_fd);
}

static const struct virtio_transport_ops mmio_transport_ops = {
	.signal_queue = mmio_signal_queue,
	.signal_config = mmio_signal_config,
	.change_config = mmio_change_config,
	.notify_later = mmio_notify_later,
};

static void mmio_on_kick(struct loop_source *src, uint32_t events)
{
	struct virtio_mmio_queue *mq = container_of(src, struct virtio_mmio_queue, kick);
	struct virtio_mmio *m = mq->mmio;

	if (m->running && !atomic_load(&m->dev->broken))
		m->dev->ops->notify(m->dev, (unsigned int)(mq - m->queues));
}

/* Back to the state after power-on. Context: loop. */
static void mmio_reset(void *arg)
{
	struct virtio_mmio *m = arg;
	struct virtio_dev *dev = m->dev;

	m->running = false;
	dev->ops->reset(dev);
	for (unsigned int i = 0; i < dev->queue_count; i++)
		virtq_stop(&dev->queues[i]);
	dev->driver_features = 0;
	pthread_mutex_lock(&m->lock);
	m->status = 0;
	m->device_features_sel = m->driver_features_sel = 0;
	m->driver_features = 0;
	m->queue_sel = 0;
	for (unsigned int i = 0; i < dev->queue_count; i++) {
		struct virtio_mmio_queue *mq = &m->queues[i];

		mq->size = mq->ready = 0;
		mq->desc_gpa = mq->avail_gpa = mq->used_gpa = 0;
	}
	atomic_store(&dev->broken, false);
	atomic_store(&m->driver_ok, false);
	atomic_store(&m->interrupt, 0);
	pthread_mutex_unlock(&m->lock);
}

int virtio_mmio_start_queues(struct virtio_mmio *m)
{
	struct virtio_dev *dev = m->dev;
	int r = 0;

	for (unsigned int i = 0; i < dev->queue_count && !r; i++) {
		const struct virtio_mmio_queue *mq = &m->queues[i];
		struct virtq *q = &dev->queues[i];

		if (!mq->ready)
			continue;
		/* A size beyond 16 bits is beyond size_max too. */
		q->size = mq->size > UINT16_MAX ? 0 : (uint16_t)mq->size;
		q->desc_gpa = mq->desc_gpa;
		q->avail_gpa = mq->avail_gpa;
		q->used_gpa = mq->used_gpa;
		r = virtq_start(q, m->mem, dev->driver_features);
	}
	return r;
}

/* The driver set DRIVER_OK. Context: loop. */
static void mmio_activate(void *arg)
{
	struct virtio_mmio *m = arg;
	struct virtio_dev *dev = m->dev;
	int r;

	pthread_mutex_lock(&m->lock);
	/* Another vCPU may have been faster, with the same or with a reset. */
	if (!(m->status & VIRTIO_CONFIG_S_FEATURES_OK) || (m->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
		pthread_mutex_unlock(&m->lock);
		return;
	}
	/* From here on the queue registers are frozen. */
	m->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	atomic_store(&m->driver_ok, true);
	dev->driver_features = m->driver_features;
	r = virtio_mmio_start_queues(m);
	pthread_mutex_unlock(&m->lock);
	if (r < 0) {
		virtio_dev_broken(dev, "queue size or address");
		return;
	}
	r = dev->ops->activate(dev);
	if (r < 0) {
		virtio_dev_broken(dev, "activation");
		return;
	}
	m->running = true;
}

static uint64_t mmio_features(const struct virtio_mmio *m)
{
	return m->dev->features | UINT64_C(1) << VIRTIO_F_VERSION_1;
}

bool virtio_mmio_features_acceptable(const struct virtio_mmio *m, uint64_t features)
{
	return !(features & ~mmio_features(m)) && features >> VIRTIO_F_VERSION_1 & 1;
}

static void mmio_write_status(struct virtio_mmio *m, uint32_t value)
{
	void (*change)(void *) = NULL;

	pthread_mutex_lock(&m->lock);
	if (!value) {
		if (m->status)
			change = mmio_reset;
	} else {
		/* Each step only on top of the one before; a driver may write several at once. */
		m->status |= value & (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_FAILED);
		if (m->status & VIRTIO_CONFIG_S_ACKNOWLEDGE)
			m->status |= value & VIRTIO_CONFIG_S_DRIVER;
		if ((m->status & VIRTIO_CONFIG_S_DRIVER) &&
			virtio_mmio_features_acceptable(m, m->driver_features))
			m->status |= value & VIRTIO_CONFIG_S_FEATURES_OK;
		if ((value & VIRTIO_CONFIG_S_DRIVER_OK) &&
			(m->status & VIRTIO_CONFIG_S_FEATURES_OK) &&
			!(m->status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)))
			change = mmio_activate;
	}
	pthread_mutex_unlock(&m->lock);
	/* Refused only when the VM is ending. */
	if (change)
		loop_call(m->loop, change, m);
}

/* The registers of the selected queue, or NULL if there is no such queue. */
static struct virtio_mmio_queue *mmio_selected(struct virtio_mmio *m)
{
	return m->queue_sel < m->dev->queue_count ? &m->queues[m->queue_sel] : NULL;
}

static uint32_t mmio_read_queue_reg(struct virtio_mmio *m, uint64_t offset)
{
	const struct virtio_mmio_queue *mq = mmio_selected(m);

	if (!mq)
		return 0;
	return offset == VIRTIO_MMIO_QUEUE_NUM_MAX ? m->dev->queues[m->queue_sel].size_max
						   : mq->ready;
}

static uint32_t mmio_read_reg(struct virtio_mmio *m, uint64_t offset)
{
	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MMIO_MAGIC;
	case VIRTIO_MMIO_VERSION:
		return MMIO_VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return m->dev->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return MMIO_VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		if (m->device_features_sel > 1)
			return 0;
		return (uint32_t)(mmio_features(m) >> 32 * m->device_features_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
	case VIRTIO_MMIO_QUEUE_READY:
		return mmio_read_queue_reg(m, offset);
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return atomic_load(&m->interrupt);
	case VIRTIO_MMIO_STATUS:
		return m->status | (atomic_load(&m->dev->broken) ? VIRTIO_CONFIG_S_NEEDS_RESET : 0);
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return MMIO_NO_SHM;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return atomic_load(&m->generation);
	default:
		return 0;
	}
}

static uint64_t set_low(uint64_t old, uint32_t value)
{
	return (old & ~(uint64_t)UINT32_MAX) | value;
}

static uint64_t set_high(uint64_t old, uint32_t value)
{
	return (old & UINT32_MAX) | (uint64_t)value << 32;
}

/* Queue registers change only between FEATURES_OK and DRIVER_OK, and while the queue isn't ready */
static void mmio_write_queue_reg(struct virtio_mmio *m, uint64_t offset, uint32_t value)
{
	struct virtio_mmio_queue *mq = mmio_selected(m);

	if (!mq || !(m->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
		(m->status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)))
		return;
	if (offset == VIRTIO_MMIO_QUEUE_READY) {
		mq->ready = value & 1;
		return;
	}
	if (mq->ready)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		mq->size = value;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		mq->desc_gpa = set_low(mq->desc_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		mq->desc_gpa = set_high(mq->desc_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		mq->avail_gpa = set_low(mq->avail_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		mq->avail_gpa = set_high(mq->avail_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		mq->used_gpa = set_low(mq->used_gpa, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		mq->used_gpa = set_high(mq->used_gpa, value);
		break;
	default:
		break;
	}
}

static void mmio_write_driver_features(struct virtio_mmio *m, uint32_t value)
{
	if (!(m->status & VIRTIO_CONFIG_S_DRIVER) || (m->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	if (m->driver_features_sel == 0)
		m->driver_features = set_low(m->driver_features, value);
	else if (m->driver_features_sel == 1)
		m->driver_features = set_high(m->driver_features, value);
}

/* Called with the mutex held, for all registers that are only stored. */
static void mmio_write_reg(struct virtio_mmio *m, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		m->device_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		m->driver_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		mmio_write_driver_features(m, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		m->queue_sel = value;
		break;
	default:
		mmio_write_queue_reg(m, offset, value);
		break;
	}
}

static void mmio_bus_read(void *opaque, uint64_t offset, void *data, unsigned int len)
{
	struct virtio_mmio *m = opaque;
	uint32_t value;

	memset(data, 0, len);
	pthread_mutex_lock(&m->lock);
	if (offset >= VIRTIO_MMIO_CONFIG) {
		m->dev->ops->read_config(
			m->dev, (unsigned int)(offset - VIRTIO_MMIO_CONFIG), data, len);
	} else if (len == 4 && offset % 4 == 0) {
		value = mmio_read_reg(m, offset);
		memcpy(data, &value, sizeof(value));
	}
	pthread_mutex_unlock(&m->lock);
}

static void mmio_bus_write(void *opaque, uint64_t offset, const void *data, unsigned int len)
{
	struct virtio_mmio *m = opaque;
	uint32_t value;

	if (offset >= VIRTIO_MMIO_CONFIG) {
		if (!m->dev->ops->write_config)
			return;
		pthread_mutex_lock(&m->lock);
		m->dev->ops->write_config(
			m->dev, (unsigned int)(offset - VIRTIO_MMIO_CONFIG), data, len);
		pthread_mutex_unlock(&m->lock);
		return;
	}
	if (len != 4 || offset % 4)
		return;
	memcpy(&value, data, sizeof(value));
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		if (value < m->dev->queue_count)
			mmio_ring(m->queues[value].kick_fd);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		atomic_fetch_and(&m->interrupt, ~value);
		break;
	case VIRTIO_MMIO_STATUS:
		mmio_write_status(m, value);
		break;
	default:
		pthread_mutex_lock(&m->lock);
		mmio_write_reg(m, offset, value);
		pthread_mutex_unlock(&m->lock);
		break;
	}
}

const struct bus_ops virtio_mmio_bus_ops = {
	.read = mmio_bus_read,
	.write = mmio_bus_write,
};

static void mmio_free_queues(struct virtio_mmio *m)
{
	for (unsigned int i = 0; i < m->dev->queue_count; i++) {
		loop_del(m->loop, &m->queues[i].kick);
		if (m->queues[i].kick_fd >= 0)
			close(m->queues[i].kick_fd);
	}
	free(m->queues);
	m->queues = NULL;
}

int virtio_mmio_init(struct virtio_mmio *m, struct virtio_dev *dev, const struct guest_mem *mem,
	struct loop *loop, const struct irq *irq)
{
	int r = 0;

	if (dev->queue_count > VIRTIO_MMIO_QUEUES_MAX)
		return -EINVAL;
	*m = (struct virtio_mmio){.dev = dev, .mem = mem, .loop = loop, .irq = irq};
	m->queues = calloc(dev->queue_count, sizeof(*m->queues));
	if (!m->queues)
		return -ENOMEM;
	for (unsigned int i = 0; i < dev->queue_count; i++) {
		m->queues[i].mmio = m;
		m->queues[i].kick_fd = -1;
	}
	for (unsigned int i = 0; i < dev->queue_count && !r; i++) {
		struct virtio_mmio_queue *mq = &m->queues[i];

		mq->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (mq->kick_fd < 0)
			r = -errno;
		else
			r = loop_add(loop, &mq->kick, mq->kick_fd, EPOLLIN | EPOLLET, mmio_on_kick);
	}
	if (r < 0) {
		mmio_free_queues(m);
		return r;
	}
	pthread_mutex_init(&m->lock, NULL);
	dev->transport = &mmio_transport_ops;
	dev->transport_data = m;
	return 0;
}

void virtio_mmio_fini(struct virtio_mmio *m)
{
	/* A guest may power off right behind its last kick: what it sent still counts. */
	if (m->running && !atomic_load(&m->dev->broken))
		m->dev->ops->quiesce(m->dev);
	mmio_reset(m);
	mmio_free_queues(m);
	pthread_mutex_destroy(&m->lock);
	m->dev->transport = NULL;
	m->dev->transport_data = NULL;
}

void virtio_mmio_pause(struct virtio_mmio *m)
{
	if (!m->running || atomic_load(&m->dev->broken))
		return;
	m->dev->ops->quiesce(m->dev);
	for (unsigned int i = 0; i < m->dev->queue_count; i++)
		m->dev->queues[i].held = true;
}

void virtio_mmio_resume(struct virtio_mmio *m)
{
	for (unsigned int i = 0; i < m->dev->queue_count; i++) {
		m->dev->queues[i].held = false;
		if (m->running)
			mmio_ring(m->queues[i].kick_fd);
	}
}

int virtio_mmio_queue_fd(const struct virtio_mmio *m, unsigned int queue)
{
	return m->queues[queue].kick_fd;
}
