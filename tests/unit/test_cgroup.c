// SPDX-License-Identifier: Apache-2.0
// Tests of base/cgroup.h, on plain files and directories that look like the kernel's.
#include "base/cgroup.h"

#include "base/err.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PROC "proc"
#define MOUNT "fake mount"

static char dir[] = "/tmp/hull-cgroup-XXXXXX";
static char top[sizeof(dir) + sizeof(MOUNT)];
static int root_fd, proc_fd;
static unsigned int dev_major, dev_minor;

static void put(int at, const char *name, const char *text)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void check_file(int at, const char *name, const char *expected)
{
	char text[256];

	ck_assert_int_eq(cgroup_read(at, name, text, sizeof(text)), 0);
	ck_assert_str_eq(text, expected);
}

/* @root: of the mounted tree, as mountinfo has it. */
static void put_mountinfo(const char *root, unsigned int minor_of)
{
	char text[1024];

	snprintf(text, sizeof(text),
		"22 27 0:21 / /proc rw,relatime - proc proc rw\n"
		"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
		"41 31 %u:%u %s %s/fake\\040mount rw,nosuid shared:9 master:3 - cgroup2 cgroup2 "
		"rw\n"
		"42 31 0:99 / /nowhere rw - ext4 /dev/x rw\n",
		dev_major, minor_of, root, dir);
	put(proc_fd, "mountinfo", text);
}

static void before(void)
{
	struct stat st;

	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	root_fd = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(mkdirat(root_fd, PROC, 0755), 0);
	ck_assert_int_eq(mkdirat(root_fd, MOUNT, 0755), 0);
	proc_fd = openat(root_fd, PROC, O_RDONLY | O_DIRECTORY);
	snprintf(top, sizeof(top), "%s/" MOUNT, dir);
	ck_assert_int_eq(stat(top, &st), 0);
	dev_major = major(st.st_dev);
	dev_minor = minor(st.st_dev);
}

static void after(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	ck_assert_int_eq(system(command), 0);
	close(proc_fd);
	close(root_fd);
}

static int find(const char *cgroup, const char *root, struct cgroup_host *host)
{
	struct err err = {0};
	int r;

	put(proc_fd, "cgroup", cgroup);
	put_mountinfo(root, dev_minor);
	r = cgroup_host_open(host, proc_fd, &err);
	ck_assert_int_eq(r != 0, err.msg[0] != '\0');
	return r;
}

START_TEST(own_group_is_found)
{
	static const struct {
		const char *cgroup, *root, *own;
	} cases[] = {
		{"0::/\n", "/", ""},
		{"9:name=systemd:/x\n0::/a/b\n", "/", "a/b"},
		{"0::/a/b/c\n", "/a/b", "c"},
		{"0::/a/b\n", "/a/b", ""},
		{"0::/a b:c\n", "/", "a b:c"},
	};
	struct cgroup_host host;

	ck_assert_int_eq(find(cases[_i].cgroup, cases[_i].root, &host), 0);
	ck_assert_str_eq(host.own, cases[_i].own);
	ck_assert_str_eq(host.mount, top);
	ck_assert_int_ge(host.top_fd, 0);
	ck_assert(fcntl(host.top_fd, F_GETFD) & FD_CLOEXEC);
	cgroup_host_close(&host);
}
END_TEST

START_TEST(what_is_not_there_is_told)
{
	static const struct {
		const char *cgroup, *root;
	} cases[] = {
		{"1:cpu:/a\n", "/"},     /* the old kind only */
		{"0::/a/bc\n", "/a/b"},  /* mounted is another part of the tree */
		{"0::/../other\n", "/"}, /* the own group is outside the namespace */
		{"0::/a\n", "/../../x"},
	};
	struct cgroup_host host;

	ck_assert_int_eq(find(cases[_i].cgroup, cases[_i].root, &host), -ENOTSUP);
	ck_assert_int_eq(host.top_fd, -1);
}
END_TEST

START_TEST(covered_mount_is_not_taken)
{
	struct cgroup_host host;
	struct err err = {0};

	put(proc_fd, "cgroup", "0::/\n");
	put_mountinfo("/", dev_minor + 1);
	ck_assert_int_eq(cgroup_host_open(&host, proc_fd, &err), -ENOTSUP);
}
END_TEST

