// SPDX-License-Identifier: Apache-2.0
// The virtio-mmio transport, version 2: one slot of registers for one device.
#pragma once

#include "base/loop.h"
#include "devices/bus.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * The status register drives everything; bits are only ever added, until 0 resets:
 *
 *     0 -> ACKNOWLEDGE -> DRIVER -> FEATURES_OK -> DRIVER_OK
 *     |        feature words: written before      |  running: queue and
 *     |        FEATURES_OK, queues before         |  feature writes ignored
 *     |        DRIVER_OK                          |
 *     +<------------------ write 0 (any time) ----+
 *
 * FEATURES_OK stays clear, which tells the driver no, if it accepted a feature that wasn't offered
 * or left out VERSION_1. NEEDS_RESET shows while the device is broken.
 *
 * vCPU threads touch only the registers here, under the slot's mutex. Queue addresses live in this
 * struct and are copied into the device's queues by the loop at DRIVER_OK, so a vCPU never touches
 * a queue. Setting DRIVER_OK and writing 0 change the device: the vCPU hands them to the loop and
 * waits, holding no mutex, because the loop takes it to change the registers.
 *
 * Kicks are eventfds, one a queue. The monitor binds them to QUEUE_NOTIFY by ioeventfd, so a kick
 * doesn't leave the kernel on its way to the loop; a write that does arrive here rings the same
 * eventfd. They are watched for edges and never read, which spares a system call a kick. Interrupts
 * are edges on an eventfd; the status bits behind it are atomic.
 *
 * The config space changes only under the mutex (virtio_dev_change_config()), with the generation.
 * A driver gets no interrupt of either kind before it has set DRIVER_OK.
 *
 * Spec: virtio 1.2 4.2
 */

struct guest_mem;
struct irq;
struct virtio_dev;

/* Bytes of address space of a slot. */
#define VIRTIO_MMIO_SIZE 0x1000
/* Most queues of a device behind this transport: one a vCPU is the most that pays, and each is an
 * eventfd, an ioeventfd and a place in the loop. */
#define VIRTIO_MMIO_QUEUES_MAX 64

struct buf;
struct virtio_mmio;

/*
 * struct virtio_mmio_queue - a queue's registers and its kick
 * @kick:	loop source on the eventfd, which it owns here
 */
struct virtio_mmio_queue {
	struct virtio_mmio *mmio;
	struct loop_source kick;
	int kick_fd;

	uint32_t size;
	uint32_t ready;
	uint64_t desc_gpa;
	uint64_t avail_gpa;
	uint64_t used_gpa;
};

/*
 * struct virtio_mmio - one slot, embedded in the monitor's device table
 * @lock:	guards the registers below it and those of the queues
 * @status:	as the driver wrote it; NEEDS_RESET is added when read
 * @interrupt, @generation: atomic, since the loop sets what a vCPU reads and clears
 * @running:	loop only: between activate and reset
 * @driver_ok:	the same bit of status, for those who don't hold the mutex
 * @queues:	dev->queue_count of them, owned
 */
struct virtio_mmio {
	struct virtio_dev *dev;
	const struct guest_mem *mem;
	struct loop *loop;
	const struct irq *irq;
	bool running;

	atomic_uint interrupt;
	atomic_uint generation;
	atomic_bool driver_ok;

	pthread_mutex_t lock;
	uint32_t status;
	uint32_t device_features_sel;
	uint32_t driver_features_sel;
	uint64_t driver_features;
	uint32_t queue_sel;
	struct virtio_mmio_queue *queues;
};

/*
 * virtio_mmio_init() - put @dev behind a slot and watch its kicks
 * @m:		stays in place until virtio_mmio_fini()
 * @dev:	not owned; at most VIRTIO_MMIO_QUEUES_MAX queues
 * @mem, @loop, @irq: not owned, outlive the slot
 *
 * Return: 0 or -errno (then nothing is left to free). Context: loop, or before it runs.
 */
int virtio_mmio_init(struct virtio_mmio *m, struct virtio_dev *dev, const struct guest_mem *mem,
	struct loop *loop, const struct irq *irq);

/*
 * virtio_mmio_fini() - quiesce and reset the device, free the slot
 *
 * Quiescing takes what the guest had sent before its end. Context: loop, vCPUs stopped.
 */
void virtio_mmio_fini(struct virtio_mmio *m);

/*
 * virtio_mmio_pause() - quiesce the device and hold its queues: guest memory is still from here on
 *
 * Host events and timers may go on to call the device; it finds its queues empty. The config space
 * may still change.
 *
 * virtio_mmio_resume() - let the queues go and serve each once, which also starts again the timers
 *	that quiescing has stopped. Also without a pause before it
 *
 * Context: loop, vCPUs stopped.
 */
void virtio_mmio_pause(struct virtio_mmio *m);
void virtio_mmio_resume(struct virtio_mmio *m);

/*
 * virtio_mmio_queue_fd() - the eventfd that kicks queue @queue
 * @queue:	below dev->queue_count
 *
 * To be bound to a 4-byte write of value @queue at the slot's base + VIRTIO_MMIO_QUEUE_NOTIFY.
 *
 * Return: the descriptor, owned by the slot.
 */
int virtio_mmio_queue_fd(const struct virtio_mmio *m, unsigned int queue);

/*
 * virtio_mmio_save() - append the slot's state to @out: registers, queues, device
 *
 * Quiesces the device first. After virtio_mmio_pause() guest memory stays as this state has it; the
 * device goes on with virtio_mmio_resume(). A reader finds the end of the state by itself only
 * through the length that @out grew by.
 *
 * Return: 0 or -errno; then @out may hold a part. Context: loop, vCPUs stopped.
 */
int virtio_mmio_save(struct virtio_mmio *m, struct buf *out);

/*
 * virtio_mmio_load() - take a saved state back
 * @m:		as virtio_mmio_init() left it, guest memory filled already
 * @data, @len:	all that virtio_mmio_save() appended; untrusted
 *
 * Starts the queues where they were and activates the device if it was active. Every queue is
 * served once, when the loop runs, and an interrupt that the driver may not have seen is raised
 * again, so interrupt controllers are to be loaded before.
 *
 * Return: 0; -EINVAL if it makes no sense for this device and this memory, -ENOMEM: nothing has
 * changed then. Context: loop, or before it runs; vCPUs stopped.
 */
int virtio_mmio_load(struct virtio_mmio *m, const void *data, size_t len);

/*
 * For virtio_mmio_state.c: start what is ready with the features in dev->driver_features, after a
 * failure too little may run. Return: 0 or -EPROTO. Context: loop, with the mutex.
 */
int virtio_mmio_start_queues(struct virtio_mmio *m);
/* Does the device accept these features of the driver's? */
bool virtio_mmio_features_acceptable(const struct virtio_mmio *m, uint64_t features);

/* For bus_add() with the struct virtio_mmio as its device, VIRTIO_MMIO_SIZE bytes. */
extern const struct bus_ops virtio_mmio_bus_ops;
