// SPDX-License-Identifier: Apache-2.0
// Attack: rings that break one rule each, on every queue that takes chains.
#include "tests/guest/use.h"
#include "vmm/arch/x86_64/layout.h"

#include <linux/virtio_ids.h>

/* Where an attacked request lives. */
struct victim {
	struct vdev *dev;
	const struct use *use;
	struct vq queues[QUEUES_MAX];
	struct vq *q;
	struct request r;
};

#define LAST(v) ((v)->r.count - 1)
#define INDIRECT_DESC FEATURE(VIRTIO_RING_F_INDIRECT_DESC)

/*
 * Where a fault leads out of a table lies an entry that would be right, were it in the table: a
 * device that goes there must be seen to serve the request.
 */
static void right_entry(struct victim *v, struct vring_desc *at)
{
	*at = v->q->desc[LAST(v)];
	at->flags &= VRING_DESC_F_WRITE;
	at->addr = (uint64_t)arena(64, 8);
	at->len = 64;
}

/* Faults of a chain in the table. Return: false if this request can't have it. */

static bool loop_to_itself(struct victim *v)
{
	v->q->desc[LAST(v)].flags |= VRING_DESC_F_NEXT;
	v->q->desc[LAST(v)].next = (uint16_t)LAST(v);
	return true;
}

static bool loop_over_two(struct victim *v)
{
	unsigned int from = LAST(v) - 1;

	if (v->r.out_count == v->r.count - 1)
		return false; /* readable to writable and back would be a fault of another kind */
	v->q->desc[LAST(v)].flags |= VRING_DESC_F_NEXT;
	v->q->desc[LAST(v)].next = (uint16_t)from;
	return true;
}

static bool next_beyond_table(struct victim *v)
{
	v->q->desc[LAST(v)].flags |= VRING_DESC_F_NEXT;
	v->q->desc[LAST(v)].next = (uint16_t)v->q->size;
	right_entry(v, &v->q->desc[v->q->size]);
	return true;
}

static bool next_far_beyond_table(struct victim *v)
{
	v->q->desc[LAST(v)].flags |= VRING_DESC_F_NEXT;
	v->q->desc[LAST(v)].next = 0xffff;
	right_entry(v, &v->q->desc[0xffff]);
	return true;
}

static bool head_beyond_table(struct victim *v)
{
	v->q->avail->ring[0] = (uint16_t)v->q->size;
	v->q->desc[v->q->size] = v->q->desc[0];
	return true;
}

static bool head_far_beyond_table(struct victim *v)
{
	v->q->avail->ring[0] = 0xffff;
	v->q->desc[0xffff] = v->q->desc[0];
	return true;
}

static bool index_jumps(struct victim *v)
{
	v->q->avail->idx = (uint16_t)(v->q->size + 1);
	return true;
}

static bool index_goes_back(struct victim *v)
{
	v->q->avail->idx = 0xffff;
	return true;
}

static bool address_in_hole(struct victim *v)
{
	v->q->desc[LAST(v)].addr = LAYOUT_HOLE + 0x100000;
	return true;
}

static bool address_of_registers(struct victim *v)
{
	v->q->desc[LAST(v)].addr = v->dev->base;
	return true;
}

static bool address_of_apic(struct victim *v)
{
	v->q->desc[LAST(v)].addr = LAYOUT_LAPIC;
	return true;
}

static uint64_t ram_end(void)
{
	return rt_ram.high_end ? rt_ram.high_end : rt_ram.low_end;
}

static bool address_behind_ram(struct victim *v)
{
	v->q->desc[LAST(v)].addr = ram_end();
	return true;
}

static bool buffer_over_end_of_ram(struct victim *v)
{
	v->q->desc[0].addr = ram_end() - v->q->desc[0].len + 1;
	return true;
}

static bool buffer_over_end_of_low_ram(struct victim *v)
{
	v->q->desc[0].addr = rt_ram.low_end - 1;
	return true;
}

