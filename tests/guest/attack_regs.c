// SPDX-License-Identifier: Apache-2.0
// Attack: registers written at the wrong time, with the wrong width, across pages, and the space
// around them.
#include "tests/guest/use.h"
#include "vmm/arch/x86_64/layout.h"

#include <linux/virtio_ids.h>

static struct vq queues[QUEUES_MAX];
static struct vdev *dev;
static const struct use *use;
static struct vq *q;

static bool start(struct request *r)
{
	return use_start(dev, use, 0, queues, r);
}

/* The request that start() made is served by the queue as it was set up. */
static void expect_served(void)
{
	vq_submit(q, 0);
	if (use->trigger)
		use->trigger(queues);
	if (!vq_wait(q, NULL, NULL))
		check_fail("a legal request isn't served, status 0x%x", vdev_status(dev));
}

static void expect_not_served(void)
{
	vq_submit(q, 0);
	prove_others(dev);
	if (shared16(&q->used->idx))
		check_fail("a request is served");
}

static void expect_running(void)
{
	if (vdev_status(dev) != STATUS_RUNNING)
		check_fail("the status is 0x%x", vdev_status(dev));
}

static void end(void)
{
	prove(dev);
	prove_others(dev);
	check_end();
}

#define BEGIN(what) check_begin("%s %s: %s", dev->name, use->queue_name, what)

/* Queue registers rewritten while the device runs. */

static void rewrite_queue(bool kick_between)
{
	struct request r;
	struct vq other;

	BEGIN("the queue moves after DRIVER_OK");
	if (start(&r)) {
		vq_alloc(&other, dev, use->queue, 8);
		if (kick_between)
			vq_kick(q);
		vdev_write(dev, VIRTIO_MMIO_QUEUE_SEL, use->queue);
		vdev_write(dev, VIRTIO_MMIO_QUEUE_READY, 0);
		vq_tell(&other);
		expect_served();
		if (other.used->idx)
			check_fail("the other ring was written");
	}
	end();
}

static void rewrite_to_nowhere(void)
{
	static const struct {
		uint32_t reg, value;
	} writes[] = {
		{VIRTIO_MMIO_QUEUE_NUM, UINT32_MAX},
		{VIRTIO_MMIO_QUEUE_NUM, 0},
		{VIRTIO_MMIO_QUEUE_DESC_LOW, 0xfee00000},
		{VIRTIO_MMIO_QUEUE_DESC_HIGH, UINT32_MAX},
		{VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0xfee00000},
		{VIRTIO_MMIO_QUEUE_AVAIL_HIGH, UINT32_MAX},
		{VIRTIO_MMIO_QUEUE_USED_LOW, 0xfee00000},
		{VIRTIO_MMIO_QUEUE_USED_HIGH, UINT32_MAX},
		{VIRTIO_MMIO_QUEUE_READY, 0},
		{VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX},
		{VIRTIO_MMIO_DRIVER_FEATURES, 0},
	};
	struct request r;

	BEGIN("queue and feature registers written after DRIVER_OK");
	if (start(&r)) {
		for (unsigned int i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
			vdev_write(dev, VIRTIO_MMIO_QUEUE_SEL, use->queue);
			vdev_write(dev, writes[i].reg, writes[i].value);
		}
		if (vdev_read(dev, VIRTIO_MMIO_QUEUE_READY) != 1)
			check_fail("the queue is no longer ready");
		expect_running();
		expect_served();
	}
	end();
}

static void move_while_ready(void)
{
	struct request r;
	struct vq other;

	BEGIN("a ready queue moves before DRIVER_OK");
	arena_reset();
	if (vdev_negotiate(dev, use->features)) {
		for (unsigned int i = 0; i < dev->queue_count; i++) {
			vq_alloc(&queues[i], dev, i, 0);
			vq_tell(&queues[i]);
		}
		vq_alloc(&other, dev, use->queue, 0);
		vq_tell(&other);
		vdev_go(dev);
		expect_running();
		use->build(q, &r);
		expect_served();
		if (other.used->idx)
			check_fail("the other ring was written");
	}
	end();
}

/* The status machine. */

static void status_without_features(void)
{
	struct request r;

	BEGIN("DRIVER_OK without FEATURES_OK");
	arena_reset();
	vdev_reset(dev);
	vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	for (unsigned int i = 0; i < dev->queue_count; i++) {
		vq_alloc(&queues[i], dev, i, 0);
		vq_tell(&queues[i]);
	}
	vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK);
	if (vdev_status(dev) & (STATUS_DRIVER_OK | STATUS_FEATURES_OK))
		check_fail("the status is 0x%x", vdev_status(dev));
	use->build(q, &r);
	expect_not_served();
	end();
}

