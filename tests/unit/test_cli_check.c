// SPDX-License-Identifier: Apache-2.0
// Tests of cli/check.h: a host that is as it should be, and one fault each.
#include "cli/check.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/json_write.h"
#include "cli/strlist.h"
#include "tests/lib/good_host.h"
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(nothing_is_amiss)
{
	host_expect(&config, NULL, CHECK_PASS, NULL);
}
END_TEST

static const struct host_fault faults[] = {
	{WRITE, "proc/sys/kernel/osrelease", "5.11.22\n", "host.kernel", CHECK_WARN, "5.11.22"},
	{WRITE, "proc/sys/kernel/osrelease", "5.15.0\n", "host.kernel", CHECK_INFO, "5.15"},
	{WRITE, "proc/sys/kernel/osrelease", "?\n", "host.kernel", CHECK_UNKNOWN, "?"},
	{FOLDER, "proc/sys/kernel/osrelease", NULL, "host.kernel", CHECK_UNKNOWN, "osrelease"},
	{MODE, "lib/vmlinux", NULL, "host.guest-kernel", CHECK_WARN, "mode 777", 0777},
	{DELETE, "lib/vmlinux", NULL, "host.guest-kernel", CHECK_UNKNOWN, "No such file"},
	{WRITE, "sys/kernel/security/lsm", "lockdown,capability,landlock\n", "host.lsm", CHECK_WARN,
		"landlock"},
	{DELETE, "sys/kernel/security/lsm", NULL, "host.lsm", CHECK_UNKNOWN, "No such file"},
	{WRITE, "proc/sys/user/max_user_namespaces", "0\n", "host.user-namespaces", CHECK_WARN,
		"0"},
	{WRITE, "proc/sys/kernel/unprivileged_userns_clone", "0\n", "host.user-namespaces",
		CHECK_INFO, "root only"},
	{FOLDER, "proc/sys/user/max_user_namespaces", NULL, "host.user-namespaces", CHECK_UNKNOWN,
		NULL},
	{WRITE, "sys/fs/cgroup/cgroup.controllers", "cpu memory\n", "host.cgroup", CHECK_WARN,
		"pids"},
	{WRITE, "sys/kernel/mm/ksm/run", "1\n", "host.ksm", CHECK_WARN, "runs"},
	{WRITE, "sys/kernel/mm/ksm/run", "x\n", "host.ksm", CHECK_UNKNOWN, NULL},
	{DELETE, "sys/kernel/mm", NULL, "host.ksm", CHECK_UNKNOWN, NULL},
	{WRITE, "sys/block/dm-1/slaves/dm-0/dm/uuid", "LVM-y\n", "host.swap", CHECK_WARN, "dm-1"},
	{WRITE, "sys/block/zram0/backing_dev", "/dev/sda2\n", "host.swap", CHECK_WARN, "zram0"},
	{WRITE, "proc/swaps", "Filename\n/store/swap  file\n", "host.swap", CHECK_UNKNOWN, "swap"},
	{WRITE, "proc/swaps", "Filename\n/lib/vmlinux  file\n", "host.swap", CHECK_WARN, "vmlinux"},
	{FOLDER, "proc/swaps", NULL, "host.swap", CHECK_UNKNOWN, NULL},
	{WRITE, "proc/swaps", "", "host.swap", CHECK_UNKNOWN, "/proc/swaps"},
	{WRITE, "proc/swaps", "none\n", "host.swap", CHECK_UNKNOWN, "/proc/swaps"},
	{WRITE, "sys/devices/system/cpu/vulnerabilities/meltdown", "Vulnerable\n",
		"cpu.vulnerabilities", CHECK_WARN, "meltdown"},
	{WRITE, "sys/devices/system/cpu/vulnerabilities/mds",
		"Mitigation: Clear CPU buffers; SMT vulnerable\n", "cpu.vulnerabilities",
		CHECK_WARN, "mds"},
	{WRITE, "sys/devices/system/cpu/vulnerabilities/srbds",
		"Unknown: Dependent on hypervisor\n", "cpu.vulnerabilities", CHECK_UNKNOWN,
		"srbds"},
	{DELETE, "sys/devices/system/cpu/vulnerabilities", NULL, "cpu.vulnerabilities",
		CHECK_UNKNOWN, NULL},
	{WRITE, "sys/devices/system/cpu/smt/active", "1\n", "cpu.smt", CHECK_WARN, "share"},
	{DELETE, "sys/devices/system/cpu/smt/active", NULL, "cpu.smt", CHECK_UNKNOWN, NULL},
	{WRITE, "sys/module/kvm_amd/parameters/nested", "1\n", "cpu.nested", CHECK_WARN, "kvm_amd"},
	{WRITE, "sys/module/kvm_intel/parameters/nested", "Y\n", "cpu.nested", CHECK_WARN,
		"kvm_intel"},
	{DELETE, "sys/module/kvm_amd", NULL, "cpu.nested", CHECK_UNKNOWN, NULL},
	{MODE, "dev/kvm", NULL, "device.kvm", CHECK_WARN, "777", 0777},
	{DELETE, "dev/kvm", NULL, "device.kvm", CHECK_INFO, "no /dev/kvm"},
	{MODE, "dev/net/tun", NULL, "device.tun", CHECK_WARN, "777", 0777},
	{MODE, "store", NULL, "store.owner", CHECK_WARN, "/store", 0777},
	{MODE, "store/rootfs", NULL, "store.owner", CHECK_WARN, "rootfs", 0777},
	{MODE, "store/rootfs/sha256-1.v1.ext4", NULL, "store.images", CHECK_WARN, "sha256-1", 0777},
	{WRITE, "store/pulled/1/source", "docker://docker.io/library/alpine:latest\n",
		"store.digests", CHECK_WARN, "alpine"},
	{FOLDER, "store/pulled/1/source", NULL, "store.digests", CHECK_UNKNOWN, NULL},
	{WRITE, "etc/containers/policy.json",
		"{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}", "store.policy",
		CHECK_WARN, "anything"},
	{WRITE, "etc/containers/policy.json",
		"{\"default\": [{\"type\": \"reject\"}], \"transports\": {\"docker\": {\"\": "
		"[{\"type\": \"insecureAcceptAnything\"}]}}}",
		"store.policy", CHECK_WARN, "docker://"},
	{WRITE, "home/somebody/.config/containers/policy.json",
		"{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}", "store.policy",
		CHECK_WARN, "/home/somebody"},
	{WRITE, "etc/containers/policy.json", "{}", "store.policy", CHECK_UNKNOWN, NULL},
	{WRITE, "etc/containers/policy.json", "[", "store.policy", CHECK_UNKNOWN, NULL},
	{DELETE, "etc/containers/policy.json", NULL, "store.policy", CHECK_INFO, NULL},
	{SOCKET, "run/firecracker.socket", NULL, "left.sockets", CHECK_WARN, "firecracker.socket"},
	{SOCKET, "run/vm/old.sock", NULL, "left.sockets", CHECK_WARN, "/run/vm/old.sock"},
	{WRITE, "sys/fs/cgroup/hull/hull-99-0a/cgroup.events", "populated 0\n", "left.cgroups",
		CHECK_WARN, "hull/hull-99-0a"},
	{WRITE, "sys/fs/cgroup/hull-99-0a/cgroup.events", "populated 0\n", "left.cgroups",
		CHECK_WARN, "hull-99-0a is empty"},
	{WRITE, "sys/fs/cgroup/system.slice/hull-1/cgroup.events", "populated 0\n", "left.cgroups",
		CHECK_WARN, "system.slice/hull-1"},
};

