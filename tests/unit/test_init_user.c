// SPDX-License-Identifier: Apache-2.0
// Tests of guest-init/user.h.
#include "guest-init/user.h"

#include "tests/lib/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char passwd_good[] = "root:x:0:0:root:/root:/bin/sh\n"
				  "alice:x:1000:1001:Alice,,,:/home/alice:/bin/sh\n"
				  "1234:x:77:78::/odd:/bin/sh\n"
				  "last:x:5:6::/l:/bin/sh";
static const char group_good[] = "root:x:0:\n"
				 "wheel:x:10:root,alice\n"
				 "audio:x:11:alic,alicea,,bob\n"
				 "video:x:12:alice\n"
				 "last:x:13:x,alice";

/* Copies of exact size: reading beyond the end shows under ASan. */
static int lookup(const char *spec, const char *passwd, size_t passwd_len, const char *group,
	struct user *ret, struct err *err)
{
	size_t group_len = strlen(group);
	char *p = malloc(passwd_len ? passwd_len : 1), *g = malloc(group_len ? group_len : 1);
	struct user_file passwd_file = {p, passwd_len}, group_file = {g, group_len};
	int r;

	memcpy(p, passwd, passwd_len);
	memcpy(g, group, group_len);
	r = user_lookup(spec, &passwd_file, &group_file, ret, err);
	free(p);
	free(g);
	return r;
}

static int good(const char *spec, struct user *ret)
{
	struct err err;

	return lookup(spec, passwd_good, strlen(passwd_good), group_good, ret, &err);
}

START_TEST(names_and_numbers)
{
	struct user user;

	ck_assert_int_eq(good("", &user), 0);
	ck_assert_uint_eq(user.uid, 0);
	ck_assert_uint_eq(user.gid, 0);
	ck_assert_str_eq(user.home, "/root");
	ck_assert_uint_eq(user.n_groups, 2);
	ck_assert_uint_eq(user.groups[0], 0);
	ck_assert_uint_eq(user.groups[1], 10);

	ck_assert_int_eq(good("alice", &user), 0);
	ck_assert_uint_eq(user.uid, 1000);
	ck_assert_uint_eq(user.gid, 1001);
	ck_assert_str_eq(user.home, "/home/alice");
	ck_assert_uint_eq(user.n_groups, 4);
	ck_assert_uint_eq(user.groups[0], 1001);
	ck_assert_uint_eq(user.groups[1], 10);
	ck_assert_uint_eq(user.groups[2], 12);
	ck_assert_uint_eq(user.groups[3], 13);

	/* The account of a number is the account of its name. */
	ck_assert_int_eq(good("1000", &user), 0);
	ck_assert_uint_eq(user.gid, 1001);
	ck_assert_uint_eq(user.n_groups, 4);

	/* A number without an account. */
	ck_assert_int_eq(good("4000", &user), 0);
	ck_assert_uint_eq(user.uid, 4000);
	ck_assert_uint_eq(user.gid, 0);
	ck_assert_uint_eq(user.n_groups, 1);
	ck_assert_uint_eq(user.groups[0], 0);
	ck_assert_str_eq(user.home, "/");

	/* A name that looks like a number. */
	ck_assert_int_eq(good("1234", &user), 0);
	ck_assert_uint_eq(user.uid, 77);

	/* No newline at the end of the file. */
	ck_assert_int_eq(good("last", &user), 0);
	ck_assert_uint_eq(user.uid, 5);
}
END_TEST

START_TEST(groups_by_name_and_number)
{
	struct user user;

	ck_assert_int_eq(good("alice:video", &user), 0);
	ck_assert_uint_eq(user.uid, 1000);
	ck_assert_uint_eq(user.gid, 12);
	ck_assert_uint_eq(user.n_groups, 1);
	ck_assert_uint_eq(user.groups[0], 12);
	ck_assert_int_eq(good("alice:4242", &user), 0);
	ck_assert_uint_eq(user.gid, 4242);
	ck_assert_int_eq(good("7:last", &user), 0);
	ck_assert_uint_eq(user.uid, 7);
	ck_assert_uint_eq(user.gid, 13);
	ck_assert_int_eq(good(":wheel", &user), 0);
	ck_assert_uint_eq(user.uid, 0);
	ck_assert_uint_eq(user.gid, 10);
}
END_TEST

START_TEST(empty_group_is_none)
{
	struct user user;

	ck_assert_int_eq(good("alice:", &user), 0);
	ck_assert_uint_eq(user.uid, 1000);
	ck_assert_uint_eq(user.gid, 1001);
	ck_assert_uint_eq(user.n_groups, 4);
	ck_assert_int_eq(good("4000:", &user), 0);
	ck_assert_uint_eq(user.uid, 4000);
	ck_assert_uint_eq(user.gid, 0);
	ck_assert_int_eq(good(":", &user), 0);
	ck_assert_uint_eq(user.uid, 0);
	ck_assert_uint_eq(user.gid, 0);
	ck_assert_str_eq(user.home, "/root");
	ck_assert_uint_eq(user.n_groups, 2);
}
END_TEST

