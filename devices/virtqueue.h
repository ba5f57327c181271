// SPDX-License-Identifier: Apache-2.0
// The device's side of a split virtqueue.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * Theory of operation
 *
 * A virtqueue is three arrays in guest memory. The driver owns the first two, the device the last:
 *
 *     descriptor table           available ring              used ring
 *     (driver writes)            (driver writes)             (device writes)
 *     +---------------+          flags  1 = don't interrupt  flags  1 = don't kick
 *   0 | addr len      |          idx    counts up for ever   idx    counts up for ever
 *     | flags next ---|--+       +------+                    +-------------+
 *   1 |               |  |    0  | head |--> table index  0  | id  len     | id = that head,
 *     +---------------+  |    1  | head |                 1  | id  len     | len = bytes written
 *   2 |        <------|--+       |  ..  |                    |  ..         |
 *     |  ..           |          +------+                    +-------------+
 *     +---------------+          used_event                  avail_event
 *
 * The driver describes a request as a chain of descriptors (readable ones first, then those the
 * device may write), puts the chain's head in avail[idx % size], then increments avail.idx. The
 * device takes heads from its own last_avail up to avail.idx, in that order, serves them in any
 * order, puts each in used[idx % size] and increments used.idx. Index values are never reduced
 * modulo the size, so idx - last_avail, modulo 2^16, counts what is waiting; more than the queue's
 * size is nonsense.
 *
 * A descriptor may instead point to an indirect table, a chain of its own elsewhere in memory.
 *
 * Without EVENT_IDX each side's flags can silence the other. With it, each side writes the index
 * at which it next wants to hear: the driver used_event, the device avail_event. The other side
 * signals when its own idx steps over that value. Both sides write an index, then read the
 * other's wish; the full fence between the two is what prevents a lost wake-up.
 *
 * All of it is hostile memory that may change at any moment. A chain is therefore copied from the
 * table once, into locals, checked, and handed out as iovecs of this process: later changes in the
 * rings can't move them. The bytes the iovecs point to stay the guest's.
 *
 * Spec: virtio 1.2 2.7
 */

struct guest_mem;

/* Largest queue a device may offer. */
#define VIRTQ_SIZE_MAX 1024
/*
 * Most buffers in one chain, indirect ones included: what VIRTQ_CHAIN_MAX iovecs hold, and well
 * below IOV_MAX, so that a chain is always one system call. A direct chain is also at most as long
 * as its queue. (An indirect table may be longer than the queue: Linux makes such tables when a
 * queue is small.)
 */
#define VIRTQ_CHAIN_MAX 256

/*
 * struct virtq - one queue
 * @size_max:	power of two up to VIRTQ_SIZE_MAX, or 0; set by the device's constructor, constant
 * @size, @desc_gpa, @avail_gpa, @used_gpa: what the driver wants; untrusted; set by the transport
 *		before virtq_start()
 * @ready:	the queue is started
 * @held:	the VM is paused: nothing is taken from the queue, nothing said to the driver; set
 *		and cleared by the transport
 *
 * The rest is valid while ready. last_avail: next avail entry to take. used_idx: next used entry
 * to fill. used_signalled: used_idx when the driver was last asked whether it wants to know.
 *
 * Context: loop.
 */
struct virtq {
	uint16_t size_max;
	uint16_t size;
	bool ready;
	bool held;
	uint64_t desc_gpa;
	uint64_t avail_gpa;
	uint64_t used_gpa;

	bool event_idx;
	bool indirect;
	const struct guest_mem *mem;
	const struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t last_avail;
	uint16_t used_idx;
	uint16_t used_signalled;
};

/*
 * struct virtq_chain - one request, as copied from the ring
 * @head:	for virtq_push()
 * @out_count, @out_len: readable iovecs iov[0 ..] and their bytes
 * @in_count, @in_len: writable iovecs, iov[out_count ..], and their bytes
 *
 * Every iovec is RAM and not empty; out_len + in_len fits 32 bits. 4 KiB: don't put many on a
 * stack.
 */
struct virtq_chain {
	uint16_t head;
	uint16_t out_count;
	uint16_t in_count;
	uint32_t out_len;
	uint32_t in_len;
	struct iovec iov[VIRTQ_CHAIN_MAX];
};

/*
 * virtq_start() - check the driver's addresses and begin at index 0
 * @features:	what the driver accepted: VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC
 *
 * Return: 0; -EPROTO if the size is not a power of two up to size_max, or a ring is misaligned or
 * not all RAM.
 */
int virtq_start(struct virtq *q, const struct guest_mem *mem, uint64_t features);

/*
 * virtq_resume() - go on at saved indices, right after virtq_start()
 * @last_avail, @used_idx, @used_signalled: as in struct virtq; untrusted
 *
 * Return: 0; -EPROTO if more would be in flight than the queue holds.
 */
int virtq_resume(struct virtq *q, uint16_t last_avail, uint16_t used_idx, uint16_t used_signalled);

/* virtq_stop() - forget all but size_max; virtq_pop() then gives nothing. */
void virtq_stop(struct virtq *q);

/*
 * virtq_pop() - take the next chain
 * @chain:	has a meaning only when 1 is returned
 *
 * Return: 1; 0 when there is none, or the queue isn't ready or is held; -EPROTO when the ring is
 * broken: an avail index that jumped, more chains in flight than the queue holds, a head or next
 * beyond the table, a chain longer than the queue or VIRTQ_CHAIN_MAX (so also a loop), a readable
 * buffer after a writable one, a buffer that is empty or not RAM, lengths that add up beyond 32
 * bits, an indirect table that wasn't negotiated, is nested, has a next, or a length that is not a
 * multiple of 16.
 */
int virtq_pop(struct virtq *q, struct virtq_chain *chain);

/*
 * virtq_unpop() - give back the chain popped last, untouched; the next pop gives it again
 *
 * May be repeated: the last two, and so on, as long as none of them was pushed.
 */
void virtq_unpop(struct virtq *q);

/*
 * virtq_push() - return a chain to the driver
 * @head:	of a popped chain that was not yet pushed
 * @len:	bytes written to its writable part, from its beginning
 *
 * Signal afterwards, once for many: virtq_should_signal().
 */
void virtq_push(struct virtq *q, uint16_t head, uint32_t len);

/* virtq_push_part() - as virtq_push(), but the driver sees it only with the next virtq_push(): for
 * chains that belong together. */
void virtq_push_part(struct virtq *q, uint16_t head, uint32_t len);

/* virtq_should_signal() - does the driver want an interrupt for what was pushed since the last
 * time this was asked? */
bool virtq_should_signal(struct virtq *q);

/*
 * virtq_quiet() / virtq_listen() - do without kicks while the queue is being emptied; want them
 * again
 *
 *     do {
 *             virtq_quiet(q);
 *             while (virtq_pop(q, &chain) == 1)
 *                     ...
 *     } while (virtq_listen(q));
 *
 * Return: (listen) true if something came meanwhile, so that no kick will tell.
 */
void virtq_quiet(struct virtq *q);
bool virtq_listen(struct virtq *q);

/* virtq_pending() - is there an entry to take? A bad index counts as one: virtq_pop() will tell. */
bool virtq_pending(const struct virtq *q);
