// SPDX-License-Identifier: Apache-2.0
// Attack: rings in places where none can be, sizes that no queue has, rings and buffers on top of
// each other.
#include "tests/guest/use.h"
#include "vmm/arch/x86_64/layout.h"

#include <linux/virtio_ids.h>

enum ring { DESC, AVAIL, USED, RINGS };

static const char *const ring_names[] = {
	"the descriptor table", "the available ring", "the used ring"};

static struct vq queues[QUEUES_MAX];
static struct vdev *dev;
static const struct use *use;
static struct vq *q;

static uint64_t ram_end(void)
{
	return rt_ram.high_end ? rt_ram.high_end : rt_ram.low_end;
}

static uint32_t ring_len(enum ring ring)
{
	return ring == DESC ? 16 * q->size : ring == AVAIL ? 6 + 2 * q->size : 6 + 8 * q->size;
}

static uint32_t ring_align(enum ring ring)
{
	return ring == DESC ? 16 : ring == AVAIL ? 2 : 4;
}

static void place(enum ring ring, uint64_t gpa)
{
	switch (ring) {
	case DESC:
		q->desc = (void *)gpa;
		break;
	case AVAIL:
		q->avail = (void *)gpa;
		break;
	case USED:
	case RINGS:
		q->used = (void *)gpa;
		break;
	}
}

/* Up to the point where the rings of the queue in question are told. */
static bool prepare(void)
{
	arena_reset();
	if (!vdev_negotiate(dev, use->features)) {
		check_fail("the device doesn't negotiate, status 0x%x", vdev_status(dev));
		return false;
	}
	for (unsigned int i = 0; i < dev->queue_count; i++) {
		vq_alloc(&queues[i], dev, i, 0);
		if (i != use->queue)
			vq_tell(&queues[i]);
	}
	return true;
}

static void expect_refused(void)
{
	if (!(vdev_status(dev) & STATUS_NEEDS_RESET))
		check_fail("the device goes on, status 0x%x", vdev_status(dev));
	vq_kick(q);
	prove_others(dev);
	if (!(vdev_status(dev) & STATUS_NEEDS_RESET))
		check_fail("NEEDS_RESET is gone without a reset");
	prove(dev);
}

static void expect_served(void)
{
	struct request r;

	if (vdev_status(dev) != STATUS_RUNNING)
		check_fail("the device doesn't start, status 0x%x", vdev_status(dev));
	q->used->idx = q->avail->idx = 0;
	use->build(q, &r);
	vq_submit(q, 0);
	if (use->trigger)
		use->trigger(queues);
	if (!vq_wait(q, NULL, NULL))
		check_fail("a legal request isn't served, status 0x%x", vdev_status(dev));
	prove(dev);
}

static void bad_place(enum ring ring, const char *where, uint64_t gpa)
{
	check_begin("%s %s: %s %s", dev->name, use->queue_name, ring_names[ring], where);
	if (prepare()) {
		place(ring, gpa);
		vq_tell(q);
		vdev_go(dev);
		expect_refused();
	}
	check_end();
}

static void good_place(enum ring ring, const char *where, uint64_t gpa)
{
	check_begin("%s %s: %s %s", dev->name, use->queue_name, ring_names[ring], where);
	if (prepare()) {
		memset((void *)gpa, 0, ring_len(ring));
		place(ring, gpa);
		vq_tell(q);
		vdev_go(dev);
		expect_served();
	}
	check_end();
}

static void bad_size(uint32_t size)
{
	check_begin("%s %s: a size of 0x%x", dev->name, use->queue_name, size);
	if (prepare()) {
		/* Rings that are long enough for the size, as far as there can be any. */
		vq_alloc(q, dev, use->queue, 4096);
		q->size = size;
		vq_tell(q);
		vdev_go(dev);
		expect_refused();
	}
	check_end();
}