static bool buffer_over_the_hole(struct victim *v)
{
	if (!rt_ram.high_end)
		return false;
	v->q->desc[0].addr = LAYOUT_HOLE - 4096;
	v->q->desc[0].len = (uint32_t)(LAYOUT_HOLE_END - LAYOUT_HOLE) + 8192;
	return true;
}

static bool buffer_into_high_ram(struct victim *v)
{
	if (!rt_ram.high_end)
		return false;
	v->q->desc[0].addr = LAYOUT_HOLE_END - 4;
	return true;
}

static bool address_wraps(struct victim *v)
{
	v->q->desc[0].addr = UINT64_MAX - 3;
	return true;
}

static bool address_huge(struct victim *v)
{
	v->q->desc[LAST(v)].addr |= 1ull << 63;
	return true;
}

static bool length_huge(struct victim *v)
{
	v->q->desc[0].len = UINT32_MAX;
	return true;
}

static bool length_zero(struct victim *v)
{
	v->q->desc[LAST(v)].len = 0;
	return true;
}

static bool readable_after_writable(struct victim *v)
{
	struct vq *q = v->q;

	if (v->r.out_count == v->r.count)
		return false;
	q->desc[LAST(v)].flags |= VRING_DESC_F_NEXT;
	q->desc[LAST(v)].next = (uint16_t)v->r.count;
	vq_desc(q, v->r.count, arena(64, 8), 64, 0, 0);
	return true;
}

/* Faults of an indirect table. The chain moves there first. */

static struct vring_desc *make_indirect(struct victim *v)
{
	struct vring_desc *table = arena(sizeof(*table) * (v->r.count + 2), 16);

	memcpy(table, v->q->desc, sizeof(*table) * v->r.count);
	vq_desc(v->q, 0, table, (uint32_t)sizeof(*table) * v->r.count, VRING_DESC_F_INDIRECT, 0);
	return table;
}

static bool indirect_right(struct victim *v)
{
	make_indirect(v);
	return true;
}

static bool indirect_with_next(struct victim *v)
{
	make_indirect(v);
	v->q->desc[0].flags |= VRING_DESC_F_NEXT;
	v->q->desc[0].next = 1;
	vq_desc(v->q, 1, arena(64, 8), 64, VRING_DESC_F_WRITE, 0);
	return true;
}

static bool indirect_nested(struct victim *v)
{
	struct vring_desc *table = make_indirect(v), *inner = arena(16, 16);

	*inner = table[LAST(v)];
	table[LAST(v)] = (struct vring_desc){(uint64_t)inner, 16, VRING_DESC_F_INDIRECT, 0};
	return true;
}

static bool indirect_in_itself(struct victim *v)
{
	struct vring_desc *table = make_indirect(v);

	table[LAST(v)] = v->q->desc[0];
	return true;
}

static bool indirect_empty(struct victim *v)
{
	make_indirect(v);
	v->q->desc[0].len = 0;
	return true;
}

static bool indirect_odd_length(struct victim *v)
{
	make_indirect(v);
	v->q->desc[0].len += 1;
	return true;
}

static bool indirect_cut_short(struct victim *v)
{
	make_indirect(v);
	v->q->desc[0].len -= 16;
	return true;
}

static bool indirect_loop(struct victim *v)
{
	struct vring_desc *table = make_indirect(v);

	table[LAST(v)].flags |= VRING_DESC_F_NEXT;
	table[LAST(v)].next = (uint16_t)LAST(v);
	return true;
}

static bool indirect_next_beyond_table(struct victim *v)
{
	struct vring_desc *table = make_indirect(v);

	table[LAST(v)].flags |= VRING_DESC_F_NEXT;
	table[LAST(v)].next = (uint16_t)v->r.count;
	right_entry(v, &table[v->r.count]);
	return true;
}

static bool indirect_table_behind_ram(struct victim *v)
{
	make_indirect(v);
	v->q->desc[0].addr = ram_end();
	return true;
}

