// SPDX-License-Identifier: Apache-2.0
// Tests of jailer/options.h.
#include "jailer/options.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/suite.h"

#include <string.h>

#define ARGUMENTS_MAX 80
#define NEEDED "--id vm-1 --exec-file /opt/firecracker --uid 123 --gid 100"

static char text[8192];
static char *arguments[ARGUMENTS_MAX];
static struct options options;
static struct err err;

/* Words are parted by single spaces; '_' stands for none. */
static int parse(const char *line)
{
	static char name[] = "hull-jailer";
	int count = 1;

	snprintf(text, sizeof(text), "%s", line);
	memset(arguments, 0, sizeof(arguments));
	arguments[0] = name;
	for (char *word, *rest = text; (word = strsep(&rest, " "));)
		arguments[count++] = strcmp(word, "_") ? word : word + 1;
	err.msg[0] = '\0';
	return options_parse(count, arguments, &options, &err);
}

static void expect_fault(const char *line, const char *message)
{
	ck_assert_int_eq(parse(line), -EINVAL);
	ck_assert_msg(strstr(err.msg, message), "%s: '%s'", line, err.msg);
}

START_TEST(what_is_needed_is_enough)
{
	ck_assert_int_eq(parse(NEEDED), OPTIONS_RUN);
	ck_assert_str_eq(options.id, "vm-1");
	ck_assert_str_eq(options.exec_file, "/opt/firecracker");
	ck_assert_str_eq(options.exec_name, "firecracker");
	ck_assert_uint_eq(options.uid, 123);
	ck_assert_uint_eq(options.gid, 100);
	ck_assert_str_eq(options.base, "/srv/jailer");
	ck_assert_ptr_null(options.netns);
	ck_assert_uint_eq(options.cgroup_version, 1);
	ck_assert_uint_eq(options.cgroup_count, 0);
	ck_assert_str_eq(options.parent_cgroup, "firecracker");
	ck_assert(!options.parent_given && !options.daemonize && !options.new_pid_ns);
	ck_assert_uint_eq(options.no_file, 2048);
	ck_assert(!options.fsize_given);
	ck_assert_ptr_null(options.arguments[0]);
}
END_TEST

START_TEST(all_that_can_be_given)
{
	ck_assert_int_eq(
		parse("--netns /run/netns/a --cgroup cpu.max=1 --cgroup io.max=8:0=9 "
		      "--cgroup-version 2 --parent-cgroup a/b.c --resource-limit no-file=9 "
		      "--resource-limit fsize=0 --resource-limit no-file=10 --daemonize "
		      "--new-pid-ns --chroot-base-dir /b " NEEDED " -- --id x --daemonize"),
		OPTIONS_RUN);
	ck_assert_str_eq(options.netns, "/run/netns/a");
	ck_assert_uint_eq(options.cgroup_count, 2);
	ck_assert_str_eq(options.cgroups[0].file, "cpu.max");
	ck_assert_str_eq(options.cgroups[0].value, "1");
	ck_assert_str_eq(options.cgroups[1].file, "io.max");
	ck_assert_str_eq(options.cgroups[1].value, "8:0=9");
	ck_assert_uint_eq(options.cgroup_version, 2);
	ck_assert_str_eq(options.parent_cgroup, "a/b.c");
	ck_assert(options.parent_given && options.daemonize && options.new_pid_ns);
	ck_assert_uint_eq(options.no_file, 10);
	ck_assert(options.fsize_given);
	ck_assert_uint_eq(options.fsize, 0);
	ck_assert_str_eq(options.base, "/b");
	ck_assert_str_eq(options.id, "vm-1");
	ck_assert_str_eq(options.arguments[0], "--id");
	ck_assert_str_eq(options.arguments[2], "--daemonize");
	ck_assert_ptr_null(options.arguments[3]);
}
END_TEST

START_TEST(help_and_version_need_nothing)
{
	ck_assert_int_eq(parse("--help"), OPTIONS_HELP);
	ck_assert_int_eq(parse("--id a --version --nonsense"), OPTIONS_VERSION);
}
END_TEST

START_TEST(what_is_missing_is_named)
{
	expect_fault("--exec-file f --uid 1 --gid 1", "--id is missing");
	expect_fault("--id a --uid 1 --gid 1", "--exec-file is missing");
	expect_fault("--id a --exec-file f --gid 1", "--uid is missing");
	expect_fault("--id a --exec-file f --uid 1", "--gid is missing");
	expect_fault(NEEDED " --netns", "--netns needs a value");
	expect_fault(NEEDED " --nonsense", "unknown option '--nonsense'");
	expect_fault(NEEDED " more", "unexpected argument 'more'");
}
END_TEST

START_TEST(what_is_given_twice_is_refused)
{
	static const char *const twice[] = {"--id a", "--exec-file f", "--uid 1", "--gid 1",
		"--chroot-base-dir /b", "--netns /n", "--cgroup-version 1", "--parent-cgroup p",
		"--daemonize", "--new-pid-ns"};
	char line[256], message[64];

	for (size_t i = 0; i < ARRAY_SIZE(twice); i++) {
		snprintf(line, sizeof(line), "%s %s", twice[i], twice[i]);
		snprintf(message, sizeof(message), "%.*s is given more than once",
			(int)strcspn(twice[i], " "), twice[i]);
		expect_fault(line, message);
	}
}
END_TEST

