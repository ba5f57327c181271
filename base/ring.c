// SPDX-License-Identifier: Apache-2.0
// A fixed-size byte ring.
#include "base/ring.h"

#include <assert.h>
#include <string.h>

void ring_init(struct ring *ring, void *data, uint32_t size)
{
	assert(size && !(size & (size - 1)));
	*ring = (struct ring){.data = data, .size = size};
}

/* @n bytes from position @pos as pieces; @n is at most the ring's size. */
static int ring_iov(const struct ring *ring, uint32_t pos, uint32_t n, struct iovec *iov)
{
	uint32_t start = pos & (ring->size - 1);
	uint32_t first = ring->size - start;

	if (!n)
		return 0;
	if (first > n)
		first = n;
	iov[0] = (struct iovec){ring->data + start, first};
	if (first == n)
		return 1;
	iov[1] = (struct iovec){ring->data, n - first};
	return 2;
}

int ring_read_iov(const struct ring *ring, struct iovec *iov)
{
	return ring_iov(ring, ring->head, ring_used(ring), iov);
}

int ring_write_iov(const struct ring *ring, struct iovec *iov)
{
	return ring_iov(ring, ring->tail, ring_free(ring), iov);
}

void ring_consume(struct ring *ring, uint32_t n)
{
	assert(n <= ring_used(ring));
	ring->head += n;
}

void ring_produce(struct ring *ring, uint32_t n)
{
	assert(n <= ring_free(ring));
	ring->tail += n;
}

uint32_t ring_put(struct ring *ring, const void *data, uint32_t n)
{
	const uint8_t *src = data;
	struct iovec iov[2];
	int count;

	if (n > ring_free(ring))
		n = ring_free(ring);
	count = ring_iov(ring, ring->tail, n, iov);
	for (int i = 0; i < count; i++) {
		memcpy(iov[i].iov_base, src, iov[i].iov_len);
		src += iov[i].iov_len;
	}
	ring->tail += n;
	return n;
}

uint32_t ring_get(struct ring *ring, void *data, uint32_t n)
{
	uint8_t *dst = data;
	struct iovec iov[2];
	int count;

	if (n > ring_used(ring))
		n = ring_used(ring);
	count = ring_iov(ring, ring->head, n, iov);
	for (int i = 0; i < count; i++) {
		memcpy(dst, iov[i].iov_base, iov[i].iov_len);
		dst += iov[i].iov_len;
	}
	ring->head += n;
	return n;
}