START_TEST(one_fault)
{
	const struct host_fault *fault = &faults[_i];

	host_apply(&tree, fault);
	host_expect(&config, fault->item, fault->status, fault->words);
}
END_TEST

START_TEST(landlock_is_asked_for)
{
	config.landlock_abi = 0;
	host_expect(&config, "host.landlock", CHECK_WARN, "--jail-without");
	config.landlock_abi = -EPERM;
	host_expect(&config, "host.landlock", CHECK_UNKNOWN, "not permitted");
}
END_TEST

/* Whoever built them may still be at it when they are young, and holds their lock. */
START_TEST(temporary_files_without_a_builder)
{
	const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	char path[300], locks[128];
	struct stat st;

	host_write(&tree, "store/tmp/0123\033[2J", "half");
	host_expect(&config, NULL, CHECK_PASS, NULL);
	snprintf(path, sizeof(path), "%s/store/tmp/0123\033[2J", tree.root);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
	host_expect(&config, "left.store", CHECK_WARN, "tmp/0123?[2J");
	ck_assert_int_eq(stat(path, &st), 0);
	snprintf(locks, sizeof(locks), "1: POSIX  ADVISORY  WRITE 1 0:1:%ju 0 EOF\n",
		(uintmax_t)st.st_ino);
	host_write(&tree, "proc/locks", locks);
	host_expect(&config, "left.store", CHECK_WARN, NULL);
	snprintf(locks, sizeof(locks), "1: FLOCK  ADVISORY  WRITE 1 0:1:%ju 0 EOF\n",
		(uintmax_t)st.st_ino);
	host_write(&tree, "proc/locks", locks);
	host_expect(&config, NULL, CHECK_PASS, NULL);
	host_delete(&tree, "proc/locks");
	host_expect(&config, "left.store", CHECK_UNKNOWN, "locks");
}
END_TEST

