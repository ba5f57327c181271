// SPDX-License-Identifier: Apache-2.0
// Attacks devices/virtio_mmio.h: a driver that is up, then any register at any width; and saved
// states that are legal but for what the input changes.
#include "devices/virtio_mmio.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "devices/irq.h"
#include "devices/virtio.h"
#include "devices/virtqueue.h"
#include "tests/lib/fake_driver.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The input: one byte, then steps of six bytes
 *
 *     le16 where   bit 15: read; 12-13: width 1, 2, 4, 8; 0-11 offset
 *     le32 value
 *
 * With bit 0 of the first byte the steps change a saved state instead: 4 bytes at where % length
 * become value, but are left alone if bit 15 is set, and the state ends there if bit 14 is.
 */
#define STEPS_MAX 128
#define QUEUES 3
#define SIZE 8
#define LIVE (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

/* A device that echoes. */
struct echo {
	struct virtio_dev dev;
	struct virtq queues[QUEUES];
	uint8_t config[16];
};

static struct echo echo;
static struct virtio_mmio m;
static struct loop loop;
static struct irq irq;
static struct fake_driver f;
static struct buf saved;
static int result;

static int echo_activate(struct virtio_dev *dev)
{
	return dev->queues[0].ready ? 0 : -EPROTO;
}

static void echo_notify(struct virtio_dev *dev, unsigned int queue)
{
	static struct virtq_chain chain;
	int r;

	while ((r = virtq_pop(&dev->queues[queue], &chain)) == 1)
		virtq_push(&dev->queues[queue], chain.head, 0);
	if (r < 0)
		virtio_dev_broken(dev, "bad ring");
	else
		virtio_dev_signal(dev, queue);
}

static void echo_reset(struct virtio_dev *dev)
{
}

static void echo_quiesce(struct virtio_dev *dev)
{
	echo_notify(dev, 0);
}

static void echo_read(struct virtio_dev *dev, unsigned int offset, void *data, unsigned int len)
{
	virtio_config_copy(echo.config, sizeof(echo.config), offset, data, len);
}

static const struct virtio_dev_ops echo_ops = {
	.name = "echo",
	.activate = echo_activate,
	.notify = echo_notify,
	.reset = echo_reset,
	.read_config = echo_read,
	.quiesce = echo_quiesce,
};

static void *loop_main(void *arg)
{
	loop_run(&loop);
	return NULL;
}

static void init(void *arg)
{
	memset(&echo, 0, sizeof(echo));
	echo.dev = (struct virtio_dev){
		.ops = &echo_ops, .id = 99, .queues = echo.queues, .queue_count = QUEUES};
	for (unsigned int i = 0; i < QUEUES; i++)
		echo.queues[i].size_max = SIZE;
	if (virtio_mmio_init(&m, &echo.dev, &f.mem, &loop, &irq) < 0)
		abort();
}

static void fini(void *arg)
{
	virtio_mmio_fini(&m);
}

static void save(void *arg)
{
	saved = BUF_INIT(4096);
	if (virtio_mmio_save(&m, &saved) < 0)
		abort();
}

static void load(void *arg)
{
	result = virtio_mmio_load(&m, saved.data, saved.len);
}

static void wr(uint64_t offset, uint32_t value)
{
	virtio_mmio_bus_ops.write(&m, offset, &value, 4);
}

static uint32_t rd(uint64_t offset)
{
	uint32_t value;

	virtio_mmio_bus_ops.read(&m, offset, &value, 4);
	return value;
}

static void address(uint64_t reg, uint64_t gpa)
{
	wr(reg, (uint32_t)gpa);
	wr(reg + 4, (uint32_t)(gpa >> 32));
}

/* A legal driver. */
static void bring_up(void)
{
	wr(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	wr(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	wr(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	wr(VIRTIO_MMIO_STATUS, LIVE);
	for (unsigned int i = 0; i < QUEUES; i++) {
		fake_queue_init(&f, &f.queues[i], SIZE);
		fake_add(&f.queues[i], &(struct fake_buf){FAKE_RAM_GPA, 16, false}, 1);
		wr(VIRTIO_MMIO_QUEUE_SEL, i);
		wr(VIRTIO_MMIO_QUEUE_NUM, SIZE);
		address(VIRTIO_MMIO_QUEUE_DESC_LOW, f.queues[i].desc_gpa);
		address(VIRTIO_MMIO_QUEUE_AVAIL_LOW, f.queues[i].avail_gpa);
		address(VIRTIO_MMIO_QUEUE_USED_LOW, f.queues[i].used_gpa);
		wr(VIRTIO_MMIO_QUEUE_READY, 1);
	}
	wr(VIRTIO_MMIO_STATUS, LIVE | VIRTIO_CONFIG_S_DRIVER_OK);
	if (rd(VIRTIO_MMIO_STATUS) != (LIVE | VIRTIO_CONFIG_S_DRIVER_OK))
		abort();
}

static void step(uint16_t where, uint32_t value)
{
	unsigned int width = 1U << (where >> 12 & 3);
	uint64_t wide = value * UINT64_C(0x100000001);

	if (where & 0x8000)
		virtio_mmio_bus_ops.read(&m, where & 0xfff, &wide, width);
	else
		virtio_mmio_bus_ops.write(&m, where & 0xfff, &wide, width);
}

static void change_state(uint16_t where, uint32_t value)
{
	size_t at = where & 0x3fff;

	at %= saved.len;
	if (!(where & 0x8000))
		memcpy(saved.data + at, &value, saved.len - at < 4 ? saved.len - at : 4);
	if ((where & 0x4000) && at)
		saved.len = at;
}

/* Load what the input made of a running device's state into a fresh slot. */
static void load_changed(const uint8_t *data, size_t size)
{
	loop_call(&loop, save, NULL);
	loop_call(&loop, fini, NULL);
	loop_call(&loop, init, NULL);
	for (unsigned int i = 0; i < STEPS_MAX && size >= 6; i++, data += 6, size -= 6)
		change_state((uint16_t)(data[0] | data[1] << 8),
			(uint32_t)(data[2] | data[3] << 8 | data[4] << 16) | (uint32_t)data[5]
										     << 24);
	loop_call(&loop, load, NULL);
	/* All or nothing. */
	if (result < 0 && (rd(VIRTIO_MMIO_STATUS) || echo.queues[0].ready))
		abort();
	buf_fini(&saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static pthread_t thread;
	bool states;

	if (!size)
		return 0;
	if (!f.ram) {
		fake_driver_init(&f);
		if (loop_init(&loop) < 0 || irq_init(&irq) < 0 ||
			pthread_create(&thread, NULL, loop_main, NULL))
			abort();
	}
	memset(f.ram, 0, 0x4000);
	f.next_gpa = FAKE_RAM_GPA;
	states = data[0] & 1;
	data++;
	size--;
	loop_call(&loop, init, NULL);
	bring_up();
	if (states)
		load_changed(data, size);
	for (unsigned int i = 0; i < STEPS_MAX && size >= 6; i++, data += 6, size -= 6)
		step((uint16_t)(data[0] | data[1] << 8),
			(uint32_t)(data[2] | data[3] << 8 | data[4] << 16) | (uint32_t)data[5]
										     << 24);
	/* Whatever was done, a reset makes it as new. */
	wr(VIRTIO_MMIO_STATUS, 0);
	bring_up();
	loop_call(&loop, fini, NULL);
	return 0;
}