static void features_not_offered(void)
{
	BEGIN("a feature that isn't offered");
	vdev_reset(dev);
	vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	for (unsigned int i = 0; i < 2; i++) {
		vdev_write(dev, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
		vdev_write(dev, VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
	}
	vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_RUNNING & ~STATUS_DRIVER_OK);
	if (vdev_status(dev) & STATUS_FEATURES_OK)
		check_fail("all features were accepted");
	end();
}

static void features_beyond_64(void)
{
	BEGIN("feature words that don't exist");
	if (vdev_negotiate(dev, 0)) {
		for (uint32_t sel = 2; sel; sel <<= 1) {
			vdev_write(dev, VIRTIO_MMIO_DEVICE_FEATURES_SEL, sel);
			if (vdev_read(dev, VIRTIO_MMIO_DEVICE_FEATURES))
				check_fail("word %u offers 0x%x", sel,
					vdev_read(dev, VIRTIO_MMIO_DEVICE_FEATURES));
		}
	}
	vdev_reset(dev);
	vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	vdev_write(dev, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	vdev_write(dev, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	vdev_write(dev, VIRTIO_MMIO_DRIVER_FEATURES_SEL, UINT32_MAX);
	vdev_write(dev, VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
	vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_RUNNING & ~STATUS_DRIVER_OK);
	if (!(vdev_status(dev) & STATUS_FEATURES_OK))
		check_fail("a word that doesn't exist was accepted into another");
	end();
}

static void status_garbage(void)
{
	BEGIN("garbage in the status");
	vdev_reset(dev);
	vdev_write(dev, VIRTIO_MMIO_STATUS, UINT32_MAX);
	vdev_write(dev, VIRTIO_MMIO_STATUS, 0xffffff00);
	vdev_write(dev, VIRTIO_MMIO_STATUS, STATUS_NEEDS_RESET);
	if (vdev_status(dev) & (STATUS_NEEDS_RESET | STATUS_DRIVER_OK))
		check_fail("the status is 0x%x", vdev_status(dev));
	end();
}

static void kick_early_and_late(void)
{
	struct request r;

	BEGIN("kicks before DRIVER_OK and after a reset");
	arena_reset();
	if (vdev_negotiate(dev, 0)) {
		for (unsigned int i = 0; i < dev->queue_count; i++) {
			vq_alloc(&queues[i], dev, i, 0);
			vq_tell(&queues[i]);
		}
		use->build(q, &r);
		expect_not_served();
		if (!vdev_reset(dev))
			check_fail("no reset, status 0x%x", vdev_status(dev));
		vq_kick(q);
		prove_others(dev);
		if (shared16(&q->used->idx))
			check_fail("a device that was reset writes");
	}
	end();
}

static void reset_with_request(void)
{
	struct request r;

	BEGIN("a reset right behind a kick");
	for (unsigned int i = 0; i < 20; i++) {
		uint16_t used;

		if (!start(&r))
			break;
		vq_submit(q, 0);
		if (!vdev_reset(dev))
			check_fail("no reset, status 0x%x", vdev_status(dev));
		/* What comes now comes too late. */
		used = shared16(&q->used->idx);
		memset(q->used, 0xa5, 6 + 8 * q->size);
		for (uint64_t end_ticks = rt_ticks() + TICKS_SHORT; rt_ticks() < end_ticks;)
			shared_pause();
		for (unsigned int b = 0; b < 6 + 8 * q->size; b++)
			if (((uint8_t *)q->used)[b] != 0xa5)
				check_fail(
					"byte %u of the used ring was written after the reset", b);
		if (used > 1)
			check_fail("one request was used %u times", used);
	}
	end();
}

static void selectors(void)
{
	static const uint32_t values[] = {16, 17, 64, 0xffff, 0x10000, 0x80000000, UINT32_MAX};
	struct request r;

	BEGIN("queues that don't exist");
	if (start(&r)) {
		for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			vdev_write(dev, VIRTIO_MMIO_QUEUE_SEL, values[i]);
			if (vdev_read(dev, VIRTIO_MMIO_QUEUE_NUM_MAX) ||
				vdev_read(dev, VIRTIO_MMIO_QUEUE_READY))
				check_fail("queue 0x%x exists", values[i]);
			vdev_write(dev, VIRTIO_MMIO_QUEUE_NUM, 8);
			vdev_write(dev, VIRTIO_MMIO_QUEUE_READY, 1);
			if (vdev_read(dev, VIRTIO_MMIO_QUEUE_READY))
				check_fail("queue 0x%x is ready", values[i]);
			vdev_write(dev, VIRTIO_MMIO_QUEUE_NOTIFY, values[i]);
			vdev_write(dev, VIRTIO_MMIO_QUEUE_NOTIFY, values[i] | use->queue << 16);
		}
		vdev_write(dev, VIRTIO_MMIO_QUEUE_NOTIFY, dev->queue_count);
		expect_running();
		expect_served();
	}
	end();
}

/* Widths. */

static uint64_t read_width(uint64_t gpa, unsigned int width)
{
	switch (width) {
	case 1:
		return mmio_read8(gpa);
	case 2:
		return mmio_read16(gpa);
	case 4:
		return mmio_read32(gpa);
	default:
		return mmio_read64(gpa);
	}
}

static void write_width(uint64_t gpa, unsigned int width, uint64_t value)
{
	switch (width) {
	case 1:
		mmio_write8(gpa, (uint8_t)value);
		break;
	case 2:
		mmio_write16(gpa, (uint16_t)value);
		break;
	case 4:
		mmio_write32(gpa, (uint32_t)value);
		break;
	default:
		mmio_write64(gpa, value);
		break;
	}
}

static void wrong_width(unsigned int width)
{
	struct request r;

	check_begin("%s %s: registers %u bytes wide, at all offsets", dev->name, use->queue_name,
		width);
	if (start(&r)) {
		for (uint32_t reg = 0; reg < VIRTIO_MMIO_CONFIG; reg++) {
			if (width == 4 && reg % 4 == 0)
				continue;
			if (reg + width > VIRTIO_MMIO_CONFIG)
				continue;
			/* Eight bytes arrive as one access or as two of four, as KVM likes. */
			if (read_width(dev->base + reg, width) && width != 8)
				check_fail("0x%x reads as 0x%lx", reg,
					read_width(dev->base + reg, width));
			if (width != 8 || reg % 4)
				write_width(dev->base + reg, width, 0);
		}
		expect_running();
		expect_served();
	}
	end();
}

static void config_space(void)
{
	struct request r;
	static const unsigned int widths[] = {1, 2, 4, 8};

	BEGIN("config space at all widths, to its end and across it");
	if (start(&r)) {
		for (unsigned int w = 0; w < 4; w++) {
			for (uint32_t at = 0; at < 256; at++)
				read_width(dev->base + VIRTIO_MMIO_CONFIG + at, widths[w]);
			for (uint32_t at = LAYOUT_SLOT_SIZE - 16; at < LAYOUT_SLOT_SIZE; at++)
				read_width(dev->base + at, widths[w]);
			for (uint32_t at = 0xc0; at < 256; at++)
				write_width(
					dev->base + VIRTIO_MMIO_CONFIG + at, widths[w], UINT64_MAX);
		}
		expect_running();
		expect_served();
	}
	end();
}

static void strings(void)
{
	struct request r;
	uint8_t *copy = arena(LAYOUT_SLOT_SIZE, 16);
	void *from = (void *)(dev->base + VIRTIO_MMIO_CONFIG), *to = copy;
	uint64_t count = 256;
	uint32_t value = 1;

	BEGIN("string and locked instructions on registers");
	if (start(&r)) {
		__asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(count)::"memory");
		from = (void *)(dev->base + VIRTIO_MMIO_CONFIG), to = copy, count = 32;
		__asm__ volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(count)::"memory");
		to = (void *)(dev->base + VIRTIO_MMIO_CONFIG + 0x400), count = 64;
		__asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(0) : "memory");
		__asm__ volatile("xchgl %0, (%1)"
				 : "+r"(value)
				 : "r"(dev->base + VIRTIO_MMIO_QUEUE_SEL)
				 : "memory");
		__asm__ volatile("lock xaddl %0, (%1)"
				 : "+r"(value)
				 : "r"(dev->base + VIRTIO_MMIO_QUEUE_SEL)
				 : "memory", "cc");
		expect_running();
		expect_served();
	}
	end();
}

