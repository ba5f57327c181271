// SPDX-License-Identifier: Apache-2.0
// Attack: a second vCPU changes what the device reads between its looks, or resets it under the
// first one's hands.
#include "tests/guest/smp.h"
#include "tests/guest/use.h"
#include "vmm/arch/x86_64/layout.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>

#define ROUNDS 40u
#define RESETS 10u

static struct vq queues[QUEUES_MAX];
static struct vdev *dev;
static const struct use *use;
static struct vq *q;

/* What the second vCPU changes: between two values, or at random. */
static struct {
	volatile void *at;
	unsigned int width;
	uint64_t good, bad;
} flip;

static void flipper(void)
{
	while (!smp_stopping()) {
		for (unsigned int i = 0; i < 64; i++) {
			uint64_t value = i & 1 ? flip.bad : flip.good;

			switch (flip.width) {
			case 2:
				*(volatile uint16_t *)flip.at = (uint16_t)value;
				break;
			case 4:
				*(volatile uint32_t *)flip.at = (uint32_t)value;
				break;
			default:
				*(volatile uint64_t *)flip.at = value;
				break;
			}
		}
	}
}

static void stop_other(void)
{
	if (!smp_stop())
		check_fail("the second vCPU doesn't stop");
}

/* Start anew with a legal request whose field @flip is then changed all the time. */
static bool begin_flip(volatile void *(*field)(void), unsigned int width, uint64_t bad)
{
	struct request r;

	if (!use_start(dev, use, 0, queues, &r))
		return false;
	flip.at = field();
	flip.width = width;
	flip.bad = bad;
	flip.good = width == 2   ? *(volatile uint16_t *)flip.at
		    : width == 4 ? *(volatile uint32_t *)flip.at
				 : *(volatile uint64_t *)flip.at;
	smp_run(flipper);
	return true;
}

/*
 * Submit again and again. The device may serve it or break: each is right, as long as it does one
 * of the two. @known: what a request that is served without an error must have read, or NULL.
 */
static void race(const char *what, volatile void *(*field)(void), unsigned int width, uint64_t bad,
	void (*known)(void))
{
	unsigned int served = 0, broken = 0;

	check_begin("%s %s: %s", dev->name, use->queue_name, what);
	for (unsigned int round = 0; round < ROUNDS && !check_failed(); round++) {
		if ((served + broken) == 0 || (vdev_status(dev) & STATUS_NEEDS_RESET)) {
			stop_other();
			if (!begin_flip(field, width, bad))
				break;
		}
		vq_submit(q, 0);
		if (use->trigger)
			use->trigger(queues);
		if (vq_wait(q, NULL, NULL)) {
			served++;
			if (known)
				known();
		} else if (vdev_status(dev) & STATUS_NEEDS_RESET) {
			broken++;
		} else {
			check_fail("neither served nor broken, status 0x%x", vdev_status(dev));
		}
	}
	stop_other();
	if (!served && !broken)
		check_fail("nothing was tried");
	prove(dev);
	prove_others(dev);
	check_end();
}

static volatile void *first_addr(void)
{
	return &q->desc[0].addr;
}

static volatile void *first_len(void)
{
	return &q->desc[0].len;
}

static volatile void *first_flags(void)
{
	return &q->desc[0].flags;
}

static volatile void *first_next(void)
{
	return &q->desc[0].next;
}

static volatile void *second_addr(void)
{
	return &q->desc[1].addr;
}

static volatile void *second_len(void)
{
	return &q->desc[1].len;
}

static volatile void *avail_head(void)
{
	return &q->avail->ring[0];
}

static volatile void *used_index(void)
{
	return &q->used->flags;
}

static void descriptors(void)
{
	race("an address that changes into the hole", first_addr, 8, LAYOUT_HOLE + 0x100000, NULL);
	race("an address that changes to 2^64", second_addr, 8, UINT64_MAX - 8, NULL);
	race("a length that changes to 4 GiB", first_len, 4, UINT32_MAX, NULL);
	race("a second length that changes to 1 GiB", second_len, 4, 1u << 30, NULL);
	race("flags that change", first_flags, 2, VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT, NULL);
	race("a next that changes", first_next, 2, 0xffff, NULL);
	race("a head that changes", avail_head, 2, 0xffff, NULL);
	race("used flags that change", used_index, 2, 0xffff, NULL);
}

/* The bytes of a request. */

static volatile void *blk_sector(void)
{
	return &((struct virtio_blk_outhdr *)q->desc[0].addr)->sector;
}

static volatile void *blk_type(void)
{
	return &((struct virtio_blk_outhdr *)q->desc[0].addr)->type;
}

static void blk_known(void)
{
	uint64_t *data = (void *)q->desc[1].addr;
	const uint8_t *status = (const void *)q->desc[2].addr;

	for (unsigned int i = 0; i < 64 && *status == VIRTIO_BLK_S_OK; i++)
		if (data[i] != DISK_WORD(0) + i)
			check_fail("word %u of the sector is 0x%lx", i, data[i]);
	/* The next answer must bring it again. */
	memset(data, 0, 512);
}

