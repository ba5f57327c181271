// SPDX-License-Identifier: Apache-2.0
// Tests of base/ring.h.
#include "base/ring.h"

#include "tests/lib/suite.h"

#include <string.h>

START_TEST(wraps_in_order)
{
	uint8_t mem[8], out[8];
	struct ring ring;

	ring_init(&ring, mem, sizeof(mem));
	for (int i = 0; i < 100; i++) {
		ck_assert_uint_eq(ring_put(&ring, "abcde", 5), 5);
		ck_assert_uint_eq(ring_get(&ring, out, 8), 5);
		ck_assert_mem_eq(out, "abcde", 5);
	}
}
END_TEST

START_TEST(positions_wrap_at_2_32)
{
	uint8_t mem[8], out[8];
	struct ring ring;

	ring_init(&ring, mem, sizeof(mem));
	ring.head = ring.tail = UINT32_MAX - 2;
	ck_assert_uint_eq(ring_put(&ring, "abcdefghij", 10), 8);
	ck_assert_uint_eq(ring_free(&ring), 0);
	ck_assert_uint_eq(ring_get(&ring, out, 8), 8);
	ck_assert_mem_eq(out, "abcdefgh", 8);
}
END_TEST

START_TEST(pieces_cover_used_and_free)
{
	uint8_t mem[8];
	struct iovec iov[2];
	struct ring ring;

	ring_init(&ring, mem, sizeof(mem));
	ck_assert_int_eq(ring_read_iov(&ring, iov), 0);
	ck_assert_int_eq(ring_write_iov(&ring, iov), 1);
	ring_produce(&ring, 6);
	ring_consume(&ring, 6);
	ck_assert_int_eq(ring_write_iov(&ring, iov), 2);
	ck_assert_ptr_eq(iov[0].iov_base, mem + 6);
	ck_assert_uint_eq(iov[0].iov_len, 2);
	ck_assert_ptr_eq(iov[1].iov_base, mem);
	ck_assert_uint_eq(iov[1].iov_len, 6);
	ring_produce(&ring, 8);
	ck_assert_int_eq(ring_write_iov(&ring, iov), 0);
}
END_TEST

SUITE("ring", wraps_in_order, positions_wrap_at_2_32, pieces_cover_used_and_free)