/* A VM that starts, and where hull put those who called it. */
START_TEST(cgroups_that_are_in_use)
{
	char path[300], locks[128];
	struct stat st;

	host_write(&tree, "sys/fs/cgroup/a/hull-callers/cgroup.events", "populated 0\n");
	host_write(&tree, "sys/fs/cgroup/a/hull-7-0b/cgroup.events", "populated 0\n");
	snprintf(path, sizeof(path), "%s/sys/fs/cgroup/a/hull-7-0b", tree.root);
	ck_assert_int_eq(stat(path, &st), 0);
	snprintf(locks, sizeof(locks), "1: FLOCK  ADVISORY  WRITE 1 0:1:%ju 0 EOF\n",
		(uintmax_t)st.st_ino);
	host_write(&tree, "proc/locks", locks);
	host_expect(&config, NULL, CHECK_PASS, NULL);
	host_write(&tree, "proc/locks", "");
	host_expect(&config, "left.cgroups", CHECK_WARN, "/a/hull-7-0b is empty");
}
END_TEST

/* One line of that length would be kept in memory. */
START_TEST(a_huge_file_is_not_read)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/proc/swaps", tree.root);
	ck_assert_int_eq(truncate(path, (64 << 20) + 1), 0);
	host_expect(&config, "host.swap", CHECK_UNKNOWN, "too large");
}
END_TEST

START_TEST(no_store)
{
	struct check_finding found[HOST_ITEMS_MAX];

	config.store = "/nowhere";
	host_look(&config, found);
	ck_assert_int_eq(host_find(found, "store.owner")->status, CHECK_INFO);
	ck_assert_int_eq(host_find(found, "left.store")->status, CHECK_INFO);
	config.store = "/lib/vmlinux";
	host_look(&config, found);
	ck_assert_int_eq(host_find(found, "store.images")->status, CHECK_UNKNOWN);
	ck_assert_int_eq(host_find(found, "left.store")->status, CHECK_UNKNOWN);
}
END_TEST

START_TEST(what_weighs_most_is_told)
{
	struct check_finding finding = {0};

	check_say(&finding, CHECK_PASS, "fine");
	check_say(&finding, CHECK_WARN, "a\n%s", "\033");
	check_say(&finding, CHECK_UNKNOWN, "unread");
	check_say(&finding, CHECK_WARN, "b");
	ck_assert_int_eq(finding.status, CHECK_WARN);
	ck_assert_str_eq(finding.text, "a??; b");
	for (int i = 0; i < 2000; i++)
		check_say(&finding, CHECK_WARN, "0123456789");
	ck_assert_uint_lt(strlen(finding.text), CHECK_TEXT_SIZE);
	ck_assert_uint_eq(finding.left_out + (strlen(finding.text) - strlen("a??; b")) / 12, 2000);
}
END_TEST