START_TEST(refused)
{
	struct user user;
	struct err err;

	ck_assert_int_eq(
		lookup("bob", passwd_good, strlen(passwd_good), group_good, &user, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "bob"));
	ck_assert_int_eq(
		lookup("alice:bob", passwd_good, strlen(passwd_good), group_good, &user, &err),
		-ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, "bob"));
	ck_assert_int_eq(good("alice:video:x", &user), -EINVAL);
	ck_assert_int_eq(good("alice::", &user), -EINVAL);
	ck_assert_int_eq(good("alic", &user), -ENOENT);
	ck_assert_int_eq(good("alice2", &user), -ENOENT);
	ck_assert_int_eq(good("-1", &user), -ENOENT);
	ck_assert_int_eq(good("+1", &user), -ENOENT);
	ck_assert_int_eq(good(" 1", &user), -ENOENT);
	ck_assert_int_eq(good("2147483647", &user), 0);
	ck_assert_int_eq(good("2147483648", &user), -ERANGE);
	ck_assert_int_eq(good("4294967295", &user), -ERANGE);
	ck_assert_int_eq(good("4294967296", &user), -ERANGE);
	ck_assert_int_eq(good("18446744073709551616", &user), -ERANGE);
	ck_assert_int_eq(good("0:4294967295", &user), -ERANGE);
}
END_TEST

START_TEST(no_files)
{
	struct user user;
	struct err err;

	ck_assert_int_eq(lookup("", "", 0, "", &user, &err), 0);
	ck_assert_uint_eq(user.uid, 0);
	ck_assert_str_eq(user.home, "/");
	ck_assert_int_eq(lookup("5:6", "", 0, "", &user, &err), 0);
	ck_assert_uint_eq(user.uid, 5);
	ck_assert_uint_eq(user.gid, 6);
	ck_assert_int_eq(lookup("root", "", 0, "", &user, &err), -ENOENT);
}
END_TEST

/* Each line claims to be "eve" and must not be believed; the last one is real. */
START_TEST(hostile_lines)
{
	static const char passwd[] = "\n"
				     ":::::::\n"
				     "eve\n"
				     "eve:x:1\n"
				     "eve:x::1::/h:\n"
				     "eve:x:1:::/h:\n"
				     "eve:x:-1:1::/h:\n"
				     "eve:x:0x1:1::/h:\n"
				     "eve:x:4294967295:1::/h:\n"
				     "eve:x:4294967296:1::/h:\n"
				     "eve:x:99999999999999999999999:1::/h:\n"
				     "eve\0:x:1:1::/h:\n"
				     " eve:x:1:1::/h:\n"
				     "+eve:x:1:1::/h:\n"
				     "eve:x:50:51";
	struct user user;
	struct err err;

	ck_assert_int_eq(lookup("eve", passwd, sizeof(passwd) - 1, "", &user, &err), 0);
	ck_assert_uint_eq(user.uid, 50);
	ck_assert_uint_eq(user.gid, 51);
	ck_assert_str_eq(user.home, "/");
}
END_TEST

START_TEST(hostile_homes)
{
	static char passwd[8192];
	struct user user;
	struct err err;

	ck_assert_int_eq(lookup("a", "a:x:1:2::rel:s\n", 15, "", &user, &err), 0);
	ck_assert_str_eq(user.home, "/");
	snprintf(passwd, sizeof(passwd), "a:x:1:2::/%05000d:s\n", 0);
	ck_assert_int_eq(lookup("a", passwd, strlen(passwd), "", &user, &err), 0);
	ck_assert_str_eq(user.home, "/");
}
END_TEST

START_TEST(too_many_groups)
{
	static char group[USER_GROUPS_MAX * 16 + 32];
	struct user user;
	struct err err;
	size_t len = 0;

	for (int i = 0; i < USER_GROUPS_MAX; i++)
		len += (size_t)snprintf(group + len, sizeof(group) - len, "g:x:%d:a\n", i);
	ck_assert_int_eq(lookup("a", "a:x:1:2::/:s\n", 13, group, &user, &err), 0);
	ck_assert_uint_eq(user.n_groups, USER_GROUPS_MAX);
	snprintf(group + len, sizeof(group) - len, "g:x:9999:a\n");
	ck_assert_int_eq(lookup("a", "a:x:1:2::/:s\n", 13, group, &user, &err), -E2BIG);
}
END_TEST

SUITE("init_user", names_and_numbers, groups_by_name_and_number, empty_group_is_none, refused,
	no_files, hostile_lines, hostile_homes, too_many_groups)