START_TEST(ids)
{
	char line[128] = "--id ";

	memset(line + 5, 'a', 64);
	ck_assert_int_eq(parse(line), -EINVAL);
	ck_assert_msg(strstr(err.msg, "--exec-file is missing"), "%s", err.msg);
	line[69] = 'a';
	expect_fault(line, "not 1 to 64");
	expect_fault("--id _", "not 1 to 64");
	expect_fault("--id ../x", "other characters");
	expect_fault("--id a/b", "other characters");
	expect_fault("--id a_b", "other characters");
	expect_fault("--id .", "other characters");
	expect_fault("--id \xc3\xa4", "other characters");
}
END_TEST

START_TEST(users)
{
	ck_assert_int_eq(parse("--id a --exec-file f --uid 0 --gid 4294967294"), OPTIONS_RUN);
	ck_assert_uint_eq(options.uid, 0);
	ck_assert_uint_eq(options.gid, 4294967294u);
	/* The kernel takes it for "as it is". */
	expect_fault("--uid 4294967295", "--uid: '4294967295' is not a number");
	expect_fault("--gid 4294967296", "--gid: '4294967296' is not a number");
	expect_fault("--uid 99999999999999999999", "is not a number");
	expect_fault("--uid -1", "is not a number");
	expect_fault("--uid +1", "is not a number");
	expect_fault("--gid 1x", "is not a number");
	expect_fault("--gid _", "is not a number");
	expect_fault("--uid root", "is not a number");
}
END_TEST

START_TEST(exec_files)
{
	char line[400] = "--exec-file /";

	expect_fault("--exec-file _", "is not the path of a file");
	expect_fault("--exec-file /", "is not the path of a file");
	expect_fault("--exec-file /usr/bin/", "is not the path of a file");
	expect_fault("--exec-file a/..", "is not the path of a file");
	expect_fault("--exec-file .", "is not the path of a file");
	memset(line + 13, 'f', OPTIONS_EXEC_NAME_MAX + 1);
	expect_fault(line, "more than 251 bytes");
	line[13 + OPTIONS_EXEC_NAME_MAX] = '\0';
	expect_fault(line, "--id is missing");
}
END_TEST

START_TEST(cgroups)
{
	char line[8192] = NEEDED;

	expect_fault("--cgroup cpu.max", "is not FILE=VALUE");
	expect_fault("--cgroup cpu.max=", "is not FILE=VALUE");
	expect_fault("--cgroup =1", "not one of a controller's");
	expect_fault("--cgroup tasks=1", "not one of a controller's");
	expect_fault("--cgroup .max=1", "not one of a controller's");
	expect_fault("--cgroup cpu.=1", "not one of a controller's");
	expect_fault("--cgroup cpu=1.5", "not one of a controller's");
	expect_fault("--cgroup ../cpu.max=1", "not one of a controller's");
	expect_fault("--cgroup cpu./../x=1", "not one of a controller's");
	expect_fault("--cgroup-version 3", "neither 1 nor 2");
	expect_fault("--cgroup-version v2", "neither 1 nor 2");
	expect_fault("--cgroup-version _", "neither 1 nor 2");
	for (int i = 0; i < 30; i++)
		strcat(line, " --cgroup a.b=1");
	ck_assert_int_eq(parse(line), OPTIONS_RUN);
	ck_assert_uint_eq(options.cgroup_count, 30);
}
END_TEST

START_TEST(parent_cgroups)
{
	static const char *const bad[] = {"_", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a",
		"a/./b", "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"};
	static const char *const good[] = {
		"a", "a/b", "...", "a.b/..c", "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"};
	char line[256];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(line, sizeof(line), "--parent-cgroup %s", bad[i]);
		expect_fault(line, "is not a relative path");
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(line, sizeof(line), NEEDED " --parent-cgroup %s", good[i]);
		ck_assert_msg(parse(line) == OPTIONS_RUN, "%s: %s", good[i], err.msg);
	}
}
END_TEST

START_TEST(resource_limits)
{
	expect_fault("--resource-limit nofile=1", "is neither no-file=N nor fsize=BYTES");
	expect_fault("--resource-limit no-file", "is neither");
	expect_fault("--resource-limit no-file=", "'' is not a number");
	expect_fault("--resource-limit fsize=1k", "'1k' is not a number");
	expect_fault("--resource-limit fsize=-1", "'-1' is not a number");
	expect_fault("--resource-limit no-file=18446744073709551616", "is not a number");
}
END_TEST

SUITE("jailer_options", what_is_needed_is_enough, all_that_can_be_given,
	help_and_version_need_nothing, what_is_missing_is_named, what_is_given_twice_is_refused,
	ids, users, exec_files, cgroups, parent_cgroups, resource_limits)
