// SPDX-License-Identifier: Apache-2.0
// Tests of cli/subids.h: files in a folder of the test's own.
#include "cli/subids.h"

#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/hull-test-subids-XXXXXX";
static int etc;

static void setup(void)
{
	strcpy(dir, "/tmp/hull-test-subids-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	etc = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(etc, 0);
}

static void teardown(void)
{
	unlinkat(etc, "subuid", 0);
	unlinkat(etc, "subgid", 0);
	unlinkat(etc, "lock", 0);
	close(etc);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void file(const char *name, const char *text)
{
	int fd = openat(etc, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int choose(struct subids *ids)
{
	int lock = openat(etc, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(lock, 0);
	return subids_choose(ids, etc, lock, 1000, "user");
}

START_TEST(no_two_have_the_same)
{
	struct subids ids[4];

	file("subuid", "other:7:9\nuser:100000:3\n");
	file("subgid", "user:200000:65536\n");
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(choose(&ids[i]), 0);
		ck_assert_uint_ge(ids[i].uid, 100000);
		ck_assert_uint_lt(ids[i].uid, 100003);
		ck_assert_uint_eq(ids[i].gid - 200000, ids[i].uid - 100000);
		for (int n = 0; n < i; n++)
			ck_assert_uint_ne(ids[i].uid, ids[n].uid);
	}
	ck_assert_int_eq(choose(&ids[3]), -ENOENT);
	ck_assert_int_eq(ids[3].lock_fd, -1);
	subids_release(&ids[1]);
	ck_assert_int_eq(choose(&ids[3]), 0);
	subids_release(&ids[0]);
	subids_release(&ids[2]);
	subids_release(&ids[3]);
}
END_TEST

START_TEST(a_user_by_number)
{
	struct subids ids;

	file("subuid", "1000:100000:1\n");
	file("subgid", "1000:300000:1");
	ck_assert_int_eq(choose(&ids), 0);
	ck_assert_uint_eq(ids.uid, 100000);
	ck_assert_uint_eq(ids.gid, 300000);
	subids_release(&ids);
}
END_TEST

static const char *const none[] = {
	"",
	"user\n",
	"user:100000\n",
	"user:100000:0\n",
	"user:0:65536\n",
	"user:-5:10\n",
	"user: 5:10\n",
	"user:5:10x\n",
	"user:4294967295:1\n",
	"user:4294967000:1000\n",
	"user:99999999999999999999:1\n",
	"users:5:10\n",
	"use:5:10\n",
	"10000:5:10\n",
	":5:10\n",
};

START_TEST(lines_that_give_nothing)
{
	struct subids ids;

	file("subuid", none[_i]);
	file("subgid", "user:200000:65536\n");
	ck_assert_int_eq(choose(&ids), -ENOENT);
	file("subuid", "user:200000:65536\n");
	file("subgid", none[_i]);
	ck_assert_int_eq(choose(&ids), -ENOENT);
}
END_TEST

/* No line, however long, is taken for two. */
START_TEST(a_long_line)
{
	char text[600];
	struct subids ids;

	snprintf(text, sizeof(text), "%0511duser:5:10\n", 0);
	file("subuid", text);
	file("subgid", "user:200000:65536\n");
	ck_assert_int_eq(choose(&ids), -ENOENT);
}
END_TEST

/* Nobody writes to it: that isn't waited for. */
START_TEST(a_fifo)
{
	struct subids ids;

	ck_assert_int_eq(mkfifoat(etc, "subuid", 0600), 0);
	file("subgid", "user:200000:65536\n");
	ck_assert_int_eq(choose(&ids), -ENOENT);
}
END_TEST

START_TEST(files_that_are_missing)
{
	struct subids ids;

	ck_assert_int_eq(choose(&ids), -ENOENT);
	file("subuid", "user:200000:65536\n");
	ck_assert_int_eq(choose(&ids), -ENOENT);
}
END_TEST

SUITE_CASES("cli_subids", setup, teardown, {no_two_have_the_same}, {a_user_by_number},
	{lines_that_give_nothing, sizeof(none) / sizeof(none[0])}, {a_long_line}, {a_fifo},
	{files_that_are_missing})