static void attack_device(void)
{
	rewrite_queue(false);
	rewrite_queue(true);
	rewrite_to_nowhere();
	move_while_ready();
	status_without_features();
	features_not_offered();
	features_beyond_64();
	status_garbage();
	kick_early_and_late();
	reset_with_request();
	selectors();
	wrong_width(1);
	wrong_width(2);
	wrong_width(4);
	wrong_width(8);
	config_space();
	strings();
}

/* The space around the devices. */

static void straddle(uint64_t boundary, const char *what)
{
	static const unsigned int widths[] = {2, 4, 8};

	check_begin("accesses across %s", what);
	for (unsigned int w = 0; w < 3; w++) {
		for (unsigned int back = 1; back < widths[w]; back++) {
			uint64_t at = boundary - back;
			uint64_t value = read_width(at, widths[w]);

			write_width(at, widths[w], value);
		}
	}
	for (unsigned int d = 0; d < device_count; d++)
		prove(&devices[d]);
	check_end();
}

static void sweep(const char *what, uint64_t from, uint64_t to, uint64_t step)
{
	check_begin("%s: nobody answers", what);
	for (uint64_t at = from; at < to; at += step) {
		uint32_t value = mmio_read32(at);

		mmio_write32(at, 0xdeadbeef);
		if (value != UINT32_MAX || mmio_read32(at) != UINT32_MAX)
			check_fail("0x%lx reads as 0x%x", at, value);
	}
	for (unsigned int d = 0; d < device_count; d++)
		prove(&devices[d]);
	check_end();
}

