// SPDX-License-Identifier: Apache-2.0
// Tests of base/le.h: byte order at odd addresses.
#include "base/le.h"

#include "tests/lib/suite.h"

START_TEST(bytes_are_least_significant_first)
{
	static const uint8_t expected[8] = {0xf8, 0xe7, 0xd6, 0xc5, 0xb4, 0xa3, 0x92, 0x81};
	uint8_t bytes[10] = {0};

	le64_store(bytes + 1, 0x8192a3b4c5d6e7f8);
	ck_assert_mem_eq(bytes + 1, expected, 8);
	ck_assert_uint_eq(bytes[0] | bytes[9], 0);
	ck_assert_uint_eq(le16_load(bytes + 1), 0xe7f8);
	ck_assert_uint_eq(le32_load(bytes + 1), 0xc5d6e7f8);
	ck_assert_uint_eq(le64_load(bytes + 1), 0x8192a3b4c5d6e7f8);
}
END_TEST

SUITE("le", bytes_are_least_significant_first)