static bool indirect_table_over_end_of_ram(struct victim *v)
{
	make_indirect(v);
	v->q->desc[0].addr = ram_end() - 16;
	v->q->desc[0].len = 32;
	return true;
}

static bool indirect_table_huge(struct victim *v)
{
	make_indirect(v);
	v->q->desc[0].len = 0xfffffff0;
	return true;
}

/* More buffers than any chain may have, each of them right. */
static bool indirect_too_long(struct victim *v)
{
	const unsigned int count = 1024;
	struct vring_desc *table = arena(sizeof(*table) * count, 16);
	uint16_t write = v->r.out_count ? 0 : VRING_DESC_F_WRITE;

	for (unsigned int i = 0; i < count; i++)
		table[i] = (struct vring_desc){v->q->desc[0].addr, 1,
			(uint16_t)(write | (i + 1 < count ? VRING_DESC_F_NEXT : 0)),
			(uint16_t)(i + 1)};
	vq_desc(v->q, 0, table, (uint32_t)sizeof(*table) * count, VRING_DESC_F_INDIRECT, 0);
	return true;
}

/* Buffers that are right, one by one, and together more than 32 bits can count. */
static bool lengths_add_up_beyond_32_bits(struct victim *v)
{
	const uint32_t part = 32u << 20;
	const unsigned int count = (unsigned int)((1ull << 32) / part) + 1;
	struct vring_desc *table = arena(sizeof(*table) * count, 16);
	uint16_t write = v->r.out_count ? 0 : VRING_DESC_F_WRITE;

	for (unsigned int i = 0; i < count; i++)
		table[i] = (struct vring_desc){ARENA_BASE, part,
			(uint16_t)(write | (i + 1 < count ? VRING_DESC_F_NEXT : 0)),
			(uint16_t)(i + 1)};
	vq_desc(v->q, 0, table, (uint32_t)sizeof(*table) * count, VRING_DESC_F_INDIRECT, 0);
	return true;
}

static const struct fault {
	const char *name;
	bool (*apply)(struct victim *v);
	uint64_t features;
} faults[] = {
	{"a chain that loops to itself", loop_to_itself, 0},
	{"a chain that loops over two", loop_over_two, 0},
	{"next is just beyond the table", next_beyond_table, 0},
	{"next is 65535", next_far_beyond_table, 0},
	{"the head is just beyond the table", head_beyond_table, 0},
	{"the head is 65535", head_far_beyond_table, 0},
	{"the index jumps by more than the queue", index_jumps, 0},
	{"the index goes back by one", index_goes_back, 0},
	{"a buffer in the hole", address_in_hole, 0},
	{"a buffer is the device's registers", address_of_registers, 0},
	{"a buffer is the local APIC", address_of_apic, 0},
	{"a buffer behind RAM", address_behind_ram, 0},
	{"a buffer over the end of RAM", buffer_over_end_of_ram, 0},
	{"a buffer over the end of low RAM", buffer_over_end_of_low_ram, 0},
	{"a buffer from below the hole to above it", buffer_over_the_hole, 0},
	{"a buffer from the hole into RAM", buffer_into_high_ram, 0},
	{"address and length wrap", address_wraps, 0},
	{"an address of 63 bits and more", address_huge, 0},
	{"a length of 4 GiB less 1", length_huge, 0},
	{"a length of 0", length_zero, 0},
	{"readable after writable", readable_after_writable, 0},
	{"an indirect table without the feature", indirect_right, 0},
	{"an indirect table with a next", indirect_with_next, INDIRECT_DESC},
	{"an indirect table in another", indirect_nested, INDIRECT_DESC},
	{"an indirect table in itself", indirect_in_itself, INDIRECT_DESC},
	{"an empty indirect table", indirect_empty, INDIRECT_DESC},
	{"an indirect table of odd length", indirect_odd_length, INDIRECT_DESC},
	{"an indirect table cut short", indirect_cut_short, INDIRECT_DESC},
	{"an indirect table that loops", indirect_loop, INDIRECT_DESC},
	{"next is beyond the indirect table", indirect_next_beyond_table, INDIRECT_DESC},
	{"an indirect table behind RAM", indirect_table_behind_ram, INDIRECT_DESC},
	{"an indirect table over the end of RAM", indirect_table_over_end_of_ram, INDIRECT_DESC},
	{"an indirect table of 4 GiB", indirect_table_huge, INDIRECT_DESC},
	{"an indirect chain of 1024", indirect_too_long, INDIRECT_DESC},
	{"lengths that add up beyond 32 bits", lengths_add_up_beyond_32_bits, INDIRECT_DESC},
};