static volatile void *vsock_len(void)
{
	return &((struct virtio_vsock_hdr *)q->desc[0].addr)->len;
}

static volatile void *vsock_op(void)
{
	/* In the second of the two buffers that the header is split into. */
	return (uint8_t *)q->desc[1].addr + offsetof(struct virtio_vsock_hdr, op) - 20;
}

static void requests(void)
{
	if (use->id == VIRTIO_ID_BLOCK) {
		race("a sector that changes to 2^63", blk_sector, 8, 1ull << 63, blk_known);
		race("a sector that changes to the disk's end", blk_sector, 8, DISK_SECTORS,
			blk_known);
		race("a type that changes to one that nobody knows", blk_type, 4, 0x1234,
			blk_known);
	} else if (use->id == VIRTIO_ID_VSOCK && use->queue == 1) {
		race("a packet's length that changes to 4 GiB", vsock_len, 4, UINT32_MAX, NULL);
		race("a packet's operation that changes", vsock_op, 2, 0xffff, NULL);
	}
}

/* Resets. */

static volatile bool reset_done;

static uint32_t random(void)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return state >> 8;
}

static void resetter(void)
{
	uint64_t until = rt_ticks() + random() % TICKS_SHORT;

	while (rt_ticks() < until)
		shared_pause();
	vdev_write(dev, VIRTIO_MMIO_STATUS, 0);
	reset_done = true;
}

static void expect_no_write(void *memory, size_t size, const char *what)
{
	const uint8_t *bytes = memory;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0xa5) {
			check_fail("byte %lu of %s was written after the reset", (uint64_t)i, what);
			return;
		}
}

static void reset_by_other(void)
{
	struct request r;

	check_begin("%s %s: the other vCPU resets it while requests are under way", dev->name,
		use->queue_name);
	for (unsigned int round = 0; round < RESETS && !check_failed(); round++) {
		if (!use_start(dev, use, 0, queues, &r))
			break;
		reset_done = false;
		smp_run(resetter);
		while (!reset_done) {
			vq_submit(q, 0);
			if (use->trigger)
				use->trigger(queues);
		}
		stop_other();
		if (vdev_status(dev))
			check_fail("the status is 0x%x after the reset", vdev_status(dev));
		memset(q->used, 0xa5, 6 + 8 * q->size);
		for (unsigned int i = r.out_count; i < r.count; i++)
			memset((void *)q->desc[i].addr, 0xa5, q->desc[i].len);
		for (uint64_t end = rt_ticks() + TICKS_SHORT; rt_ticks() < end;)
			vq_kick(q);
		expect_no_write(q->used, 6 + 8 * q->size, "the used ring");
		for (unsigned int i = r.out_count; i < r.count; i++)
			expect_no_write((void *)q->desc[i].addr, q->desc[i].len, "a buffer");
	}
	prove(dev);
	prove_others(dev);
	check_end();
}

/* The other vCPU drives the same device, with no regard for the first. */
static void rival(void)
{
	while (!smp_stopping()) {
		vdev_write(dev, VIRTIO_MMIO_STATUS, 0);
		vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
		vdev_write(dev, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
		vdev_write(dev, VIRTIO_MMIO_DRIVER_FEATURES, 1);
		vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_RUNNING & ~STATUS_DRIVER_OK);
		vdev_write(dev, VIRTIO_MMIO_QUEUE_SEL, random() % (dev->queue_count + 1));
		vdev_write(dev, VIRTIO_MMIO_QUEUE_NUM, random() % 32);
		vdev_write(dev, VIRTIO_MMIO_QUEUE_READY, 1);
		vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_RUNNING);
		vdev_write(dev, VIRTIO_MMIO_QUEUE_NOTIFY, random() % dev->queue_count);
		vdev_read(dev, VIRTIO_MMIO_CONFIG);
	}
}

static void two_drivers(void)
{
	struct request r;

	check_begin("%s %s: both vCPUs drive it at once", dev->name, use->queue_name);
	smp_run(rival);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		arena_reset();
		/* Whether it starts is chance. */
		vdev_start(dev, 0, queues);
		use->build(q, &r);
		vq_submit(q, 0);
	}
	stop_other();
	prove(dev);
	prove_others(dev);
	check_end();
}

void guest_main(void)
{
	vdev_find_all();
	check_begin("a second vCPU");
	if (!smp_start())
		check_fail("it doesn't start");
	check_end();
	for (unsigned int d = 0; d < device_count && !check_failed(); d++) {
		for (unsigned int u = 0; u < use_count; u++) {
			if (use_again(&devices[d]) || !use_of(&uses[u], &devices[d]))
				continue;
			dev = &devices[d];
			use = &uses[u];
			q = &queues[use->queue];
			descriptors();
			requests();
			reset_by_other();
			two_drivers();
		}
	}
}
