// SPDX-License-Identifier: Apache-2.0
// The device's side of a split virtqueue.
#include "devices/virtqueue.h"

#include "devices/guest_mem.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

/*
 * Shared 16-bit fields. Guests and hosts are little-endian by the spec; the byte swaps cost
 * nothing where the CPU is.
 */

/* Partner: the driver's write barrier between filling entries and publishing its index. */
static uint16_t shared_load_acquire(const uint16_t *p)
{
	return le16toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

/* Partner: the driver's read barrier between seeing our index and reading the used entries. */
static void shared_store_release(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, htole16(v), __ATOMIC_RELEASE);
}

/* A hint or a ring entry: ordered by something else, but read or written exactly once. */
static uint16_t shared_load(const uint16_t *p)
{
	return le16toh(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static void shared_store(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, htole16(v), __ATOMIC_RELAXED);
}

/* The two wishes of EVENT_IDX lie behind the last ring entry of the other side's ring. */
static const uint16_t *virtq_used_event(const struct virtq *q)
{
	return &q->avail->ring[q->size];
}

static uint16_t *virtq_avail_event(const struct virtq *q)
{
	return (uint16_t *)(void *)&q->used->ring[q->size];
}

/* The ring at @gpa, or NULL if it is misaligned or not RAM. */
static void *virtq_ring(
	const struct guest_mem *mem, uint64_t gpa, unsigned int len, unsigned int align)
{
	return gpa % align ? NULL : guest_mem_ptr(mem, gpa, len);
}

int virtq_start(struct virtq *q, const struct guest_mem *mem, uint64_t features)
{
	unsigned int size = q->size;
	void *desc, *avail, *used;

	if (!size || size > q->size_max || (size & (size - 1)))
		return -EPROTO;
	/* The 6 bytes are flags, idx and the event index. */
	desc = virtq_ring(mem, q->desc_gpa, 16 * size, VRING_DESC_ALIGN_SIZE);
	avail = virtq_ring(mem, q->avail_gpa, 6 + 2 * size, VRING_AVAIL_ALIGN_SIZE);
	used = virtq_ring(mem, q->used_gpa, 6 + 8 * size, VRING_USED_ALIGN_SIZE);
	if (!desc || !avail || !used)
		return -EPROTO;
	q->event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
	q->indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	q->mem = mem;
	q->desc = desc;
	q->avail = avail;
	q->used = used;
	q->last_avail = 0;
	q->used_idx = 0;
	q->used_signalled = 0;
	q->ready = true;
	return 0;
}

int virtq_resume(struct virtq *q, uint16_t last_avail, uint16_t used_idx, uint16_t used_signalled)
{
	if ((uint16_t)(last_avail - used_idx) > q->size)
		return -EPROTO;
	q->last_avail = last_avail;
	q->used_idx = used_idx;
	q->used_signalled = used_signalled;
	return 0;
}

void virtq_stop(struct virtq *q)
{
	*q = (struct virtq){.size_max = q->size_max};
}

/* Append one buffer to the chain. */
static int chain_add(struct virtq_chain *chain, const struct guest_mem *mem, uint64_t gpa,
	uint32_t len, bool writable)
{
	unsigned int count = chain->out_count + chain->in_count;
	uint32_t total = chain->out_len + chain->in_len;
	void *hva;

	if (count == VIRTQ_CHAIN_MAX || __builtin_add_overflow(total, len, &total))
		return -EPROTO;
	if (!writable && chain->in_count)
		return -EPROTO;
	hva = guest_mem_ptr(mem, gpa, len);
	if (!hva)
		return -EPROTO;
	chain->iov[count] = (struct iovec){hva, len};
	if (writable) {
		chain->in_count++;
		chain->in_len += len;
	} else {
		chain->out_count++;
		chain->out_len += len;
	}
	return 0;
}

/* One descriptor, read once: the fence keeps the compiler from going back to guest memory. */
static struct vring_desc desc_load(const struct vring_desc *src)
{
	struct vring_desc d;

	/* An indirect table may lie at any address. */
	memcpy(&d, (const void *)src, sizeof(d));
	atomic_signal_fence(memory_order_seq_cst);
	d.addr = le64toh(d.addr);
	d.len = le32toh(d.len);
	d.flags = le16toh(d.flags);
	d.next = le16toh(d.next);
	return d;
}

/*
 * Follow a chain through one table, from entry @idx. At most @table_len steps: a longer walk has
 * met an entry twice.
 *
 * Return: 0 at its end, 1 when it ends in an indirect descriptor, given in @ret_indirect; -EPROTO.
 */
static int chain_walk(struct virtq_chain *chain, const struct virtq *q, const void *table,
	unsigned int table_len, unsigned int idx, struct vring_desc *ret_indirect)
{
	const uint8_t *entries = table;

	for (unsigned int steps = 0; steps < table_len; steps++) {
		struct vring_desc d;
		int r;

		if (idx >= table_len)
			return -EPROTO;
		d = desc_load((const void *)(entries + 16 * (size_t)idx));
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (!ret_indirect || (d.flags & VRING_DESC_F_NEXT))
				return -EPROTO;
			*ret_indirect = d;
			return 1;
		}
		r = chain_add(chain, q->mem, d.addr, d.len, d.flags & VRING_DESC_F_WRITE);
		if (r < 0)
			return r;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		idx = d.next;
	}
	return -EPROTO;
}

