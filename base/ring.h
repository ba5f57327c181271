// SPDX-License-Identifier: Apache-2.0
// A fixed-size byte ring over caller-provided memory, with iovecs for readv and writev.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * struct ring - a FIFO of bytes
 *
 *      head                tail           head and tail only grow and wrap at 2^32;
 *       v                   v             the byte at position p is data[p & (size - 1)];
 *   ----[#### used ########]----          used = tail - head, free = size - used.
 *
 * @size:	a power of two, at most 2^31
 *
 * One thread. The memory belongs to the caller.
 */
struct ring {
	uint8_t *data;
	uint32_t size;
	uint32_t head;
	uint32_t tail;
};

void ring_init(struct ring *ring, void *data, uint32_t size);

static inline uint32_t ring_used(const struct ring *ring)
{
	return ring->tail - ring->head;
}

static inline uint32_t ring_free(const struct ring *ring)
{
	return ring->size - ring_used(ring);
}

/* ring_put() - append as much of @n bytes as fits. Return: how many were taken. */
uint32_t ring_put(struct ring *ring, const void *data, uint32_t n);

/* ring_get() - take up to @n bytes from the front. Return: how many were given. */
uint32_t ring_get(struct ring *ring, void *data, uint32_t n);

/*
 * ring_read_iov() / ring_write_iov() - the used / free space as at most two pieces
 * @iov:	array of 2, filled in order
 *
 * Return: the number of pieces, 0 to 2.
 */
int ring_read_iov(const struct ring *ring, struct iovec *iov);
int ring_write_iov(const struct ring *ring, struct iovec *iov);

/* ring_consume() / ring_produce() - move head / tail after I/O on those pieces; @n must fit. */
void ring_consume(struct ring *ring, uint32_t n);
void ring_produce(struct ring *ring, uint32_t n);
