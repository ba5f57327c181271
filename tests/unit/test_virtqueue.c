// SPDX-License-Identifier: Apache-2.0
// Tests of devices/virtqueue.h. Each hostile ring is legal but for one fault.
#include "devices/virtqueue.h"

#include "tests/lib/fake_driver.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <sys/mman.h>

#define SIZE 8
#define EVENT_IDX (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT (UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC)

static struct fake_driver f;
static struct fake_queue *fq;
static struct virtq q;
static struct virtq_chain chain;
static uint64_t out_gpa, in_gpa, table_gpa;
static struct vring_desc *table;

static void setup(uint64_t features)
{
	fake_driver_init(&f);
	fq = &f.queues[0];
	fake_queue_init(&f, fq, SIZE);
	out_gpa = fake_alloc(&f, 4096, 16);
	in_gpa = fake_alloc(&f, 4096, 16);
	table_gpa = fake_alloc(&f, 16 * 300, 16);
	table = fake_ptr(&f, table_gpa);
	q = (struct virtq){.size_max = 16};
	fake_queue_attach(fq, &q);
	ck_assert_int_eq(virtq_start(&q, &f.mem, features), 0);
}

/* A request of 16 bytes out and 512 in, in descriptors 0 and 1. */
static void legal(void)
{
	fake_desc(fq, 0, out_gpa, 16, VRING_DESC_F_NEXT, 1);
	fake_desc(fq, 1, in_gpa, 512, VRING_DESC_F_WRITE, 0);
	fake_publish(fq, 0);
}

/* The same in an indirect table behind descriptor 0. */
static void legal_indirect(void)
{
	table[0] = (struct vring_desc){out_gpa, 16, VRING_DESC_F_NEXT, 1};
	table[1] = (struct vring_desc){in_gpa, 512, VRING_DESC_F_WRITE, 0};
	fake_desc(fq, 0, table_gpa, 32, VRING_DESC_F_INDIRECT, 0);
	fake_publish(fq, 0);
}

static void expect_legal(void)
{
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	ck_assert_uint_eq(chain.head, 0);
	ck_assert_uint_eq(chain.out_count, 1);
	ck_assert_uint_eq(chain.in_count, 1);
	ck_assert_uint_eq(chain.out_len, 16);
	ck_assert_uint_eq(chain.in_len, 512);
	ck_assert_ptr_eq(chain.iov[0].iov_base, fake_ptr(&f, out_gpa));
	ck_assert_uint_eq(chain.iov[0].iov_len, 16);
	ck_assert_ptr_eq(chain.iov[1].iov_base, fake_ptr(&f, in_gpa));
	ck_assert_uint_eq(chain.iov[1].iov_len, 512);
	ck_assert_int_eq(virtq_pop(&q, &chain), 0);
}

static void expect_broken(void)
{
	ck_assert_int_eq(virtq_pop(&q, &chain), -EPROTO);
	/* It stays so. */
	ck_assert_int_eq(virtq_pop(&q, &chain), -EPROTO);
	fake_driver_fini(&f);
}

START_TEST(pops_direct_and_indirect)
{
	setup(0);
	ck_assert_int_eq(virtq_pop(&q, &chain), 0);
	legal();
	expect_legal();
	fake_driver_fini(&f);
	setup(INDIRECT);
	legal_indirect();
	expect_legal();
	fake_driver_fini(&f);
}
END_TEST

START_TEST(stopped_gives_nothing)
{
	setup(0);
	legal();
	virtq_stop(&q);
	ck_assert_int_eq(virtq_pop(&q, &chain), 0);
	ck_assert(!virtq_pending(&q));
	ck_assert(!virtq_listen(&q));
	ck_assert_uint_eq(q.size_max, 16);
	fake_driver_fini(&f);
}
END_TEST

START_TEST(chain_is_a_copy)
{
	setup(0);
	legal();
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	fake_desc(fq, 0, 0, UINT32_MAX, 0xffff, 0xffff);
	ck_assert_ptr_eq(chain.iov[0].iov_base, fake_ptr(&f, out_gpa));
	ck_assert_uint_eq(chain.iov[0].iov_len, 16);
	fake_driver_fini(&f);
}
END_TEST

START_TEST(longest_direct_chain)
{
	setup(0);
	for (uint16_t i = 0; i < SIZE; i++)
		fake_desc(fq, i, out_gpa, 1, i < SIZE - 1 ? VRING_DESC_F_NEXT : 0, i + 1);
	fake_publish(fq, 0);
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	ck_assert_uint_eq(chain.out_count, SIZE);
	fake_driver_fini(&f);
}
END_TEST

