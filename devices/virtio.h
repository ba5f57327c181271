// SPDX-License-Identifier: Apache-2.0
// A virtio device, apart from how the guest reaches it.
#pragma once

#include "base/log.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 *     vCPU thread                      loop thread
 *     register access --> transport --(loop_call)--> activate, reset
 *     kick (ioeventfd) ----------------------------> notify
 *     interrupt <------- transport <---------------- signal_queue, signal_config
 *
 * A device is one struct with struct virtio_dev first. It names its queues, features and ops; the
 * transport (virtio_mmio.h) keeps registers and status. A device never sees its transport but for
 * the two signals, and never sees a queue address: queues are started before activate.
 *
 *     new --activate--> running --reset--> new ...--free-->
 *                          |
 *                          +--virtio_dev_broken()--> waits for reset, touches no queue
 */

struct buf;
struct guest_mem;
struct virtio_dev;
struct virtq;

/*
 * struct virtio_dev_ops - what a device implements
 * @name:	for log lines
 * @activate:	the driver is ready: features and queues are final. A queue may be absent
 *		(ready is false); 0, or -EPROTO if the device can't work so
 * @notify:	the driver kicked @queue, below queue_count; there may be nothing in it. Not called
 *		while broken, nor before activate
 * @reset:	stop; afterwards no queue, no guest memory and no callback of this run is touched.
 *		The queues are still as they were; the transport stops them next. Harmless when not
 *		active
 * @read_config: fill @len bytes (1, 2, 4 or 8) at @offset of the config space; beyond its
 *		end: zeroes
 * @write_config: NULL if the config space is read-only
 * @quiesce:	finish or put back what is in flight, so that the queues hold all state; take what
 *		the guest has sent if it can be passed on at once. Only while active, not broken
 * @save:	append to @out what load needs: the state that is neither in the queues nor in the
 *		transport's registers. After quiesce; NULL if there is none. 0 or -errno
 * @load:	take back what save wrote, perhaps in another process: untrusted. While not active;
 *		activate follows if the device was active when saved. 0, or -EINVAL if it makes no
 *		sense, and then nothing is changed
 * @free:	destroy it, its backend included; it has been reset before
 *
 * Context: loop, but for read_config and write_config: a vCPU thread under the slot's mutex, so
 * that they may touch only bytes that the loop doesn't change.
 */
struct virtio_dev_ops {
	const char *name;
	int (*activate)(struct virtio_dev *dev);
	void (*notify)(struct virtio_dev *dev, unsigned int queue);
	void (*reset)(struct virtio_dev *dev);
	void (*read_config)(
		struct virtio_dev *dev, unsigned int offset, void *data, unsigned int len);
	void (*write_config)(
		struct virtio_dev *dev, unsigned int offset, const void *data, unsigned int len);
	void (*quiesce)(struct virtio_dev *dev);
	int (*save)(struct virtio_dev *dev, struct buf *out);
	int (*load)(struct virtio_dev *dev, const void *data, size_t len);
	void (*free)(struct virtio_dev *dev);
};

/*
 * struct virtio_transport_ops - what a device may ask of its transport
 * @signal_queue: used buffers are there (the device has asked virtq_should_signal())
 * @signal_config: NEEDS_RESET changed
 * @change_config: copy @len bytes to @dst in the device's copy of the config space, where no vCPU
 *		reads meanwhile, and tell the driver; devices call virtio_dev_change_config()
 * @notify_later: call notify for @queue again once other sources have had their turn; how a device
 *		bounds the work of one notify
 *
 * Context: any thread.
 */
struct virtio_transport_ops {
	void (*signal_queue)(struct virtio_dev *dev, unsigned int queue);
	void (*signal_config)(struct virtio_dev *dev);
	void (*change_config)(struct virtio_dev *dev, void *dst, const void *src, size_t len);
	void (*notify_later)(struct virtio_dev *dev, unsigned int queue);
};

/*
 * struct virtio_dev - the common part
 * @ops, @id, @features, @queues, @queue_count: set by the device's constructor, then constant;
 *		@id is a VIRTIO_ID_; @queues is the device's own array, each with its size_max
 * @driver_features: what the driver accepted, a subset of features; valid from activate to reset
 * @transport, @transport_data: set by the transport
 * @broken:	set by virtio_dev_broken(), cleared by the transport's reset; any thread may read it
 * @counters:	what the device has counted since it was made, by an enum in its header; the loop's.
 *		NULL if it counts nothing
 * @signals:	interrupts for its queues
 */
struct virtio_dev {
	const struct virtio_dev_ops *ops;
	uint32_t id;
	uint64_t features;
	struct virtq *queues;
	unsigned int queue_count;

	uint64_t driver_features;
	const struct virtio_transport_ops *transport;
	void *transport_data;
	atomic_bool broken;
	struct log_limit log_limit;
	const uint64_t *counters;
	uint64_t signals;
};

/*
 * virtio_dev_broken() - the driver broke the rules: this device rests until it is reset
 * @why:	literal, for the log line
 *
 * Sets NEEDS_RESET and raises a config interrupt; nothing happens the second time.
 *
 * Context: loop. Spec: virtio 1.2 2.1.2
 */
void virtio_dev_broken(struct virtio_dev *dev, const char *why);

/*
 * virtio_dev_change_config() - change what read_config gives
 * @dst:	in the device: bytes that only read_config and this function touch from now on
 * @src, @len:	the new value of all fields that belong together
 *
 * A vCPU sees the old value or the new one, the config generation changes with it, and a driver
 * that is up gets a config interrupt. Also before the device has a transport.
 *
 * Context: loop. Spec: virtio 1.2 2.5.1
 */
void virtio_dev_change_config(struct virtio_dev *dev, void *dst, const void *src, size_t len);

/* virtio_dev_signal() - interrupt the driver for @queue if it wants to be. Context: loop. */
void virtio_dev_signal(struct virtio_dev *dev, unsigned int queue);

/*
 * virtio_config_copy() - read_config for a device whose config space is a struct
 * @config, @size:	the struct; bytes beyond it read as zero
 * @offset, @data, @len: as read_config
 */
void virtio_config_copy(
	const void *config, unsigned int size, unsigned int offset, void *data, unsigned int len);

static inline bool virtio_dev_has(const struct virtio_dev *dev, unsigned int feature)
{
	return dev->driver_features >> feature & 1;
}