START_TEST(items_are_chosen_by_id_or_group)
{
	static const char *const bad[] = {"", ",", "jail,", "jail.", "jail.roots", "jai", "JAIL"};
	struct strlist names = {0};
	struct err err;
	size_t count = 0;

	ck_assert_int_eq(check_names(&names, "jail,cpu.smt", &err), 0);
	for (size_t i = 0; i < check_item_count; i++) {
		bool chosen = check_is_named(&check_items[i], &names);

		ck_assert(chosen == (!strncmp(check_items[i].id, "jail.", 5) ||
					    !strcmp(check_items[i].id, "cpu.smt")));
		count += chosen;
	}
	ck_assert_uint_eq(count, 9);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_eq(check_names(&names, bad[i], &err), -EINVAL);
	strlist_fini(&names);
}
END_TEST

/* The ids are promised, each has but one kind of function, and each that can warn says what helps.
 */
START_TEST(the_table_is_whole)
{
	ck_assert_uint_lt(check_item_count, HOST_ITEMS_MAX);
	for (size_t i = 0; i < check_item_count; i++) {
		const struct check_item *item = &check_items[i];

		ck_assert(!item->host != !item->monitor);
		ck_assert_uint_le(strlen(item->id), 20);
		ck_assert_int_eq(item->id[check_group_len(item)], '.');
		for (size_t n = 0; n < i; n++)
			ck_assert_str_ne(item->id, check_items[n].id);
		if (strcmp(item->id, "host.hardening") && strcmp(item->id, "monitor.rates"))
			ck_assert_ptr_nonnull(item->remedy);
	}
}
END_TEST

START_TEST(reports)
{
	const struct check_item *item = &check_items[0];
	struct check_finding warning = {0}, fine = {0};
	struct buf buf = BUF_INIT(1 << 20);
	struct json_out json = {.buf = &buf};
	struct check_report report = {.json = &json};
	char *text = NULL;
	size_t size = 0;
	json_t *doc, *first;

	check_say(&warning, CHECK_WARN, "\"\x80\"");
	check_say(&fine, CHECK_PASS, "good");
	check_report_begin(&report);
	check_report_item(&report, item, &warning);
	check_report_item(&report, item, &fine);
	check_report_end(&report);
	ck_assert_int_eq(json.error, 0);
	doc = json_loadb((const char *)buf.data, buf.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(doc);
	first = json_array_get(json_object_get(doc, "items"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(first, "id")), item->id);
	ck_assert_str_eq(json_string_value(json_object_get(first, "group")), "host");
	ck_assert_str_eq(json_string_value(json_object_get(first, "status")), "warn");
	ck_assert_str_eq(json_string_value(json_object_get(first, "finding")), "\"?\"");
	ck_assert_str_eq(json_string_value(json_object_get(first, "remedy")), item->remedy);
	first = json_array_get(json_object_get(doc, "items"), 1);
	ck_assert(json_is_null(json_object_get(first, "remedy")));
	ck_assert_int_eq(
		json_integer_value(json_object_get(json_object_get(doc, "summary"), "warn")), 1);
	json_decref(doc);
	buf_fini(&buf);

	report = (struct check_report){.out = open_memstream(&text, &size)};
	check_report_begin(&report);
	check_report_item(&report, item, &warning);
	check_report_item(&report, &check_items[check_item_count - 1], &fine);
	check_report_end(&report);
	fclose(report.out);
	ck_assert_ptr_nonnull(strstr(text, "WARN     host.kernel"));
	ck_assert_ptr_nonnull(strstr(text, ". Remedy: install"));
	ck_assert_ptr_nonnull(strstr(text, "\n\nPASS     left."));
	ck_assert_ptr_nonnull(
		strstr(text, "\n\n1 passed, 1 warnings, 0 unknown, 0 for information\n"));
	free(text);
}
END_TEST

SUITE_CASES("cli_check", set_up, tear_down, {nothing_is_amiss, 0}, {one_fault, ARRAY_SIZE(faults)},
	{landlock_is_asked_for, 0}, {temporary_files_without_a_builder, 0},
	{cgroups_that_are_in_use, 0}, {a_huge_file_is_not_read, 0}, {no_store, 0},
	{what_weighs_most_is_told, 0}, {items_are_chosen_by_id_or_group, 0},
	{the_table_is_whole, 0}, {reports, 0})