START_TEST(indirect_after_direct)
{
	setup(INDIRECT);
	legal_indirect();
	fake_desc(fq, 0, out_gpa + 100, 7, VRING_DESC_F_NEXT, 1);
	/* WRITE means nothing on a table's descriptor, and the table may lie anywhere. */
	memmove((uint8_t *)table + 3, table, 32);
	fake_desc(fq, 1, table_gpa + 3, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	ck_assert_uint_eq(chain.out_count, 2);
	ck_assert_uint_eq(chain.out_len, 23);
	ck_assert_uint_eq(chain.in_count, 1);
	fake_driver_fini(&f);
}
END_TEST

START_TEST(longest_indirect_chain)
{
	setup(INDIRECT);
	for (uint16_t i = 0; i < VIRTQ_CHAIN_MAX + 1; i++)
		table[i] = (struct vring_desc){out_gpa, 1, VRING_DESC_F_NEXT, (uint16_t)(i + 1)};
	table[VIRTQ_CHAIN_MAX - 1].flags = 0;
	fake_desc(fq, 0, table_gpa, 16 * VIRTQ_CHAIN_MAX, VRING_DESC_F_INDIRECT, 0);
	fake_publish(fq, 0);
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	ck_assert_uint_eq(chain.out_count, VIRTQ_CHAIN_MAX);
	/* One more is one too many. */
	table[VIRTQ_CHAIN_MAX - 1].flags = VRING_DESC_F_NEXT;
	table[VIRTQ_CHAIN_MAX].flags = 0;
	fake_desc(fq, 0, table_gpa, 16 * (VIRTQ_CHAIN_MAX + 1), VRING_DESC_F_INDIRECT, 0);
	fake_publish(fq, 0);
	expect_broken();
}
END_TEST

START_TEST(unpop_gives_it_again)
{
	setup(0);
	legal();
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	virtq_unpop(&q);
	expect_legal();
	fake_driver_fini(&f);
}
END_TEST

START_TEST(indices_wrap)
{
	uint32_t id, len, wrong = 0;

	setup(EVENT_IDX);
	/* Check's assertions are too slow for each round. */
	for (uint32_t i = 0; i < 70000; i++) {
		legal();
		wrong += virtq_pop(&q, &chain) != 1;
		virtq_push(&q, chain.head, i);
		wrong += !fake_used(fq, &id, &len) || id != 0 || len != i;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert(!fake_used(fq, &id, &len));
	fake_driver_fini(&f);
}
END_TEST

/* Faults of the available ring */

START_TEST(head_beyond_table)
{
	setup(0);
	legal();
	fq->avail->ring[0] = SIZE;
	expect_broken();
}
END_TEST

START_TEST(index_jumps_ahead)
{
	setup(0);
	legal();
	fq->avail->idx = SIZE;
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	virtq_unpop(&q);
	fq->avail->idx = SIZE + 1;
	expect_broken();
}
END_TEST

START_TEST(index_goes_back)
{
	setup(0);
	legal();
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	virtq_push(&q, 0, 0);
	fq->avail->idx = 0;
	expect_broken();
}
END_TEST

START_TEST(more_in_flight_than_the_queue_holds)
{
	setup(0);
	legal();
	fq->avail->idx = SIZE;
	for (int i = 0; i < SIZE; i++)
		ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	fq->avail->idx = SIZE + 1;
	expect_broken();
}
END_TEST

/* Faults of a chain */

START_TEST(next_beyond_table)
{
	setup(0);
	legal();
	fq->desc[0].next = SIZE;
	expect_broken();
}
END_TEST

START_TEST(chain_loops)
{
	setup(0);
	legal();
	fq->desc[1].flags |= VRING_DESC_F_NEXT;
	fq->desc[1].next = 1;
	expect_broken();
}
END_TEST

START_TEST(readable_after_writable)
{
	setup(0);
	legal();
	fq->desc[1].flags |= VRING_DESC_F_NEXT;
	fq->desc[1].next = 2;
	fake_desc(fq, 2, out_gpa, 1, 0, 0);
	expect_broken();
}
END_TEST

START_TEST(empty_buffer)
{
	setup(0);
	legal();
	fq->desc[1].len = 0;
	expect_broken();
}
END_TEST

START_TEST(buffer_outside_ram)
{
	setup(0);
	legal();
	fq->desc[1].addr = FAKE_RAM_GPA - 1024;
	expect_broken();
}
END_TEST

START_TEST(buffer_leaves_ram)
{
	setup(0);
	legal();
	fq->desc[1].addr = FAKE_RAM_GPA + FAKE_RAM_SIZE - 511;
	expect_broken();
}
END_TEST

START_TEST(buffer_wraps)
{
	setup(0);
	legal();
	fq->desc[1].addr = UINT64_MAX - 100;
	expect_broken();
}
END_TEST

START_TEST(lengths_exceed_32_bits)
{
	const uint64_t huge = UINT64_C(3) << 30;
	const uint64_t gpa = UINT64_C(1) << 32;
	void *hva = mmap(NULL, huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ck_assert_ptr_ne(hva, MAP_FAILED);
	setup(0);
	ck_assert_int_eq(guest_mem_add(&f.mem, gpa, huge, hva), 0);
	fake_desc(fq, 0, gpa, 0x80000000, VRING_DESC_F_NEXT, 1);
	fake_desc(fq, 1, gpa, 0x7fffffff, VRING_DESC_F_WRITE, 0);
	fake_publish(fq, 0);
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	fq->desc[1].len = 0x80000000;
	fake_publish(fq, 0);
	expect_broken();
	munmap(hva, huge);
}
END_TEST

/* Faults of an indirect table */

START_TEST(indirect_not_negotiated)
{
	setup(0);
	legal_indirect();
	expect_broken();
}
END_TEST

START_TEST(indirect_with_next)
{
	setup(INDIRECT);
	legal_indirect();
	fq->desc[0].flags |= VRING_DESC_F_NEXT;
	fq->desc[0].next = 1;
	fake_desc(fq, 1, in_gpa, 1, VRING_DESC_F_WRITE, 0);
	expect_broken();
}
END_TEST

START_TEST(indirect_nested)
{
	setup(INDIRECT);
	legal_indirect();
	table[1] = (struct vring_desc){table_gpa + 160, 16, VRING_DESC_F_INDIRECT, 0};
	table[10] = (struct vring_desc){in_gpa, 512, VRING_DESC_F_WRITE, 0};
	expect_broken();
}
END_TEST

START_TEST(indirect_odd_length)
{
	setup(INDIRECT);
	legal_indirect();
	fq->desc[0].len = 40;
	expect_broken();
}
END_TEST

START_TEST(indirect_empty)
{
	setup(INDIRECT);
	legal_indirect();
	fq->desc[0].len = 0;
	expect_broken();
}
END_TEST

START_TEST(indirect_outside_ram)
{
	setup(INDIRECT);
	legal_indirect();
	fq->desc[0].addr = FAKE_RAM_GPA + FAKE_RAM_SIZE - 16;
	expect_broken();
}
END_TEST

START_TEST(indirect_next_beyond_table)
{
	setup(INDIRECT);
	legal_indirect();
	table[0].next = 2;
	table[2] = table[1];
	expect_broken();
}
END_TEST

START_TEST(indirect_loops)
{
	setup(INDIRECT);
	legal_indirect();
	table[1].flags |= VRING_DESC_F_NEXT;
	table[1].next = 1;
	expect_broken();
}
END_TEST

/* Starting */

#define EXPECT_START_REFUSED(change)                                                               \
	do {                                                                                       \
		setup(0);                                                                          \
		virtq_stop(&q);                                                                    \
		fake_queue_attach(fq, &q);                                                         \
		change;                                                                            \
		ck_assert_int_eq(virtq_start(&q, &f.mem, 0), -EPROTO);                             \
		ck_assert(!q.ready);                                                               \
		fake_driver_fini(&f);                                                              \
	} while (0)

START_TEST(start_refuses)
{
	const uint64_t end = FAKE_RAM_GPA + FAKE_RAM_SIZE;

	EXPECT_START_REFUSED(q.size = 0);
	EXPECT_START_REFUSED(q.size = 6);
	EXPECT_START_REFUSED(q.size = 32);
	EXPECT_START_REFUSED(q.desc_gpa += 8);
	EXPECT_START_REFUSED(q.avail_gpa += 1);
	EXPECT_START_REFUSED(q.used_gpa += 2);
	EXPECT_START_REFUSED(q.desc_gpa = end - 16 * SIZE + 16);
	EXPECT_START_REFUSED(q.avail_gpa = end - 6 - 2 * SIZE + 2);
	EXPECT_START_REFUSED(q.used_gpa = (end - 6 - 8 * SIZE + 4) & ~3ULL);
	EXPECT_START_REFUSED(q.desc_gpa = 0);
	EXPECT_START_REFUSED(q.avail_gpa = UINT64_MAX - 1);
}
END_TEST

/* Signals and kicks */

static void push_some(int n)
{
	while (n--) {
		legal();
		ck_assert_int_eq(virtq_pop(&q, &chain), 1);
		virtq_push(&q, chain.head, 0);
	}
}

START_TEST(signal_by_flags)
{
	setup(0);
	ck_assert(!virtq_should_signal(&q));
	push_some(1);
	ck_assert(virtq_should_signal(&q));
	ck_assert(!virtq_should_signal(&q));
	push_some(1);
	fq->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	ck_assert(!virtq_should_signal(&q));
	fake_driver_fini(&f);
}
END_TEST

START_TEST(signal_by_event_index)
{
	setup(EVENT_IDX);
	fq->avail->flags = VRING_AVAIL_F_NO_INTERRUPT; /* has no meaning here */
	fq->avail->ring[SIZE] = 3;
	push_some(3);
	ck_assert(!virtq_should_signal(&q));
	push_some(1);
	ck_assert(virtq_should_signal(&q));
	push_some(1);
	ck_assert(!virtq_should_signal(&q));
	/* Stepped over in a batch. */
	fq->avail->ring[SIZE] = 6;
	push_some(4);
	ck_assert(virtq_should_signal(&q));
	/* An event far ahead, so also one just behind, is quiet. */
	fq->avail->ring[SIZE] = 4;
	push_some(2);
	ck_assert(!virtq_should_signal(&q));
	fake_driver_fini(&f);
}
END_TEST

START_TEST(kicks_by_flags)
{
	setup(0);
	virtq_quiet(&q);
	ck_assert_uint_eq(fq->used->flags, VRING_USED_F_NO_NOTIFY);
	ck_assert(!virtq_listen(&q));
	ck_assert_uint_eq(fq->used->flags, 0);
	legal();
	ck_assert(virtq_listen(&q));
	fake_driver_fini(&f);
}
END_TEST

START_TEST(kicks_by_event_index)
{
	const uint16_t *event;

	setup(EVENT_IDX);
	event = (const uint16_t *)(const void *)&fq->used->ring[SIZE];
	push_some(5);
	virtq_quiet(&q);
	ck_assert_uint_eq(*event, 0);
	ck_assert_uint_eq(fq->used->flags, 0);
	ck_assert(!virtq_listen(&q));
	ck_assert_uint_eq(*event, 5);
	legal();
	ck_assert(virtq_listen(&q));
	fake_driver_fini(&f);
}
END_TEST

START_TEST(resumes)
{
	setup(0);
	fq->avail->idx = fq->used->idx = 0xfffe;
	ck_assert_int_eq(virtq_resume(&q, 0xfffe, 0xfffe, 0xfffe), 0);
	legal();
	expect_legal();
	virtq_push(&q, chain.head, 1);
	ck_assert_uint_eq(fq->used->idx, 0xffff);
	ck_assert_uint_eq(fq->used->ring[0xfffe % SIZE].len, 1);
	ck_assert(virtq_should_signal(&q));
	/* As many in flight as it holds, and one more. */
	ck_assert_int_eq(virtq_resume(&q, 3, 3 - SIZE, 0), 0);
	ck_assert_int_eq(virtq_resume(&q, 4, 3 - SIZE, 0), -EPROTO);
	ck_assert_int_eq(virtq_resume(&q, 2, 3, 0), -EPROTO);
	fake_driver_fini(&f);
}
END_TEST

START_TEST(unpop_twice)
{
	setup(0);
	legal();
	fake_desc(fq, 2, in_gpa, 512, VRING_DESC_F_WRITE, 0);
	fake_publish(fq, 2);
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	virtq_unpop(&q);
	virtq_unpop(&q);
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	ck_assert_uint_eq(chain.head, 0);
	fake_driver_fini(&f);
}
END_TEST

SUITE("virtqueue", resumes, unpop_twice, pops_direct_and_indirect, stopped_gives_nothing,
	chain_is_a_copy, longest_direct_chain, indirect_after_direct, longest_indirect_chain,
	unpop_gives_it_again, indices_wrap, head_beyond_table, index_jumps_ahead, index_goes_back,
	more_in_flight_than_the_queue_holds, next_beyond_table, chain_loops,
	readable_after_writable, empty_buffer, buffer_outside_ram, buffer_leaves_ram, buffer_wraps,
	lengths_exceed_32_bits, indirect_not_negotiated, indirect_with_next, indirect_nested,
	indirect_odd_length, indirect_empty, indirect_outside_ram, indirect_next_beyond_table,
	indirect_loops, start_refuses, signal_by_flags, signal_by_event_index, kicks_by_flags,
	kicks_by_event_index)
