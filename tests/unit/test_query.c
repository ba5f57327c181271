// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/query.h.
#include "vmm/query.h"

#include "base/err.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *name;
static bool flag;
static uint64_t number;

/* Return: query_read()'s. */
static int read_query(const char *text)
{
	static char query[256];
	const struct query_field fields[] = {
		{"name", QUERY_STRING, &name},
		{"flag", QUERY_BOOL, &flag},
		{"number", QUERY_UINT, &number},
	};
	struct err err;

	name = NULL;
	flag = false;
	number = 7;
	snprintf(query, sizeof(query), "%s", text);
	return query_read(query, fields, 3, &err);
}

START_TEST(values)
{
	struct err err;

	ck_assert_int_eq(query_read(NULL, NULL, 0, &err), 0);
	ck_assert_int_eq(read_query("name=a%20b+c%2Fd&flag=1&number=18446744073709551615"), 0);
	ck_assert_str_eq(name, "a b c/d");
	ck_assert(flag);
	ck_assert_uint_eq(number, UINT64_MAX);
	ck_assert_int_eq(read_query("flag"), 0);
	ck_assert(flag);
	ck_assert_int_eq(read_query("flag=true"), 0);
	ck_assert(flag);
	ck_assert_int_eq(read_query("flag=false&name="), 0);
	ck_assert(!flag);
	ck_assert_str_eq(name, "");
	ck_assert_uint_eq(number, 7);
	ck_assert_int_eq(read_query("n%61me=x"), 0);
	ck_assert_str_eq(name, "x");
}
END_TEST

START_TEST(faults)
{
	static const char *const bad[] = {"", "&", "flag=1&", "other=1", "flag=1&flag=1", "flag=2",
		"flag=", "number=", "number", "number=-1", "number=+1", "number= 1", "number=1x",
		"number=18446744073709551616", "name", "name=%", "name=%2", "name=%zz", "name=%00",
		"%=x", "Name=x"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(read_query(bad[i]) == -EINVAL, "%s", bad[i]);
}
END_TEST

SUITE("query", values, faults)
