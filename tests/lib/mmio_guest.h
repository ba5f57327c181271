// SPDX-License-Identifier: Apache-2.0
// A device of the test's own behind virtio-mmio: the test is the driver and the vCPU thread, a
// second thread runs the loop; for one test program.
#pragma once

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/loop.h"
#include "devices/irq.h"
#include "devices/virtio.h"
#include "devices/virtio_mmio.h"
#include "devices/virtqueue.h"
#include "tests/lib/fake_driver.h"

#include <check.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define ACK VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED VIRTIO_CONFIG_S_FAILED
#define PROBE_FEATURE (UINT64_C(1) << 3)
#define QUEUES 2
#define V1 (UINT64_C(1) << VIRTIO_F_VERSION_1)

/* A device that counts, and echoes: each chain is pushed as it is. */
struct probe {
	struct virtio_dev dev;
	struct virtq queues[QUEUES];
	int activated, resets, quiesced;
	int activate_error;
	atomic_int notified[QUEUES];
	uint8_t config[8];
	uint64_t features_seen;
	uint16_t size_seen;
	uint8_t saved; /* the device's own state, a byte */
	int load_error;
};

static struct probe probe;
static struct virtio_mmio m;
static struct loop loop;
static struct irq irq;
static struct fake_driver f;
static pthread_t loop_thread;

static inline int probe_activate(struct virtio_dev *dev)
{
	struct probe *p = container_of(dev, struct probe, dev);

	p->activated++;
	p->features_seen = dev->driver_features;
	p->size_seen = p->queues[0].ready ? p->queues[0].size : 0;
	return p->activate_error;
}

static inline void probe_notify(struct virtio_dev *dev, unsigned int queue)
{
	struct probe *p = container_of(dev, struct probe, dev);
	static struct virtq_chain chain;
	int r;

	while ((r = virtq_pop(&p->queues[queue], &chain)) == 1)
		virtq_push(&p->queues[queue], chain.head, 0);
	atomic_fetch_add(&p->notified[queue], 1);
	if (r < 0)
		virtio_dev_broken(dev, "bad ring");
	virtio_dev_signal(dev, queue);
}

static inline void probe_reset(struct virtio_dev *dev)
{
	container_of(dev, struct probe, dev)->resets++;
}

static inline void probe_read_config(
	struct virtio_dev *dev, unsigned int offset, void *data, unsigned int len)
{
	struct probe *p = container_of(dev, struct probe, dev);

	virtio_config_copy(p->config, sizeof(p->config), offset, data, len);
}

static inline void probe_write_config(
	struct virtio_dev *dev, unsigned int offset, const void *data, unsigned int len)
{
	struct probe *p = container_of(dev, struct probe, dev);

	if (offset < sizeof(p->config) && len <= sizeof(p->config) - offset)
		memcpy(p->config + offset, data, len);
}

static inline void probe_quiesce(struct virtio_dev *dev)
{
	struct probe *p = container_of(dev, struct probe, dev);

	p->quiesced++;
	probe_notify(dev, 0);
}

static inline int probe_save(struct virtio_dev *dev, struct buf *out)
{
	return buf_add(out, &container_of(dev, struct probe, dev)->saved, 1);
}

static inline int probe_load(struct virtio_dev *dev, const void *data, size_t len)
{
	struct probe *p = container_of(dev, struct probe, dev);

	if (p->load_error || len != 1)
		return p->load_error ? p->load_error : -EINVAL;
	memcpy(&p->saved, data, 1);
	return 0;
}

static const struct virtio_dev_ops probe_ops = {
	.name = "probe",
	.activate = probe_activate,
	.notify = probe_notify,
	.reset = probe_reset,
	.read_config = probe_read_config,
	.write_config = probe_write_config,
	.quiesce = probe_quiesce,
	.save = probe_save,
	.load = probe_load,
};

static inline void *loop_main(void *arg)
{
	loop_run(&loop);
	return NULL;
}

static inline void quit(void *arg)
{
	loop_quit(&loop);
}

static inline void setup(void)
{
	fake_driver_init(&f);
	memset(&probe, 0, sizeof(probe));
	probe.dev = (struct virtio_dev){.ops = &probe_ops,
		.id = 99,
		.features = PROBE_FEATURE,
		.queues = probe.queues,
		.queue_count = QUEUES};
	probe.queues[0].size_max = 8;
	probe.queues[1].size_max = 4;
	memcpy(probe.config, "\1\2\3\4\5\6\7\10", 8);
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(irq_init(&irq), 0);
	ck_assert_int_eq(virtio_mmio_init(&m, &probe.dev, &f.mem, &loop, &irq), 0);
	pthread_create(&loop_thread, NULL, loop_main, NULL);
}

static inline void stop_loop(void)
{
	loop_call(&loop, quit, NULL);
	pthread_join(loop_thread, NULL);
}

/* What is left when the loop has stopped and the device is gone. */
static inline void end_host(void)
{
	irq_fini(&irq);
	loop_fini(&loop);
	fake_driver_fini(&f);
}

static inline void teardown(void)
{
	stop_loop();
	virtio_mmio_fini(&m);
	end_host();
}

static inline uint32_t rd(uint64_t offset)
{
	uint32_t value = 0xffffffff;

	virtio_mmio_bus_ops.read(&m, offset, &value, 4);
	return value;
}

static inline void wr(uint64_t offset, uint32_t value)
{
	virtio_mmio_bus_ops.write(&m, offset, &value, 4);
}

static inline void status(uint32_t bits)
{
	wr(VIRTIO_MMIO_STATUS, bits);
}

static inline void accept_features(uint64_t features)
{
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	wr(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	wr(VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

static inline void queue_address(uint64_t reg, uint64_t gpa)
{
	wr(reg, (uint32_t)gpa);
	wr(reg + 4, (uint32_t)(gpa >> 32));
}

static inline void setup_queue(unsigned int i, uint16_t size)
{
	struct fake_queue *fq = &f.queues[i];

	fake_queue_init(&f, fq, size);
	wr(VIRTIO_MMIO_QUEUE_SEL, i);
	wr(VIRTIO_MMIO_QUEUE_NUM, size);
	queue_address(VIRTIO_MMIO_QUEUE_DESC_LOW, fq->desc_gpa);
	queue_address(VIRTIO_MMIO_QUEUE_AVAIL_LOW, fq->avail_gpa);
	queue_address(VIRTIO_MMIO_QUEUE_USED_LOW, fq->used_gpa);
	wr(VIRTIO_MMIO_QUEUE_READY, 1);
}

/* All that a driver does before DRIVER_OK. */
static inline void prepare(void)
{
	status(ACK);
	status(ACK | DRIVER);
	accept_features(V1 | PROBE_FEATURE);
	status(ACK | DRIVER | FEATURES_OK);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), ACK | DRIVER | FEATURES_OK);
	setup_queue(0, 8);
	setup_queue(1, 4);
}

static inline void go(void)
{
	prepare();
	status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_uint_eq(rd(VIRTIO_MMIO_STATUS), ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	ck_assert_int_eq(probe.activated, 1);
}

/* Let the loop do all that was rung before. */
static inline void nothing(void *arg)
{
}

static inline void sync_loop(void)
{
	/* A kick may come up in the round after that of the call. */
	for (int i = 0; i < 3; i++)
		loop_call(&loop, nothing, NULL);
}

static inline bool interrupted(void)
{
	struct pollfd pfd = {.fd = irq.fd, .events = POLLIN};
	uint64_t count;

	if (poll(&pfd, 1, 0) != 1)
		return false;
	return read(irq.fd, &count, sizeof(count)) == sizeof(count);
}
