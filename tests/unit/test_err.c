// SPDX-License-Identifier: Apache-2.0
// Tests of base/err.h.
#include "base/err.h"

#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

START_TEST(sets_code_and_text)
{
	struct err err;

	ck_assert_int_eq(err_set(&err, -EINVAL, "drive %s: size %d", "a", 7), -EINVAL);
	ck_assert_int_eq(err.code, -EINVAL);
	ck_assert_str_eq(err.msg, "drive a: size 7");
}
END_TEST

START_TEST(null_keeps_the_code)
{
	ck_assert_int_eq(err_set(NULL, -ENOENT, "x"), -ENOENT);
	ck_assert_int_eq(err_errno(NULL, ENOENT, "x"), -ENOENT);
}
END_TEST

START_TEST(errno_text_is_added)
{
	struct err err;

	ck_assert_int_eq(err_errno(&err, ENOENT, "open %s", "/x"), -ENOENT);
	ck_assert_str_eq(err.msg, "open /x: No such file or directory");
}
END_TEST

START_TEST(more_is_added)
{
	static char text[2 * ERR_MSG_MAX];
	struct err err;

	err_set(&err, -EPERM, "no %s", "a");
	ck_assert_int_eq(err_add(&err, "; try\n%d", 7), -EPERM);
	ck_assert_str_eq(err.msg, "no a; try?7");
	memset(text, 'x', sizeof(text) - 1);
	ck_assert_int_eq(err_add(&err, "%s", text), -EPERM);
	ck_assert_uint_eq(strlen(err.msg), ERR_MSG_MAX - 1);
}
END_TEST

START_TEST(stays_one_printable_line)
{
	struct err err;

	err_set(&err, -EINVAL, "name a\nb\x1b[31m");
	ck_assert_str_eq(err.msg, "name a?b?[31m");
}
END_TEST

START_TEST(long_text_is_cut)
{
	static char text[2 * ERR_MSG_MAX];
	struct err err;

	memset(text, 'x', sizeof(text) - 1);
	err_errno(&err, EIO, "%s", text);
	ck_assert_uint_eq(strlen(err.msg), ERR_MSG_MAX - 1);
}
END_TEST

SUITE("err", sets_code_and_text, null_keeps_the_code, errno_text_is_added, more_is_added,
	stays_one_printable_line, long_text_is_cut)