/* Too few descriptors are no fault of the mount. */
START_TEST(a_mount_that_cannot_be_opened_now)
{
	struct cgroup_host host;
	struct rlimit old, few;
	struct err err;
	int r, next;

	put_mountinfo("/", dev_minor);
	put(proc_fd, "cgroup", "0::/\n");
	next = dup(proc_fd);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = (rlim_t)next + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	r = cgroup_host_open(&host, proc_fd, &err);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(r, -EMFILE);
	ck_assert_msg(strstr(err.msg, "Too many open files") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(links_are_not_followed)
{
	int base = openat(root_fd, MOUNT, O_RDONLY | O_DIRECTORY), fd;
	char text[16];

	ck_assert_int_eq(symlinkat("/tmp", base, "link"), 0);
	ck_assert_int_eq(symlinkat("/etc/passwd", base, "cgroup.procs"), 0);
	ck_assert_int_eq(cgroup_open(base, "link"), -ELOOP);
	ck_assert_int_eq(cgroup_open(base, ".."), -EXDEV);
	ck_assert_int_eq(cgroup_open(base, "/tmp"), -EXDEV);
	ck_assert_int_eq(cgroup_make(base, "link"), -EEXIST);
	ck_assert_int_eq(cgroup_read(base, "cgroup.procs", text, sizeof(text)), -ELOOP);
	ck_assert_int_eq(cgroup_write(base, "cgroup.procs", "1"), -ELOOP);
	fd = cgroup_open(base, "");
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(base);
}
END_TEST

START_TEST(controllers_are_read_and_only_missing_ones_enabled)
{
	unsigned int mask = 0;

	put(root_fd, "cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc new\n");
	put(root_fd, "cgroup.subtree_control", "memory pids\n");
	ck_assert_int_eq(cgroup_controllers(root_fd, "cgroup.controllers", &mask), 0);
	ck_assert_uint_eq(mask, (1u << CGROUP_CONTROLLERS) - 1);
	ck_assert_int_eq(cgroup_enable(root_fd, 1u << CGROUP_MEMORY | 1u << CGROUP_PIDS), 0);
	check_file(root_fd, "cgroup.subtree_control", "memory pids");
	/* The kernel's file is written at once; of this one what was there shines through. */
	ck_assert_int_eq(
		cgroup_enable(root_fd, 1u << CGROUP_CPU | 1u << CGROUP_IO | 1u << CGROUP_PIDS), 0);
	check_file(root_fd, "cgroup.subtree_control", "+cpu +ioids");
	ck_assert_int_eq(cgroup_controllers(proc_fd, "cgroup.controllers", &mask), -ENOENT);
	ck_assert_int_eq(cgroup_enable(proc_fd, 1), -ENOENT);
}
END_TEST

START_TEST(file_names_tell_their_controller)
{
	ck_assert_int_eq(cgroup_controller_of("memory.max"), CGROUP_MEMORY);
	ck_assert_int_eq(cgroup_controller_of("cpu.weight.nice"), CGROUP_CPU);
	ck_assert_int_eq(cgroup_controller_of("cpuset.cpus"), CGROUP_CPUSET);
	ck_assert_int_eq(cgroup_controller_of("cgroup.procs"), -1);
	ck_assert_int_eq(cgroup_controller_of("memory"), -1);
	ck_assert_int_eq(cgroup_controller_of("mem.max"), -1);
	ck_assert_int_eq(cgroup_controller_of(".max"), -1);
}
END_TEST

START_TEST(long_text_is_refused)
{
	char text[8];

	put(root_fd, "x", "1234567\n");
	ck_assert_int_eq(cgroup_read(root_fd, "x", text, sizeof(text)), -EMSGSIZE);
	put(root_fd, "x", "123456\n");
	ck_assert_int_eq(cgroup_read(root_fd, "x", text, sizeof(text)), 0);
	ck_assert_str_eq(text, "123456");
}
END_TEST

START_TEST(strangers_are_not_moved)
{
	put(root_fd, "cgroup.procs", "0\n");
	put(proc_fd, "cgroup.procs", "");
	ck_assert_int_eq(cgroup_evacuate(root_fd, proc_fd), -EPERM);
	check_file(proc_fd, "cgroup.procs", "");
	put(root_fd, "cgroup.procs", "");
	ck_assert_int_eq(cgroup_evacuate(root_fd, proc_fd), 0);
	/* A file, unlike the kernel's, never empties: that ends all the same. */
	put(root_fd, "cgroup.procs", "12\n345\n");
	ck_assert_int_eq(cgroup_evacuate(root_fd, proc_fd), -EBUSY);
}
END_TEST

START_TEST(groups_are_made_and_removed)
{
	int fd = cgroup_make(root_fd, "vm");

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(cgroup_make(root_fd, "vm"), -EEXIST);
	ck_assert(cgroup_is_root(fd));
	put(fd, "cgroup.type", "domain\n");
	ck_assert(!cgroup_is_root(fd));
	ck_assert_int_eq(unlinkat(fd, "cgroup.type", 0), 0);
	ck_assert_int_eq(cgroup_remove(root_fd, "vm", fd, 10), 0);
	ck_assert_int_eq(cgroup_remove(root_fd, "vm", fd, 10), 0);
	close(fd);
}
END_TEST

SUITE_CASES("cgroup", before, after, {own_group_is_found, 5}, {what_is_not_there_is_told, 4},
	{covered_mount_is_not_taken}, {a_mount_that_cannot_be_opened_now}, {links_are_not_followed},
	{controllers_are_read_and_only_missing_ones_enabled}, {file_names_tell_their_controller},
	{long_text_is_refused}, {strangers_are_not_moved}, {groups_are_made_and_removed})
