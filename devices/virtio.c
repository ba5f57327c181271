// SPDX-License-Identifier: Apache-2.0
// What all virtio devices share.
#include "devices/virtio.h"

#include "devices/virtqueue.h"

#include <string.h>

void virtio_dev_broken(struct virtio_dev *dev, const char *why)
{
	if (atomic_exchange(&dev->broken, true))
		return;
	if (log_limit_pass(&dev->log_limit))
		log_warn("%s: guest driver error: %s; device stopped until it is reset",
			dev->ops->name, why);
	dev->transport->signal_config(dev);
}

void virtio_dev_change_config(struct virtio_dev *dev, void *dst, const void *src, size_t len)
{
	if (dev->transport)
		dev->transport->change_config(dev, dst, src, len);
	else
		memcpy(dst, src, len);
}

void virtio_dev_signal(struct virtio_dev *dev, unsigned int queue)
{
	if (!virtq_should_signal(&dev->queues[queue]))
		return;
	dev->signals++;
	dev->transport->signal_queue(dev, queue);
}

void virtio_config_copy(
	const void *config, unsigned int size, unsigned int offset, void *data, unsigned int len)
{
	const uint8_t *bytes = config;

	memset(data, 0, len);
	if (offset < size)
		memcpy(data, bytes + offset, len < size - offset ? len : size - offset);
}
