// SPDX-License-Identifier: Apache-2.0
// Tests of jailer/dir.h, ledger.h and program.h, with directories of whoever runs them.
#include "jailer/dir.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "jailer/ledger.h"
#include "jailer/program.h"
#include "jailer/tree.h"
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static char top[] = "/tmp/hull-jailer-test-XXXXXX";
static struct dir base;
static struct ledger ledger;
static struct err err;

static void setup(void)
{
	umask(022);
	ck_assert_ptr_nonnull(mkdtemp(top));
	base = (struct dir){.fd = open(top, O_RDONLY | O_DIRECTORY), .uid = getuid()};
	ck_assert_int_ge(base.fd, 0);
	snprintf(base.path, sizeof(base.path), "%s", top);
	ledger = (struct ledger){0};
}

static void teardown(void)
{
	char command[64];

	close(base.fd);
	snprintf(command, sizeof(command), "rm -rf %s", top);
	ck_assert_int_eq(system(command), 0);
	memcpy(top + strlen(top) - 6, "XXXXXX", 6);
}

static int make(const char *name, struct dir *ret)
{
	*ret = (struct dir){.fd = -1, .uid = getuid()};
	return dir_make(&base, name, ret, &ledger, &err);
}

static bool there(const char *name)
{
	struct stat st;

	return fstatat(base.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

START_TEST(a_directory_is_made_and_taken_back)
{
	struct dir dir, inner = {.uid = getuid()};
	struct stat st;

	ck_assert_int_eq(make("a", &dir), 0);
	ck_assert(dir.made);
	ck_assert_int_eq(fstat(dir.fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0755);
	ck_assert_int_eq(dir_make(&dir, "b", &inner, &ledger, &err), 0);
	ck_assert(there("a/b"));
	ledger_undo(&ledger);
	ck_assert(!there("a"));
	ck_assert_uint_eq(ledger.count, 0);
}
END_TEST

START_TEST(one_that_is_there_stays)
{
	struct dir dir;

	ck_assert_int_eq(mkdirat(base.fd, "a", 0750), 0);
	ck_assert_int_eq(make("a", &dir), 0);
	ck_assert(!dir.made);
	ledger_undo(&ledger);
	ck_assert(there("a"));
}
END_TEST

START_TEST(what_others_have_put_into_it_stays)
{
	struct dir dir;

	ck_assert_int_eq(make("a", &dir), 0);
	ck_assert_int_eq(mkdirat(dir.fd, "theirs", 0700), 0);
	ledger_undo(&ledger);
	ck_assert(there("a/theirs"));
}
END_TEST

START_TEST(links_are_not_followed)
{
	struct dir dir;

	ck_assert_int_eq(mkdirat(base.fd, "real", 0755), 0);
	ck_assert_int_eq(symlinkat("real", base.fd, "link"), 0);
	ck_assert_int_eq(make("link", &dir), -ELOOP);
	ck_assert_msg(strstr(err.msg, "/link: is a symbolic link"), "%s", err.msg);
	ck_assert_int_eq(symlinkat("nowhere", base.fd, "dangling"), 0);
	ck_assert_int_eq(make("dangling", &dir), -ELOOP);
	ck_assert(!there("nowhere"));
	ck_assert_int_eq(dir_openat(base.fd, "link/..", O_PATH), -ELOOP);
	ck_assert_int_eq(dir_openat(base.fd, "..", O_PATH), -EXDEV);
	ck_assert_int_eq(dir_openat(base.fd, "/tmp", O_PATH), -EXDEV);
	ck_assert_uint_eq(ledger.count, 0);
}
END_TEST

START_TEST(a_file_is_no_directory)
{
	struct dir dir;

	ck_assert_int_eq(mknodat(base.fd, "file", S_IFREG | 0644, 0), 0);
	ck_assert_int_eq(make("file", &dir), -ENOTDIR);
	ck_assert(strstr(err.msg, "/file"));
}
END_TEST

START_TEST(what_others_can_write_is_refused)
{
	static const mode_t modes[] = {0775, 0757, 0777, 01777};
	struct dir dir;

	ck_assert_int_eq(mkdirat(base.fd, "a", 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		char text[16];

		ck_assert_int_eq(fchmodat(base.fd, "a", modes[i], 0), 0);
		ck_assert_int_eq(make("a", &dir), -EPERM);
		snprintf(text, sizeof(text), "%04o", modes[i]);
		ck_assert_msg(strstr(err.msg, text), "%s", err.msg);
	}
	ck_assert_int_eq(fchmodat(base.fd, "a", 0700, 0), 0);
	ck_assert_int_eq(make("a", &dir), 0);
	/* Not of the user that it is for, nor root's. */
	if (getuid() != 0) {
		dir.uid = getuid() + 1;
		ck_assert_int_eq(dir_make(&base, "a", &dir, &ledger, &err), -EPERM);
	} else {
		ck_assert_int_eq(fchownat(base.fd, "a", 12345, 0, 0), 0);
		ck_assert_int_eq(make("a", &dir), -EPERM);
		ck_assert_msg(strstr(err.msg, "belongs to user 12345"), "%s", err.msg);
	}
}
END_TEST

START_TEST(owner_and_mode_are_taken_back)
{
	struct dir dir;
	struct stat st;

	ck_assert_int_eq(mkdirat(base.fd, "a", 0711), 0);
	ck_assert_int_eq(make("a", &dir), 0);
	ck_assert_int_eq(dir_give(&dir, getuid(), getgid(), &ledger, &err), 0);
	ck_assert_int_eq(fstat(dir.fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ledger_undo(&ledger);
	ck_assert_int_eq(fstat(dir.fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0711);
}
END_TEST

START_TEST(a_path_that_is_too_long)
{
	struct dir dir;

	memset(base.path, 'x', sizeof(base.path) - 3);
	base.path[sizeof(base.path) - 3] = '\0';
	ck_assert_int_eq(make("abc", &dir), -ENAMETOOLONG);
	ck_assert(!there("abc"));
}
END_TEST

START_TEST(the_ledger_is_full)
{
	struct dir dir;

	ledger.count = LEDGER_MAX;
	ck_assert_int_eq(make("a", &dir), -ENOSPC);
	ck_assert(!there("a"));
	ledger.count = 0;
}
END_TEST

static int open_program(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return program_open(path, &err);
}

START_TEST(programs_that_cannot_be_run)
{
	ck_assert_int_eq(open_program("none"), -ENOENT);
	ck_assert_int_eq(open_program("."), -EINVAL);
	ck_assert_int_eq(mknodat(base.fd, "fifo", S_IFIFO | 0755, 0), 0);
	ck_assert_int_eq(open_program("fifo"), -EINVAL);
	ck_assert_msg(strstr(err.msg, "is not a regular file"), "%s", err.msg);
	ck_assert_int_eq(mknodat(base.fd, "file", S_IFREG | 0644, 0), 0);
	ck_assert_int_eq(open_program("file"), -EACCES);
	ck_assert_msg(strstr(err.msg, "is not executable (mode 0644)"), "%s", err.msg);
}
END_TEST

START_TEST(a_copy_replaces_nothing)
{
	static struct tree tree;
	struct stat st;
	char data[4];
	int CLEANUP_FD from = openat(base.fd, "from", O_RDWR | O_CREAT, 04711);
	int CLEANUP_FD copy = -1;

	tree = (struct tree){.root = base};
	ck_assert_int_eq(fchmod(from, 04711), 0);
	ck_assert_int_eq(io_write_full(from, "abc", 3), 0);
	ck_assert_int_eq(program_copy(from, &tree, "to", &err), 0);
	copy = openat(base.fd, "to", O_RDONLY);
	ck_assert_int_eq(io_read_full(copy, data, 3), 0);
	ck_assert_int_eq(fstat(copy, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0755);
	ck_assert_int_eq(st.st_size, 3);
	ck_assert_int_eq(program_copy(from, &tree, "to", &err), -EEXIST);
	ledger_undo(&tree.ledger);
	ck_assert(!there("to"));
	ck_assert_int_eq(symlinkat("elsewhere", base.fd, "to"), 0);
	ck_assert_int_eq(program_copy(from, &tree, "to", &err), -EEXIST);
	ck_assert(!there("elsewhere"));
	ck_assert_uint_eq(tree.ledger.count, 0);
}
END_TEST

SUITE_CASES("jailer_dir", setup, teardown, {a_directory_is_made_and_taken_back},
	{one_that_is_there_stays}, {what_others_have_put_into_it_stays}, {links_are_not_followed},
	{a_file_is_no_directory}, {what_others_can_write_is_refused},
	{owner_and_mode_are_taken_back}, {a_path_that_is_too_long}, {the_ledger_is_full},
	{programs_that_cannot_be_run}, {a_copy_replaces_nothing})
