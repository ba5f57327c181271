// SPDX-License-Identifier: Apache-2.0
// Tests of jailer/cgroups.h on files that look like a host's hierarchies.
#include "jailer/cgroups.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "jailer/devices.h"
#include "jailer/ledger.h"
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static char top[] = "/tmp/hull-jailer-test-XXXXXX";
static struct options options;
static struct cgroups cgroups;
static struct ledger ledger;
static struct err err;
static char process[64];

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return path;
}

/* The folders above it are made, too. */
static void put(const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s", path_of(name));
	for (char *p = path + strlen(top) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		ck_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
		*p = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_full(fd, text, strlen(text)), 0);
	close(fd);
}

static const char *get(const char *name)
{
	static char text[256];
	int fd = open(path_of(name), O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	ck_assert_msg(n >= 0, "%s", name);
	text[n] = '\0';
	close(fd);
	return text;
}

static void setup(void)
{
	char mounts[2048];

	ck_assert_ptr_nonnull(mkdtemp(top));
	snprintf(process, sizeof(process), "%s/self", top);
	snprintf(mounts, sizeof(mounts),
		"proc /proc proc rw 0 0\n"
		"cgroup %s/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0\n"
		"cgroup %s/cpu\\040set cgroup rw,cpuset 0 0\n"
		"cgroup2 %s/unified cgroup2 rw,nsdelegate 0 0\n",
		top, top, top);
	put("self/mounts", mounts);
	put("self/cgroup", "4:cpu,cpuacct:/before\n3:cpuset:/\n0::/user/before\n");
	options = (struct options){
		.id = "vm", .exec_name = "fc", .parent_cgroup = "fc", .cgroup_version = 1};
	memset(&cgroups, 0, sizeof(cgroups));
	ledger.count = 0;
}

static void teardown(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", top);
	ck_assert_int_eq(system(command), 0);
	memcpy(top + strlen(top) - 6, "XXXXXX", 6);
}

static void ask(const char *file, const char *value)
{
	options.cgroups[options.cgroup_count++] =
		(struct options_cgroup){.file = file, .value = value};
}

static int make(void)
{
	return cgroups_make(&cgroups, &options, process, &ledger, &err);
}

START_TEST(hierarchies_are_found)
{
	char path[CGROUPS_PATH_MAX], expected[128];

	ck_assert_int_eq(cgroups_find(path_of("self/mounts"), 1, "cpuacct", path, &err), 0);
	snprintf(expected, sizeof(expected), "%s/cpu,cpuacct", top);
	ck_assert_str_eq(path, expected);
	ck_assert_int_eq(cgroups_find(path_of("self/mounts"), 1, "cpuset", path, &err), 0);
	snprintf(expected, sizeof(expected), "%s/cpu set", top);
	ck_assert_str_eq(path, expected);
	ck_assert_int_eq(cgroups_find(path_of("self/mounts"), 2, "cpu", path, &err), 0);
	snprintf(expected, sizeof(expected), "%s/unified", top);
	ck_assert_str_eq(path, expected);
	ck_assert_int_eq(cgroups_find(path_of("self/mounts"), 1, "memory", path, &err), -ENOENT);
	ck_assert_msg(strstr(err.msg, "controller 'memory'"), "%s", err.msg);
	ck_assert_int_eq(cgroups_find(path_of("self/mounts"), 1, "rw", path, &err), 0);
	put("self/mounts", "cgroup2\ncgroup2 /a\n\n cgroup2 cgroup2\n");
	ck_assert_int_eq(cgroups_find(path_of("self/mounts"), 2, "cpu", path, &err), -ENOENT);
	ck_assert_int_eq(cgroups_find(path_of("none"), 2, "cpu", path, &err), -ENOENT);
}
END_TEST

START_TEST(version_1)
{
	put("cpu,cpuacct/before/tasks", "");
	put("cpu,cpuacct/fc/vm/cpu.shares", "");
	put("cpu,cpuacct/fc/vm/cpu.cfs_quota_us", "");
	put("cpu,cpuacct/fc/vm/tasks", "");
	ask("cpu.shares", "512");
	ask("cpu.cfs_quota_us", "1000");
	ck_assert_msg(make() == 0, "%s", err.msg);
	ck_assert_str_eq(get("cpu,cpuacct/fc/vm/cpu.shares"), "512");
	ck_assert_str_eq(get("cpu,cpuacct/fc/vm/cpu.cfs_quota_us"), "1000");
	/* One cgroup, entered once. */
	ck_assert_uint_eq(cgroups.count, 1);
	ck_assert_int_eq(cgroups_enter(&cgroups, &err), 0);
	ck_assert_str_eq(get("cpu,cpuacct/fc/vm/tasks"), "0");
	cgroups_leave(&cgroups);
	ck_assert_str_eq(get("cpu,cpuacct/before/tasks"), "0");
}
END_TEST

START_TEST(version_1_fills_cpusets)
{
	put("cpu set/cpuset.cpus", "0-3\n");
	put("cpu set/cpuset.mems", "0-1\n");
	put("cpu set/fc/cpuset.cpus", "");
	put("cpu set/fc/cpuset.mems", "1\n");
	put("cpu set/fc/vm/cpuset.cpus", "");
	put("cpu set/fc/vm/cpuset.mems", "");
	put("cpu set/fc/vm/tasks", "");
	ask("cpuset.cpus", "2");
	ck_assert_msg(make() == 0, "%s", err.msg);
	ck_assert_str_eq(get("cpu set/fc/cpuset.cpus"), "0-3");
	ck_assert_str_eq(get("cpu set/fc/cpuset.mems"), "1\n");
	/* A real one is cut to what is written. */
	ck_assert_int_eq(strncmp(get("cpu set/fc/vm/cpuset.cpus"), "2", 1), 0);
	ck_assert_str_eq(get("cpu set/fc/vm/cpuset.mems"), "1");
}
END_TEST

START_TEST(a_cpuset_with_nothing_above)
{
	put("cpu set/cpuset.cpus", "");
	put("cpu set/fc/cpuset.cpus", "");
	put("cpu set/fc/vm/cpuset.cpus", "");
	ask("cpuset.cpus", "2");
	ck_assert_int_eq(make(), -ENODATA);
	ck_assert_msg(strstr(err.msg, "cpuset.cpus"), "%s", err.msg);
}
END_TEST

START_TEST(version_2_hands_controllers_down)
{
	options.cgroup_version = 2;
	options.parent_cgroup = "a/b";
	put("unified/cgroup.controllers", "cpuset cpu memory\n");
	put("unified/cgroup.subtree_control", "cpu\n");
	put("unified/a/cgroup.subtree_control", "");
	put("unified/a/b/cgroup.subtree_control", "");
	put("unified/a/b/vm/cpu.max", "");
	put("unified/a/b/vm/cgroup.procs", "");
	put("unified/user/before/cgroup.procs", "");
	ask("cpu.max", "1000 10000");
	ck_assert_msg(make() == 0, "%s", err.msg);
	/* What is enabled is left alone. */
	ck_assert_str_eq(get("unified/cgroup.subtree_control"), "cpu\n");
	ck_assert_str_eq(get("unified/a/cgroup.subtree_control"), "+cpu");
	ck_assert_str_eq(get("unified/a/b/cgroup.subtree_control"), "+cpu");
	ck_assert_str_eq(get("unified/a/b/vm/cpu.max"), "1000 10000");
	ck_assert_int_eq(cgroups_enter(&cgroups, &err), 0);
	ck_assert_str_eq(get("unified/a/b/vm/cgroup.procs"), "0");
	cgroups_leave(&cgroups);
	ck_assert_str_eq(get("unified/user/before/cgroup.procs"), "0");
}
END_TEST

START_TEST(a_controller_that_is_not_there)
{
	options.cgroup_version = 2;
	put("unified/cgroup.controllers", "cpuset memory\n");
	ask("cpu.max", "1000");
	ck_assert_int_eq(make(), -ENOENT);
	ck_assert_msg(strstr(err.msg, "no controller 'cpu', only: cpuset memory"), "%s", err.msg);
	ledger_undo(&ledger);
	ck_assert_int_ne(access(path_of("unified/fc"), F_OK), 0);
}
END_TEST

/* Those say which processes are in it, and whether they run: that is the jailer's. */
START_TEST(files_that_every_cgroup_has)
{
	static const char *const files[] = {"cgroup.procs", "cgroup.freeze", "cgroup.kill"};

	options.cgroup_version = 2;
	put("unified/cgroup.controllers", "cpu memory\n");
	ask(files[_i], "1");
	ck_assert_int_eq(make(), -ENOENT);
	ck_assert_msg(strstr(err.msg, "no controller 'cgroup', only: cpu memory"), "%s", err.msg);
	ledger_undo(&ledger);
}
END_TEST

START_TEST(what_was_made_is_taken_back)
{
	options.parent_cgroup = "new/er";
	put("cpu,cpuacct/cpu.shares", "");
	ask("cpu.shares", "512");
	/* A directory of no cgroups has no such file. */
	ck_assert_int_eq(make(), -ENOENT);
	ck_assert_msg(strstr(err.msg, "writing '512' to cpu.shares"), "%s", err.msg);
	ck_assert_int_eq(access(path_of("cpu,cpuacct/new/er/vm"), F_OK), 0);
	ledger_undo(&ledger);
	ck_assert_int_ne(access(path_of("cpu,cpuacct/new"), F_OK), 0);
	ck_assert_int_eq(access(path_of("cpu,cpuacct"), F_OK), 0);
}
END_TEST

START_TEST(without_settings)
{
	ck_assert_int_eq(make(), 0);
	ck_assert_uint_eq(cgroups.count, 0);
	options.cgroup_version = 2;
	put("unified/cgroup.procs", "");
	ck_assert_int_eq(make(), 0);
	ck_assert_uint_eq(cgroups.count, 0);
	/* The parent, if there is one, is for all. */
	put("unified/fc/cgroup.procs", "");
	ck_assert_int_eq(make(), 0);
	ck_assert_uint_eq(cgroups.count, 1);
	ck_assert_int_eq(cgroups_enter(&cgroups, &err), 0);
	ck_assert_str_eq(get("unified/fc/cgroup.procs"), "0");
	ck_assert_uint_eq(ledger.count, 0);
	ck_assert_int_ne(access(path_of("unified/fc/vm"), F_OK), 0);
}
END_TEST

START_TEST(a_cgroup_is_not_a_link)
{
	put("elsewhere/vm/cpu.shares", "");
	put("cpu,cpuacct/cpu.shares", "");
	ck_assert_int_eq(symlink("../elsewhere", path_of("cpu,cpuacct/fc")), 0);
	ask("cpu.shares", "512");
	ck_assert_int_eq(make(), -ELOOP);
	ck_assert_str_eq(get("elsewhere/vm/cpu.shares"), "");
}
END_TEST

START_TEST(minor_numbers)
{
	put("misc", "183 hw_random\n 126 userfaultfd\n257 other\n");
	ck_assert_int_eq(devices_minor(path_of("misc"), "userfaultfd"), 126);
	ck_assert_int_eq(devices_minor(path_of("misc"), "other"), 257);
	ck_assert_int_eq(devices_minor(path_of("misc"), "user"), -ENOENT);
	ck_assert_int_eq(devices_minor(path_of("none"), "other"), -ENOENT);
}
END_TEST

SUITE_CASES("jailer_cgroups", setup, teardown, {hierarchies_are_found}, {version_1},
	{version_1_fills_cpusets}, {a_cpuset_with_nothing_above},
	{version_2_hands_controllers_down}, {a_controller_that_is_not_there},
	{files_that_every_cgroup_has, 3}, {what_was_made_is_taken_back}, {without_settings},
	{a_cgroup_is_not_a_link}, {minor_numbers})
