// SPDX-License-Identifier: Apache-2.0
// Tests of guest-init/cgroup.h, with files that stand for the kernel's.
#include "guest-init/cgroup.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static char path[] = "/tmp/hull-test-cgroup-XXXXXX";
static int dir;

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(path));
	dir = open(path, O_PATH | O_DIRECTORY);
	ck_assert_int_ge(dir, 0);
}

static const char *const names[] = {"cpu.stat", "memory.current", "memory.peak", "memory.stat",
	"memory.events", "pids.current", "pids.max", "io.stat", "cgroup.freeze", "cgroup.events"};

static void teardown(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlinkat(dir, names[i], 0);
	close(dir);
	rmdir(path);
	strcpy(path + strlen(path) - 6, "XXXXXX");
}

static void put(const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_full(fd, text, strlen(text)), 0);
	close(fd);
}

START_TEST(reads_all_that_is_told)
{
	struct agent_usage usage;

	put("cpu.stat",
		"usage_usec 18446744073709551615\nuser_usec 20\nsystem_usec 3\nnice_usec 9\n");
	put("memory.current", "4096\n");
	put("memory.peak", "8192\n");
	put("memory.stat", "anon 1\nfile_mapped 5\nfile 77\nfile_dirty 6\n");
	put("memory.events", "low 0\noom 4\noom_kill 2\noom_group_kill 9\n");
	put("pids.current", "12\n");
	put("io.stat", "254:0 rbytes=100 wbytes=1 rios=10 wios=2 dbytes=9 dios=9\n"
		       "254:16 rbytes=11 wbytes=7 rios=1 wios=3 dbytes=0 dios=0\n");
	cgroup_usage(dir, &usage);
	ck_assert_uint_eq(usage.cpu_us, UINT64_MAX);
	ck_assert_uint_eq(usage.user_us, 20);
	ck_assert_uint_eq(usage.system_us, 3);
	ck_assert_uint_eq(usage.memory, 4096);
	ck_assert_uint_eq(usage.peak, 8192);
	ck_assert_uint_eq(usage.cache, 77);
	ck_assert_uint_eq(usage.oom_kills, 2);
	ck_assert_uint_eq(usage.pids, 12);
	ck_assert_uint_eq(usage.read_bytes, 111);
	ck_assert_uint_eq(usage.write_bytes, 8);
	ck_assert_uint_eq(usage.reads, 11);
	ck_assert_uint_eq(usage.writes, 5);
	ck_assert_uint_gt(usage.memory_total, 0);
}
END_TEST

START_TEST(what_is_missing_is_zero)
{
	struct agent_usage usage;

	put("memory.peak", "");
	put("io.stat", "254:0\n");
	cgroup_usage(dir, &usage);
	ck_assert_uint_gt(usage.memory_total, 0);
	usage.memory_total = 0;
	ck_assert_mem_eq(&usage, &(struct agent_usage){0}, sizeof(usage));
	cgroup_usage(-1, &usage);
	ck_assert_uint_gt(usage.memory_total, 0);
}
END_TEST

START_TEST(processes_are_limited_beside_the_reaper)
{
	struct err err;
	char text[8] = "";
	int fd;

	ck_assert_int_eq(cgroup_limit_pids(-1, 0, &err), 0);
	ck_assert_int_eq(cgroup_limit_pids(-1, 5, &err), -EOPNOTSUPP);
	ck_assert_int_eq(cgroup_limit_pids(dir, 0, &err), 0);
	ck_assert_int_eq(cgroup_limit_pids(dir, 5, &err), -ENOENT);
	ck_assert_str_eq(err.msg, "the limit of 5 processes: No such file or directory");
	put("pids.max", "");
	ck_assert_int_eq(cgroup_limit_pids(dir, 5, &err), 0);
	fd = openat(dir, "pids.max", O_RDONLY);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 1);
	ck_assert_str_eq(text, "6");
	close(fd);
}
END_TEST

START_TEST(freezes_by_its_file)
{
	struct err err;
	char text[8];
	int fd, events;

	ck_assert_int_eq(cgroup_freeze(dir, true, &err), -ENOENT);
	ck_assert_int_eq(cgroup_freeze(-1, true, &err), -EOPNOTSUPP);
	ck_assert_int_eq(cgroup_events(dir, &err), -ENOENT);
	put("cgroup.freeze", "0");
	ck_assert_int_eq(cgroup_freeze(dir, true, &err), 0);
	fd = openat(dir, "cgroup.freeze", O_RDONLY);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 1);
	ck_assert_int_eq(text[0], '1');
	close(fd);
	put("cgroup.events", "populated 1\nfrozen 0\n");
	events = cgroup_events(dir, &err);
	ck_assert_int_ge(events, 0);
	ck_assert_int_eq(cgroup_frozen(events), 0);
	put("cgroup.events", "populated 1\nfrozen 1\n");
	ck_assert_int_eq(cgroup_frozen(events), 1);
	close(events);
}
END_TEST

SUITE_CASES("init_cgroup", setup, teardown, {reads_all_that_is_told, 0},
	{what_is_missing_is_zero, 0}, {processes_are_limited_beside_the_reaper, 0},
	{freezes_by_its_file, 0})