/* Make the request available and see it used, or the device broken. */
static void run(struct victim *v)
{
	vq_kick(v->q);
	if (v->use->trigger)
		v->use->trigger(v->queues);
}

static void publish(struct victim *v)
{
	v->q->avail->ring[0] = 0;
	v->q->avail->idx = 1;
}

static void expect_served(struct victim *v)
{
	uint32_t id = 0;

	run(v);
	if (!vq_wait(v->q, &id, NULL))
		check_fail("a legal request isn't served, status 0x%x", vdev_status(v->dev));
	else if (id)
		check_fail("chain %u came back, not 0", id);
}

static void expect_broken(struct victim *v)
{
	run(v);
	if (!WAIT_FOR(vdev_status(v->dev) & STATUS_NEEDS_RESET)) {
		check_fail("the device doesn't ask for a reset, status 0x%x, used %u",
			vdev_status(v->dev), shared16(&v->q->used->idx));
		return;
	}
	if (!WAIT_FOR(vdev_read(v->dev, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG))
		check_fail("no config interrupt tells of it");
	if (shared16(&v->q->used->idx))
		check_fail("the bad chain was used");
}

/* What is right afterwards must not help: only a reset does. */
static void expect_dead(struct victim *v)
{
	v->use->build(v->q, &v->r);
	publish(v);
	run(v);
	prove_others(v->dev);
	if (shared16(&v->q->used->idx))
		check_fail("the broken device goes on without a reset");
	if (!(vdev_status(v->dev) & STATUS_NEEDS_RESET))
		check_fail("NEEDS_RESET is gone without a reset");
}

static void attack(struct victim *v, const struct fault *fault)
{
	if ((fault->features & v->dev->features) != fault->features)
		return;
	if (!use_start(v->dev, v->use, fault->features, v->queues, &v->r)) {
		check_begin("%s %s: %s", v->dev->name, v->use->queue_name, fault->name);
		check_fail("the device doesn't start");
		check_end();
		return;
	}
	publish(v);
	if (!fault->apply(v))
		return;
	check_begin("%s %s: %s", v->dev->name, v->use->queue_name, fault->name);
	expect_broken(v);
	if (!check_failed())
		expect_dead(v);
	prove(v->dev);
	check_end();
}

static void legal(struct victim *v, const char *what, uint64_t features)
{
	if ((features & v->dev->features) != features)
		return;
	check_begin("%s %s: %s", v->dev->name, v->use->queue_name, what);
	if (use_start(v->dev, v->use, features, v->queues, &v->r)) {
		publish(v);
		if (features)
			make_indirect(v);
		expect_served(v);
	}
	prove(v->dev);
	check_end();
}

void guest_main(void)
{
	static struct victim v;

	vdev_find_all();
	for (unsigned int d = 0; d < device_count; d++) {
		for (unsigned int u = 0; u < use_count; u++) {
			v.dev = &devices[d];
			v.use = &uses[u];
			if (use_again(v.dev) || !use_of(v.use, v.dev))
				continue;
			v.q = &v.queues[v.use->queue];
			legal(&v, "a legal chain", 0);
			legal(&v, "a legal indirect chain", INDIRECT_DESC);
			for (unsigned int f = 0; f < sizeof(faults) / sizeof(faults[0]); f++)
				attack(&v, &faults[f]);
		}
	}
}