static void places(enum ring ring)
{
	uint32_t len = ring_len(ring), align = ring_align(ring);

	bad_place(ring, "is misaligned", ARENA_BASE + 0x100000 + align / 2);
	bad_place(ring, "lies in the hole", LAYOUT_HOLE + 0x1000000);
	bad_place(ring, "is the device's registers", dev->base);
	bad_place(ring, "is the local APIC", LAYOUT_LAPIC);
	bad_place(ring, "lies behind RAM", ram_end());
	bad_place(ring, "goes over the end of RAM", ram_end() - align);
	bad_place(ring, "goes over the end of RAM by one unit",
		ram_end() - (len - 1) / align * align);
	bad_place(ring, "goes over the end of low RAM", rt_ram.low_end - align);
	bad_place(ring, "begins in the hole and ends in RAM", LAYOUT_HOLE_END - align);
	bad_place(ring, "wraps", -(uint64_t)align);
	bad_place(ring, "lies at 2^63", 1ull << 63);
	good_place(ring, "ends with RAM", (ram_end() - len) & ~(uint64_t)15);
	good_place(ring, "ends with low RAM", (rt_ram.low_end - len) & ~(uint64_t)15);
	if (rt_ram.high_end)
		good_place(ring, "begins at 4 GiB", LAYOUT_HOLE_END);
	good_place(ring, "lies in the ACPI tables", LAYOUT_ACPI);
	good_place(ring, "lies in the MP table", LAYOUT_MPTABLE);
}

/* Rings on top of each other: legal, and never of use. Whatever comes of it stays with the device.
 */
static void overlap(const char *what, uint64_t desc, uint64_t avail, uint64_t used)
{
	struct request r;

	check_begin("%s %s: %s", dev->name, use->queue_name, what);
	if (prepare()) {
		q->desc = (void *)(ARENA_BASE + 0x200000 + desc);
		q->avail = (void *)(ARENA_BASE + 0x200000 + avail);
		q->used = (void *)(ARENA_BASE + 0x200000 + used);
		memset((void *)(ARENA_BASE + 0x200000), 0, 4096);
		vq_tell(q);
		vdev_go(dev);
		use->build(q, &r);
		for (unsigned int i = 0; i < 4; i++) {
			vq_submit(q, 0);
			if (use->trigger)
				use->trigger(queues);
		}
		prove_others(dev);
	}
	prove(dev);
	check_end();
}

static void overlaps(void)
{
	overlap("all three rings in one place", 0, 0, 0);
	overlap("the used ring on the descriptor table", 0, 1024, 0);
	overlap("the used ring on the available ring", 1024, 0, 0);
	overlap("the used index on the available index", 1024, 0, 0);
	overlap("the available ring on the descriptor table", 0, 0, 1024);
	overlap("the used ring on the descriptor table's second entry", 0, 1024, 16);
	overlap("the used ring on the available ring's entries", 1024, 0, 4);
}

/* Every buffer of a request is made to lie on a ring: the device writes its own queue. */
static void buffers_on(enum ring ring)
{
	struct request r;

	check_begin("%s %s: buffers on %s", dev->name, use->queue_name, ring_names[ring]);
	if (use_start(dev, use, 0, queues, &r)) {
		uint64_t to = ring == DESC    ? (uint64_t)q->desc
			      : ring == AVAIL ? (uint64_t)q->avail
					      : (uint64_t)q->used;

		for (unsigned int i = 0; i < r.count; i++)
			if (q->desc[i].flags & VRING_DESC_F_WRITE || r.out_count == r.count)
				q->desc[i].addr = to;
		for (unsigned int i = 0; i < 4; i++) {
			vq_submit(q, 0);
			if (use->trigger)
				use->trigger(queues);
		}
		prove_others(dev);
	}
	prove(dev);
	check_end();
}

void guest_main(void)
{
	vdev_find_all();
	for (unsigned int d = 0; d < device_count; d++) {
		for (unsigned int u = 0; u < use_count; u++) {
			if (use_again(&devices[d]) || !use_of(&uses[u], &devices[d]))
				continue;
			dev = &devices[d];
			use = &uses[u];
			q = &queues[use->queue];
			vq_alloc(q, dev, use->queue, 0);
			for (enum ring ring = DESC; ring < RINGS; ring++)
				places(ring);
			bad_size(0);
			bad_size(3);
			bad_size(dev->size_max[use->queue] - 1);
			bad_size(dev->size_max[use->queue] * 2);
			bad_size(0x8000);
			bad_size(0x10000);
			bad_size(0x10000 + RING_SIZE);
			bad_size(0x80000000);
			bad_size(UINT32_MAX);
			overlaps();
			for (enum ring ring = DESC; ring < RINGS; ring++)
				buffers_on(ring);
		}
	}
}
