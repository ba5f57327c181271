// SPDX-License-Identifier: Apache-2.0
// Tests of devices/guest_mem.h.
#include "devices/guest_mem.h"

#include "tests/lib/suite.h"

#include <errno.h>

static uint8_t low[0x1000], high[0x2000];

static struct guest_mem two_regions(void)
{
	struct guest_mem mem = {0};

	ck_assert_int_eq(guest_mem_add(&mem, 0x1000, sizeof(low), low), 0);
	ck_assert_int_eq(guest_mem_add(&mem, UINT64_C(1) << 32, sizeof(high), high), 0);
	return mem;
}

START_TEST(every_byte_of_a_region)
{
	struct guest_mem mem = two_regions();

	ck_assert_ptr_eq(guest_mem_ptr(&mem, 0x1000, 0x1000), low);
	ck_assert_ptr_eq(guest_mem_ptr(&mem, 0x1fff, 1), low + 0xfff);
	ck_assert_ptr_eq(guest_mem_ptr(&mem, (UINT64_C(1) << 32) + 5, 0x2000 - 5), high + 5);
}
END_TEST

START_TEST(nothing_else)
{
	struct guest_mem mem = two_regions();

	ck_assert_ptr_null(guest_mem_ptr(&mem, 0xfff, 1));
	ck_assert_ptr_null(guest_mem_ptr(&mem, 0x2000, 1));
	ck_assert_ptr_null(guest_mem_ptr(&mem, 0x1fff, 2));
	ck_assert_ptr_null(guest_mem_ptr(&mem, 0x1000, 0x1001));
	ck_assert_ptr_null(guest_mem_ptr(&mem, 0x1000, 0));
	ck_assert_ptr_null(guest_mem_ptr(&mem, 0x1800, UINT64_MAX));
	ck_assert_ptr_null(guest_mem_ptr(&mem, UINT64_MAX, 2));
}
END_TEST

START_TEST(neighbours_are_not_one)
{
	struct guest_mem mem = {0};

	ck_assert_int_eq(guest_mem_add(&mem, 0x1000, 0x1000, low), 0);
	ck_assert_int_eq(guest_mem_add(&mem, 0x2000, 0x1000, high), 0);
	ck_assert_ptr_null(guest_mem_ptr(&mem, 0x1fff, 2));
}
END_TEST

START_TEST(add_refuses)
{
	struct guest_mem mem = two_regions();

	ck_assert_int_eq(guest_mem_add(&mem, 0x8000, 0, low), -EINVAL);
	ck_assert_int_eq(guest_mem_add(&mem, UINT64_MAX - 1, 0x1000, low), -EINVAL);
	ck_assert_int_eq(guest_mem_add(&mem, 0x8000, 0x1000, NULL), -EINVAL);
	ck_assert_int_eq(guest_mem_add(&mem, 0x1fff, 1, low), -EEXIST);
	ck_assert_int_eq(guest_mem_add(&mem, 0, 0x1001, low), -EEXIST);
	ck_assert_int_eq(guest_mem_add(&mem, 0, 0x1000, low), 0);
	ck_assert_int_eq(guest_mem_add(&mem, 0x2000, 0x1000, low), 0);
	ck_assert_int_eq(guest_mem_add(&mem, 0x8000, 0x1000, low), -ENOSPC);
}
END_TEST

SUITE("guest_mem", every_byte_of_a_region, nothing_else, neighbours_are_not_one, add_refuses)
