// SPDX-License-Identifier: Apache-2.0
// Tests of base/buf.h.
#include "base/buf.h"

#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

START_TEST(grows_and_drops)
{
	struct buf buf = BUF_INIT(10000);

	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(buf_add(&buf, "0123456789", 10), 0);
	ck_assert_uint_eq(buf.len, 10000);
	buf_drop(&buf, 9993);
	ck_assert_uint_eq(buf.len, 7);
	ck_assert_mem_eq(buf.data, "3456789", 7);
	buf_drop(&buf, 100);
	ck_assert_uint_eq(buf.len, 0);
	buf_fini(&buf);
}
END_TEST

START_TEST(ceiling_holds)
{
	struct buf buf = BUF_INIT(4);

	ck_assert_int_eq(buf_add(&buf, "abcd", 4), 0);
	ck_assert_int_eq(buf_add(&buf, "e", 1), -EMSGSIZE);
	ck_assert_int_eq(buf_reserve(&buf, SIZE_MAX), -EMSGSIZE);
	ck_assert_uint_eq(buf.len, 4);
	ck_assert_mem_eq(buf.data, "abcd", 4);
	buf_fini(&buf);
}
END_TEST

START_TEST(prints_without_nul)
{
	struct buf buf = BUF_INIT(100);

	ck_assert_int_eq(buf_printf(&buf, "%s-%d", "a", 42), 0);
	ck_assert_int_eq(buf_printf(&buf, "!"), 0);
	ck_assert_uint_eq(buf.len, 5);
	ck_assert_mem_eq(buf.data, "a-42!", 5);
	buf_fini(&buf);
	buf_fini(NULL);
}
END_TEST

SUITE("buf", grows_and_drops, ceiling_holds, prints_without_nul)
