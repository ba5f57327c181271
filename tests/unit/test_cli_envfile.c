// SPDX-License-Identifier: Apache-2.0
// Tests of cli/envfile.h and cli/strlist.h: environment entries and files of them.
#include "cli/envfile.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "cli/strlist.h"
#include "tests/lib/suite.h"

#include <string.h>
#include <sys/mman.h>

/* Read @len bytes of @text as an environment file. */
static int read_text(struct strlist *list, const char *text, size_t len, struct err *err)
{
	int CLEANUP_FD fd = memfd_create("env", MFD_CLOEXEC);
	char path[32];

	ck_assert_int_eq(io_write_full(fd, text, len), 0);
	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	return envfile_read(list, path, err);
}

START_TEST(entries_replace_earlier_ones)
{
	struct strlist list = {0};

	ck_assert_int_eq(env_entry_add(&list, "A=1", NULL), 0);
	ck_assert_int_eq(env_entry_add(&list, "AB=2", NULL), 0);
	ck_assert_int_eq(env_entry_add(&list, "A=3=4", NULL), 0);
	ck_assert_int_eq(env_entry_add(&list, "E=", NULL), 0);
	ck_assert_uint_eq(list.count, 3);
	ck_assert_str_eq(strlist_get_env(&list, "A"), "3=4");
	ck_assert_str_eq(strlist_get_env(&list, "AB"), "2");
	ck_assert_str_eq(strlist_get_env(&list, "E"), "");
	ck_assert_ptr_null(strlist_get_env(&list, "B"));
	ck_assert_ptr_null(list.items[3]);
	strlist_fini(&list);
}
END_TEST

START_TEST(name_alone_takes_the_value_from_here)
{
	struct strlist list = {0};

	setenv("HULL_TEST_SET", "here", 1);
	unsetenv("HULL_TEST_UNSET");
	ck_assert_int_eq(env_entry_add(&list, "HULL_TEST_SET", NULL), 0);
	ck_assert_int_eq(env_entry_add(&list, "HULL_TEST_UNSET", NULL), 0);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_str_eq(list.items[0], "HULL_TEST_SET=here");
	strlist_fini(&list);
}
END_TEST

START_TEST(entries_need_a_name)
{
	struct strlist list = {0};
	struct err err;

	ck_assert_int_eq(env_entry_add(&list, "", &err), -EINVAL);
	ck_assert_int_eq(env_entry_add(&list, "=x", &err), -EINVAL);
	ck_assert_str_eq(err.msg, "\"=x\" has no variable name");
	ck_assert_int_eq(env_entry_add(&list, "A B=x", &err), -EINVAL);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(files_have_comments_and_no_quoting)
{
	static const char text[] =
		"\xef\xbb\xbf# comment\nA=\"x\" \n\n  \n\t B=2\r\n#C=3\nD=#4\nE= 5";
	struct strlist list = {0};
	struct err err;

	ck_assert_int_eq(read_text(&list, text, sizeof(text) - 1, &err), 0);
	ck_assert_uint_eq(list.count, 4);
	ck_assert_str_eq(list.items[0], "A=\"x\" ");
	ck_assert_str_eq(list.items[1], "B=2");
	ck_assert_str_eq(list.items[2], "D=#4");
	ck_assert_str_eq(list.items[3], "E= 5");
	strlist_fini(&list);
}
END_TEST

START_TEST(file_errors_name_file_and_line)
{
	struct strlist list = {0};
	struct err err;
	size_t size = ENVFILE_MAX + 1;
	char CLEANUP_FREE *big = malloc(size);

	ck_assert_int_eq(read_text(&list, "A=1\n\n=2\n", 8, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, ":3: \"=2\" has no variable name"));
	ck_assert_int_eq(read_text(&list, "A=\0", 3, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "NUL"));
	memset(big, 'x', size);
	ck_assert_int_eq(read_text(&list, big, size, &err), -EFBIG);
	ck_assert_int_eq(envfile_read(&list, "/nonexistent/env", &err), -ENOENT);
	ck_assert_str_eq(err.msg, "/nonexistent/env: No such file or directory");
	ck_assert_int_eq(envfile_read(&list, "/", &err), -EISDIR);
	strlist_fini(&list);
}
END_TEST

START_TEST(lists_are_bounded)
{
	struct strlist list = {0};

	for (int i = 0; i < STRLIST_MAX; i++)
		ck_assert_int_eq(strlist_add(&list, "x"), 0);
	ck_assert_int_eq(strlist_add(&list, "x"), -E2BIG);
	ck_assert_uint_eq(list.count, STRLIST_MAX);
	strlist_fini(&list);
	strlist_fini(&list);
}
END_TEST

SUITE("cli_envfile", entries_replace_earlier_ones, name_alone_takes_the_value_from_here,
	entries_need_a_name, files_have_comments_and_no_quoting, file_errors_name_file_and_line,
	lists_are_bounded)
