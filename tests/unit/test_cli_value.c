// SPDX-License-Identifier: Apache-2.0
// Tests of cli/value.h: what is a number, a size, a name.
#include "cli/value.h"

#include "base/err.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <inttypes.h>

START_TEST(numbers_are_whole_and_in_range)
{
	static const char *const malformed[] = {
		"", " 1", "1 ", "+1", "-1", "1.5", "0x1", "1e3", "one"};
	uint64_t n;
	struct err err;

	ck_assert_int_eq(value_number("1", 1, 32, &n, &err), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(value_number("032", 1, 32, &n, &err), 0);
	ck_assert_uint_eq(n, 32);
	ck_assert_int_eq(value_number("18446744073709551615", 0, UINT64_MAX, &n, &err), 0);
	ck_assert_uint_eq(n, UINT64_MAX);
	ck_assert_int_eq(value_number("0", 1, 32, &n, &err), -ERANGE);
	ck_assert_int_eq(value_number("33", 1, 32, &n, &err), -ERANGE);
	ck_assert_int_eq(value_number("18446744073709551617", 1, 32, &n, &err), -ERANGE);
	ck_assert_int_eq(value_number("184467440737095516170000", 1, 32, &n, &err), -ERANGE);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		ck_assert_int_eq(value_number(malformed[i], 0, 32, &n, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "\"one\" is not a whole number from 0 to 32");
}
END_TEST

START_TEST(sizes_have_suffixes)
{
	static const struct {
		const char *text;
		uint64_t size;
	} good[] = {
		{"0", 0},
		{"4096", 4096},
		{"17b", 17},
		{"4k", 4096},
		{"512M", UINT64_C(512) << 20},
		{"2GiB", UINT64_C(2) << 30},
		{"3gb", UINT64_C(3) << 30},
		{"1T", UINT64_C(1) << 40},
		{"8388608T", UINT64_C(1) << 63},
	};
	static const char *const malformed[] = {
		"", "M", "1.5G", "-1M", "1X", "1MM", "1MiBs", "1 M", "1bb", "1i"};
	uint64_t size;
	struct err err;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_int_eq(value_size(good[i].text, &size, &err), 0);
		ck_assert_uint_eq(size, good[i].size);
	}
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		ck_assert_int_eq(value_size(malformed[i], &size, &err), -EINVAL);
	ck_assert_int_eq(value_size("8388609T", &size, &err), -ERANGE);
	ck_assert_int_eq(value_size("99999999999999999999", &size, &err), -ERANGE);
	ck_assert_int_eq(value_size("99999999999999999999K", &size, &err), -ERANGE);
}
END_TEST

static const char sixty_four[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char sixty_five[] =
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefx";

START_TEST(names)
{
	static const char *const bad[] = {"", ".a", "-a", "_a", "a/b", "a b", "\xc3\xa4", "a\n"};
	struct err err;

	ck_assert_int_eq(value_name("a", &err), 0);
	ck_assert_int_eq(value_name("0a_b.c-D", &err), 0);
	ck_assert_int_eq(value_name(sixty_four, &err), 0);
	ck_assert_int_eq(value_name(sixty_five, &err), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(value_name(bad[i], &err), -EINVAL);
}
END_TEST

START_TEST(host_names)
{
	static const char *const bad[] = {
		"", ".", ".a", "a.", "a..b", "-a", "a-", "a.-b", "a-.b", "a/b", "a b"};
	struct err err;

	ck_assert_int_eq(value_hostname("a", &err), 0);
	ck_assert_int_eq(value_hostname("web-1.example.org", &err), 0);
	ck_assert_int_eq(value_hostname("my_box", &err), 0);
	ck_assert_int_eq(value_hostname(sixty_four, &err), 0);
	ck_assert_int_eq(value_hostname(sixty_five, &err), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(value_hostname(bad[i], &err), -EINVAL);
	/* All that may be in it is told. */
	ck_assert_ptr_nonnull(strstr(err.msg, "'_'"));
}
END_TEST

SUITE("cli_value", numbers_are_whole_and_in_range, sizes_have_suffixes, names, host_names)