/* Copy the chain that begins at @head. */
static int chain_load(struct virtq_chain *chain, const struct virtq *q, uint16_t head)
{
	struct vring_desc indirect;
	const void *table;
	int r;

	chain->head = head;
	chain->out_count = chain->in_count = 0;
	chain->out_len = chain->in_len = 0;
	r = chain_walk(chain, q, q->desc, q->size, head, q->indirect ? &indirect : NULL);
	if (r <= 0)
		return r;
	/* The spec has us ignore WRITE on the descriptor of a table. */
	if (indirect.len % sizeof(struct vring_desc))
		return -EPROTO;
	table = guest_mem_ptr(q->mem, indirect.addr, indirect.len);
	if (!table)
		return -EPROTO;
	return chain_walk(chain, q, table, indirect.len / sizeof(struct vring_desc), 0, NULL);
}

int virtq_pop(struct virtq *q, struct virtq_chain *chain)
{
	uint16_t avail_idx, head;
	int r;

	if (!q->ready || q->held)
		return 0;
	avail_idx = shared_load_acquire(&q->avail->idx);
	if (avail_idx == q->last_avail)
		return 0;
	/* Waiting ones alone, then with those in flight: each needs a descriptor of its own. */
	if ((uint16_t)(avail_idx - q->last_avail) > q->size ||
		(uint16_t)(avail_idx - q->used_idx) > q->size)
		return -EPROTO;
	head = shared_load(&q->avail->ring[q->last_avail & (q->size - 1)]);
	r = chain_load(chain, q, head);
	if (r < 0)
		return r;
	q->last_avail++;
	return 1;
}

void virtq_unpop(struct virtq *q)
{
	q->last_avail--;
}

void virtq_push_part(struct virtq *q, uint16_t head, uint32_t len)
{
	vring_used_elem_t *elem;

	if (!q->ready)
		return;
	elem = &q->used->ring[q->used_idx & (q->size - 1)];
	elem->id = htole32(head);
	elem->len = htole32(len);
	q->used_idx++;
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t len)
{
	virtq_push_part(q, head, len);
	if (q->ready)
		shared_store_release(&q->used->idx, q->used_idx);
}

bool virtq_should_signal(struct virtq *q)
{
	uint16_t pushed = (uint16_t)(q->used_idx - q->used_signalled);
	uint16_t event;

	if (!q->ready || !pushed)
		return false;
	q->used_signalled = q->used_idx;
	/* Partner: the driver's full barrier between writing its wish and reading used.idx. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!q->event_idx)
		return !(shared_load(&q->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	/* Has used_idx stepped over the event: is it among the last @pushed values? */
	event = shared_load(virtq_used_event(q));
	return (uint16_t)(q->used_idx - event - 1) < pushed;
}

void virtq_quiet(struct virtq *q)
{
	/* With EVENT_IDX the old wish lies behind us, and the driver stays quiet by itself. */
	if (q->ready && !q->held && !q->event_idx)
		shared_store(&q->used->flags, VRING_USED_F_NO_NOTIFY);
}

bool virtq_listen(struct virtq *q)
{
	if (!q->ready || q->held)
		return false;
	if (q->event_idx)
		shared_store(virtq_avail_event(q), q->last_avail);
	else
		shared_store(&q->used->flags, 0);
	/* Partner: the driver's full barrier between writing avail.idx and reading our wish. */
	atomic_thread_fence(memory_order_seq_cst);
	return virtq_pending(q);
}

bool virtq_pending(const struct virtq *q)
{
	return q->ready && !q->held && shared_load_acquire(&q->avail->idx) != q->last_avail;
}
