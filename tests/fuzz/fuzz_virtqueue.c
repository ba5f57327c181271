// SPDX-License-Identifier: Apache-2.0
// Attacks devices/virtqueue.h: a legal ring with direct and indirect chains, then changed anywhere
// at any moment.
#include "devices/virtqueue.h"

#include "tests/lib/fake_driver.h"
#include "tests/lib/fuzz_ring.h"

#include <stdlib.h>
#include <string.h>

/*
 * The input: one byte of options (bit 0 EVENT_IDX, bit 1 INDIRECT), then steps of four bytes:
 *
 *     u8 what   STEP_*, modulo their number
 *     u8 where  which field, within what
 *     le16 value
 *
 * After each change the queue is served as a device does, and what it gives is checked.
 */
enum {
	STEP_DESC,     /* where: entry and field of the descriptor table */
	STEP_INDIRECT, /* where: the same in the indirect table */
	STEP_AVAIL,    /* where: index into the available ring, event index included */
	STEP_IDX,      /* avail.idx = value */
	STEP_PUBLISH,  /* one more chain, head = value */
	STEP_PUSH,     /* return what is in flight */
	STEP_ADDRESS,  /* where: which ring address; start anew */
	STEP_COUNT,
};

#define SIZE 8
#define TABLE 8
#define STEPS_MAX 256
#define IN_FLIGHT_MAX SIZE

struct fuzz {
	struct fake_driver f;
	struct fake_queue *fq;
	struct virtq q;
	struct vring_desc *table;
	uint64_t features;
	uint16_t in_flight[IN_FLIGHT_MAX];
	unsigned int in_flight_count;
};

static void legal_ring(struct fuzz *z)
{
	uint64_t data, table_gpa;

	fake_queue_init(&z->f, z->fq, SIZE);
	data = fake_alloc(&z->f, 4096, 16);
	table_gpa = fake_alloc(&z->f, 16 * TABLE, 16);
	z->table = fake_ptr(&z->f, table_gpa);
	z->table[0] = (struct vring_desc){data, 16, VRING_DESC_F_NEXT, 1};
	z->table[1] =
		(struct vring_desc){data + 16, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2};
	z->table[2] = (struct vring_desc){data + 1024, 1, VRING_DESC_F_WRITE, 0};
	fake_desc(z->fq, 0, data, 16, VRING_DESC_F_NEXT, 1);
	fake_desc(z->fq, 1, data + 16, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
	fake_desc(z->fq, 2, data + 1024, 1, VRING_DESC_F_WRITE, 0);
	fake_desc(z->fq, 3, data, 16, 0, 0);
	fake_desc(z->fq, 4, table_gpa, 16 * TABLE, VRING_DESC_F_INDIRECT, 0);
	fake_publish(z->fq, 0);
	fake_publish(z->fq, 3);
	if (z->features >> VIRTIO_RING_F_INDIRECT_DESC & 1)
		fake_publish(z->fq, 4);
	fake_queue_attach(z->fq, &z->q);
}

static void check(const struct fuzz *z, const struct virtq_chain *chain)
{
	uint64_t out = 0, in = 0;

	if (chain->head >= SIZE || chain->out_count + chain->in_count > VIRTQ_CHAIN_MAX)
		abort();
	for (unsigned int i = 0; i < (unsigned int)chain->out_count + chain->in_count; i++) {
		const uint8_t *base = chain->iov[i].iov_base;
		size_t len = chain->iov[i].iov_len;

		if (!len || base < z->f.ram || len > FAKE_RAM_SIZE ||
			base > z->f.ram + FAKE_RAM_SIZE - len)
			abort();
		*(i < chain->out_count ? &out : &in) += len;
	}
	if (out != chain->out_len || in != chain->in_len || out + in > UINT32_MAX)
		abort();
}

/* Take what is there. Keep a few in flight. */
static void serve(struct fuzz *z)
{
	static struct virtq_chain chain;

	virtq_quiet(&z->q);
	while (virtq_pop(&z->q, &chain) == 1) {
		check(z, &chain);
		/* The queue never gives more than it holds. */
		if (z->in_flight_count == IN_FLIGHT_MAX)
			abort();
		z->in_flight[z->in_flight_count++] = chain.head;
	}
	virtq_listen(&z->q);
	virtq_should_signal(&z->q);
}

static void push(struct fuzz *z, uint16_t len)
{
	while (z->in_flight_count)
		virtq_push(&z->q, z->in_flight[--z->in_flight_count], len);
}

static void step(struct fuzz *z, uint8_t what, uint8_t where, uint16_t value)
{
	switch (what % STEP_COUNT) {
	case STEP_DESC:
		fuzz_change_desc(z->fq->desc, SIZE, where, value);
		break;
	case STEP_INDIRECT:
		fuzz_change_desc(z->table, TABLE, where, value);
		break;
	case STEP_AVAIL:
		z->fq->avail->ring[where % (SIZE + 1)] = value;
		break;
	case STEP_IDX:
		z->fq->avail->idx = value;
		break;
	case STEP_PUBLISH:
		fake_publish(z->fq, value);
		break;
	case STEP_PUSH:
		push(z, value);
		break;
	default:
		virtq_stop(&z->q);
		z->in_flight_count = 0;
		fake_queue_attach(z->fq, &z->q);
		if (where % 4 == 0)
			z->q.desc_gpa = fuzz_spread(value);
		else if (where % 4 == 1)
			z->q.avail_gpa = fuzz_spread(value);
		else if (where % 4 == 2)
			z->q.used_gpa = fuzz_spread(value);
		else
			z->q.size = value;
		if (virtq_start(&z->q, &z->f.mem, z->features) < 0) {
			virtq_stop(&z->q);
			fake_queue_attach(z->fq, &z->q);
			if (virtq_start(&z->q, &z->f.mem, z->features) < 0)
				abort();
		}
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz z;

	if (!size)
		return 0;
	if (!z.f.ram)
		fake_driver_init(&z.f);
	/* What a legal ring takes, and what a moved one may reach. */
	memset(z.f.ram, 0, 0x4000);
	memset(z.f.ram + FAKE_RAM_SIZE - 0x4000, 0, 0x4000);
	z.f.next_gpa = FAKE_RAM_GPA;
	z.fq = &z.f.queues[0];
	z.q = (struct virtq){.size_max = SIZE};
	z.in_flight_count = 0;
	z.features = (uint64_t)(data[0] & 1) << VIRTIO_RING_F_EVENT_IDX |
		     (uint64_t)(data[0] >> 1 & 1) << VIRTIO_RING_F_INDIRECT_DESC;
	legal_ring(&z);
	if (virtq_start(&z.q, &z.f.mem, z.features) < 0)
		abort();
	data++;
	size--;
	for (unsigned int i = 0; i < STEPS_MAX && size >= 4; i++, data += 4, size -= 4) {
		step(&z, data[0], data[1], (uint16_t)(data[2] | data[3] << 8));
		serve(&z);
	}
	return 0;
}