/*
 * The I/O APIC: any register, any value, any width. What is sent goes to a CPU that isn't there, so
 * that nothing but the monitor is under attack.
 */
static void io_apic(void)
{
	const uint64_t select = LAYOUT_IOAPIC, window = LAYOUT_IOAPIC + 0x10;
	const uint32_t nobody = 0x55u << 24;

	check_begin("the I/O APIC's registers");
	for (uint32_t pin = 0; pin < 32; pin++) {
		mmio_write32(select, 0x11 + 2 * pin);
		mmio_write32(window, nobody);
		mmio_write32(select, 0x10 + 2 * pin);
		/* All delivery modes, triggers and polarities, vectors that no message may have. */
		for (uint32_t bits = 0; bits < 32; bits++)
			mmio_write32(window, bits << 8 | (bits * 8 & 0xff));
		mmio_write32(window, 0x1a5ff);
		mmio_write32(window, 0x10000);
	}
	for (uint32_t index = 0; index < 256; index += 3) {
		mmio_write32(select, index);
		read_width(window, 4);
		if (index < 0x10 || index >= 0x10 + 2 * 64)
			mmio_write32(window, UINT32_MAX);
	}
	for (uint64_t at = LAYOUT_IOAPIC; at < LAYOUT_IOAPIC + 0x30; at++)
		for (unsigned int width = 1; width <= 8; width *= 2) {
			read_width(at, width);
			mmio_write32(select, 1); /* the version, which can't be written */
			write_width(at, width, 1);
		}
	read_width(LAYOUT_IOAPIC + 0xffd, 8);
	for (unsigned int d = 0; d < device_count; d++)
		prove(&devices[d]);
	check_end();
}

void guest_main(void)
{
	uint64_t slots_end;

	vdev_find_all();
	for (unsigned int d = 0; d < device_count; d++) {
		for (unsigned int u = 0; u < use_count; u++) {
			if (use_again(&devices[d]) || !use_of(&uses[u], &devices[d]))
				continue;
			dev = &devices[d];
			use = &uses[u];
			q = &queues[use->queue];
			attack_device();
		}
	}
	slots_end = devices[device_count - 1].base + LAYOUT_SLOT_SIZE;
	for (unsigned int d = 0; d < device_count; d++)
		straddle(devices[d].base, "the beginning of a slot");
	straddle(slots_end, "the end of the last slot");
	straddle(rt_ram.low_end, "the end of low RAM");
	straddle(LAYOUT_HOLE_END, "4 GiB");
	if (rt_ram.high_end)
		straddle(rt_ram.high_end, "the end of RAM");
	io_apic();
	sweep("behind the slots", slots_end, slots_end + 64 * 4096, 4096);
	sweep("below the slots", LAYOUT_HOLE, LAYOUT_SLOTS, 256);
	sweep("the hole", LAYOUT_SLOTS + 0x100000, LAYOUT_IOAPIC, 0x301040);
	sweep("behind RAM", rt_ram.high_end ? rt_ram.high_end : LAYOUT_HOLE_END, 0x140000000ull,
		0x301040);
}
