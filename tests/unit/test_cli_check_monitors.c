// SPDX-License-Identifier: Apache-2.0
// Tests of what cli/check.h finds of monitors and their network: one fault each, and hostile hosts.
#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/good_host.h"
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void expect(const char *id, enum check_status status, const char *words)
{
	host_expect(&config, id, status, words);
}

#define LIMITS(fsize, core, nproc, nofile)                                                         \
	"Max file size " fsize "\nMax core file size " core "\nMax processes " nproc               \
	"\nMax open files " nofile "\n"
#define IDS(uid, gid) "Name:\thull-vmm\nUid:\t" uid "\nGid:\t" gid "\n"
#define THREAD(caps, privs, seccomp)                                                               \
	"Name:\tvcpu0\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"                     \
	"CapEff:\t0000000000000000\nCapBnd:\t" caps "\nCapAmb:\t0000000000000000\n"                \
	"NoNewPrivs:\t" privs "\nSeccomp:\t" seccomp "\n"
#define NONE "0000000000000000"
#define UID "1900000100"
#define UIDS UID "\t" UID "\t" UID "\t" UID
#define OPTIONS "nosuid,nodev,noexec"

static const struct host_fault faults[] = {
	{WRITE, "proc/100/mountinfo", "30 29 8:1 / / rw - ext4 /dev/a rw\n", "jail.root",
		CHECK_WARN, "100 sees a root of its host's: ext4, writable"},
	{WRITE, "proc/100/mountinfo", "30 29 0:50 / / rw," OPTIONS " - tmpfs none rw\n",
		"jail.root", CHECK_WARN, "tmpfs, writable"},
	{WRITE, "proc/100/mountinfo",
		"30 29 0:50 / / ro," OPTIONS " - tmpfs none ro\n"
		"31 30 8:1 /a /a ro,nosuid,nodev shared:1 - ext4 /dev/a rw\n",
		"jail.root", CHECK_WARN, "/a is mounted without"},
	{WRITE, "proc/100/mountinfo", "30 29 0:50 / /a ro," OPTIONS " - tmpfs none ro\n",
		"jail.root", CHECK_UNKNOWN, "100"},
	{WRITE, "proc/100/root/passwd", "", "jail.root", CHECK_WARN, "passwd"},
	{WRITE, "proc/100/root/a\033[2J", "", "jail.root", CHECK_WARN, "a?[2J"},
	{DELETE, "proc/100/root", NULL, "jail.root", CHECK_UNKNOWN, "root holds"},
	{FOLDER, "proc/100/mountinfo", NULL, "jail.root", CHECK_UNKNOWN, "100"},
	{LINK, "proc/110/ns/net", "net:[12]", "jail.namespaces", CHECK_WARN,
		"110 is in the host's net namespace"},
	{LINK, "proc/110/ns/user", "user:[1000]", "jail.namespaces", CHECK_WARN,
		"100 and 110 share a user namespace"},
	{FOLDER, "proc/110/ns/user", NULL, "jail.namespaces", CHECK_UNKNOWN, "110"},
	{DELETE, "proc/self", NULL, "jail.namespaces", CHECK_UNKNOWN, "100"},
	{WRITE, "proc/100/status", IDS("0\t0\t0\t0", UIDS), "jail.uid", CHECK_WARN, "100 is root"},
	{WRITE, "proc/100/status", IDS(UID "\t" UID "\t0\t" UID, UIDS), "jail.uid", CHECK_WARN,
		"100 is root"},
	{WRITE, "proc/100/status", IDS(UIDS, "0\t0\t0\t0"), "jail.uid", CHECK_WARN, "root's group"},
	{WRITE, "proc/100/status", IDS(UID "\t" UID "\t7\t" UID, UIDS), "jail.uid", CHECK_WARN,
		"can change between users"},
	{WRITE, "proc/110/status", IDS(UIDS, UIDS), "jail.uid", CHECK_WARN,
		"100 and 110 are both user 1900000100"},
	{WRITE, "proc/110/status", IDS("1900000110", UIDS), "jail.uid", CHECK_UNKNOWN, "110"},
	{WRITE, "proc/100/task/101/status", THREAD(NONE, "1", "0"), "jail.seccomp", CHECK_WARN,
		"100: thread 101"},
	{WRITE, "proc/100/task/101/status", THREAD(NONE, "1", "1"), "jail.seccomp", CHECK_WARN,
		"101"},
	{WRITE, "proc/100/task/101/status", THREAD(NONE, "0", "2"), "jail.no-new-privs", CHECK_WARN,
		"100: thread 101"},
	{WRITE, "proc/100/task/101/status", THREAD("0000000000200000", "1", "2"),
		"jail.capabilities", CHECK_WARN, "CapBnd"},
	{WRITE, "proc/100/limits", LIMITS("1 1", "0 unlimited", "1 66", "1 2048"), "jail.limits",
		CHECK_WARN, "no limit of core dumps"},
	{WRITE, "proc/100/limits", LIMITS("1 1", "0 0", "1 96364", "1 2048"), "jail.limits",
		CHECK_WARN, "threads is 96364"},
	{WRITE, "proc/100/limits", LIMITS("1 1", "0 0", "1 66", "1 1048576"), "jail.limits",
		CHECK_WARN, "descriptors is 1048576"},
	{WRITE, "proc/110/cgroup", "0::/\n", "monitor.cgroup", CHECK_WARN, "110 is in the root"},
	{WRITE, "proc/110/cgroup", "4:pids:/a\n", "monitor.cgroup", CHECK_WARN,
		"110 is in no cgroup v2"},
	{WRITE, "proc/110/cgroup", "0::/hull/100\n", "monitor.cgroup", CHECK_WARN,
		"100 and 110 share a cgroup"},
	{WRITE, "proc/110/cgroup", "0::/../x\n", "monitor.cgroup", CHECK_UNKNOWN, "from here"},
	{FOLDER, "proc/110/cgroup", NULL, "monitor.cgroup", CHECK_WARN, "110"},
	{WRITE, "sys/fs/cgroup/hull/110/memory.max", "max\n", "monitor.cgroup", CHECK_WARN,
		"110: memory.max"},
	{DELETE, "sys/fs/cgroup/hull/110/pids.max", NULL, "monitor.cgroup", CHECK_WARN,
		"no pids.max"},
	{FOLDER, "sys/fs/cgroup/hull/110/pids.max", NULL, "monitor.cgroup", CHECK_UNKNOWN, "110"},
	{MODE, "run/vm/api.sock", NULL, "monitor.sockets", CHECK_WARN,
		"everybody can connect to /run/vm/api.sock", 0757},
	{MODE, "run/vm", NULL, "monitor.sockets", CHECK_WARN, "in /run/vm", 0777},
	{MODE, "run", NULL, "monitor.sockets", CHECK_WARN, "in /run", 0777},
	{MODE, "run", NULL, "monitor.sockets", CHECK_PASS, NULL, 01777},
	{DELETE, "run/vm/api.sock", NULL, "monitor.sockets", CHECK_INFO, "removed"},
	{WRITE, "proc/100/fdinfo/1", "flags:\t0102001\n", "monitor.output", CHECK_PASS, NULL},
	{LINK, "proc/100/fd/1", "/dev/zero", "monitor.output", CHECK_PASS, NULL},
	{WRITE, "proc/100/cmdline", "hull-vmm", "monitor.rates", CHECK_UNKNOWN, "API"},
	{WRITE, "sys/class/net/tap2/tun_flags", "0x1002\n", "network.taps", CHECK_PASS, NULL},
	{LINK, "sys/class/net/tap1/brport/bridge", "../../br0", "network.metadata", CHECK_WARN,
		"tap1 is on bridge br0"},
	{WRITE, "proc/sys/net/ipv6/conf/tap1/forwarding", "0\n", "network.metadata", CHECK_PASS,
		NULL},
	{WRITE, "proc/300/comm", "passt.avx2\n", "network.metadata", CHECK_WARN, "passt"},
};

START_TEST(one_fault)
{
	const struct host_fault *fault = &faults[_i];

	/* Of no interest to a fault of uid 0's. */
	if (!strcmp(fault->item, "jail.uid") && fault->status == CHECK_WARN &&
		strstr(fault->text, "Uid:\t0")) {
		struct check_finding found[HOST_ITEMS_MAX];

		host_apply(&tree, fault);
		host_look(&config, found);
		ck_assert_int_eq(host_find(found, "jail.uid")->status, CHECK_WARN);
		ck_assert_ptr_nonnull(strstr(host_find(found, "jail.uid")->text, fault->words));
		ck_assert_int_eq(host_find(found, "jail.debug")->status, CHECK_UNKNOWN);
		return;
	}
	host_apply(&tree, fault);
	expect(fault->item, fault->status, fault->words);
}
END_TEST

/* Whoever can't read a monitor's exe, goes by its name. */
START_TEST(who_is_a_monitor)
{
	struct check_host host;

	host_link(&tree, "proc/100/exe", "/opt/hull-vmm (deleted)");
	host_link(&tree, "proc/110/exe", "/opt/a");
	/* By name, with a link that can't be read; and two of other names. */
	host_write(&tree, "proc/120/comm", "hull-vmm\n");
	host_write(&tree, "proc/120/stat", "120 (a) b) S 1 1 1 0 -1 0 0\n");
	host_folder(&tree, "proc/120/exe");
	host_write(&tree, "proc/121/comm", "hull-vmmm\n");
	host_write(&tree, "proc/121/stat", "121 (hull-vmmm) S 1 1 1 0 -1 0 0\n");
	host_folder(&tree, "proc/121/exe");
	host_write(&tree, "proc/122/comm", "hull-vmm\n");
	host_write(&tree, "proc/122/stat", "122 (hull-vmm) Z 1 1 1 0 -1 0 0\n");
	host_folder(&tree, "proc/122/exe");
	ck_assert_int_eq(check_host_open(&host, &config, NULL), 0);
	ck_assert_int_eq(host.processes, 0);
	ck_assert_uint_eq(host.monitor_count, 2);
	ck_assert_int_eq(host.monitors[0].pid, 100);
	ck_assert(host.monitors[0].guest);
	ck_assert_int_eq(host.monitors[1].pid, 120);
	ck_assert(!host.monitors[1].guest);
	check_host_close(&host);
	/* Under any name, it is the one that this hull starts. */
	host_write(&tree, "lib/vmm", "");
	host_delete(&tree, "proc/110/exe");
	host_write(&tree, "proc/110/exe.real", "");
	config.vmm = "/lib/vmm";
	{
		char path[300];

		snprintf(path, sizeof(path), "%s/lib/vmm", tree.root);
		host_link(&tree, "proc/110/exe", path);
	}
	ck_assert_int_eq(check_host_open(&host, &config, NULL), 0);
	ck_assert_uint_eq(host.monitor_count, 3);
	check_host_close(&host);
}
END_TEST

START_TEST(no_monitor_and_one_that_waits)
{
	struct check_finding found[HOST_ITEMS_MAX];

	host_delete(&tree, "proc/110");
	host_write(&tree, "proc/100/task/101/status", "Name:\tvcpu0x\nSeccomp:\t0\n");
	host_look(&config, found);
	ck_assert_int_eq(host_find(found, "jail.seccomp")->status, CHECK_INFO);
	ck_assert_ptr_nonnull(strstr(host_find(found, "jail.seccomp")->text, "waits"));
	host_delete(&tree, "proc/100");
	host_look(&config, found);
	ck_assert_int_eq(host_find(found, "jail.root")->status, CHECK_INFO);
	ck_assert_str_eq(host_find(found, "jail.root")->text, "no monitor runs a guest");
	/* hidepid: not even init is to be seen. */
	host_delete(&tree, "proc/1");
	host_look(&config, found);
	ck_assert_int_eq(host_find(found, "jail.root")->status, CHECK_UNKNOWN);
	ck_assert_int_eq(host_find(found, "network.metadata")->status, CHECK_UNKNOWN);
}
END_TEST

START_TEST(one_ends_while_it_is_looked_at)
{
	struct check_finding finding;
	struct check_host host;

	ck_assert_int_eq(check_host_open(&host, &config, NULL), 0);
	host_delete(&tree, "proc/110");
	for (size_t i = 0; i < check_item_count; i++) {
		check_run(&check_items[i], &host, &finding);
		if (!check_items[i].monitor)
			continue;
		ck_assert_int_eq(finding.status, CHECK_PASS);
		ck_assert_str_eq(finding.text, "1 monitor");
	}
	host_delete(&tree, "proc/100");
	for (size_t i = 0; i < check_item_count; i++) {
		check_run(&check_items[i], &host, &finding);
		if (check_items[i].monitor)
			ck_assert_int_eq(finding.status, CHECK_INFO);
	}
	check_host_close(&host);
}
END_TEST

START_TEST(users_of_other_processes)
{
	struct check_finding found[HOST_ITEMS_MAX];
	char path[300], status[256];
	uid_t uid = geteuid() ? geteuid() : 4711;

	/* Only root can give files away; a user's own are anyway. */
	host_write(&tree, "proc/200/stat", "200 (sh) S 1 1 1 0 -1 0 0\n");
	snprintf(status, sizeof(status), "Uid:\t%u\t%u\t%u\t%u\nGid:\t5\t5\t5\t5\n", uid, uid, uid,
		uid);
	host_write(&tree, "proc/100/status", status);
	if (!geteuid()) {
		host_look(&config, found);
		ck_assert_int_eq(host_find(found, "jail.uid")->status, CHECK_PASS);
		ck_assert_int_eq(host_find(found, "jail.debug")->status, CHECK_PASS);
		snprintf(path, sizeof(path), "%s/proc/200", tree.root);
		ck_assert_int_eq(chown(path, uid, uid), 0);
		snprintf(path, sizeof(path), "%s/proc/100/status", tree.root);
		ck_assert_int_eq(chown(path, uid, uid), 0);
	}
	host_look(&config, found);
	ck_assert_int_eq(host_find(found, "jail.uid")->status, CHECK_WARN);
	ck_assert_ptr_nonnull(strstr(host_find(found, "jail.uid")->text, "as other processes are"));
	ck_assert_int_eq(host_find(found, "jail.debug")->status, CHECK_WARN);
}
END_TEST

START_TEST(where_output_goes)
{
	char log[300];

	host_write(&tree, "log", "");
	snprintf(log, sizeof(log), "%s/log", tree.root);
	host_link(&tree, "proc/100/fd/1", log);
	expect(NULL, CHECK_PASS, NULL);
	host_write(
		&tree, "proc/100/limits", LIMITS("unlimited unlimited", "0 0", "1 66", "1 2048"));
	expect("monitor.output", CHECK_WARN, "/log without an end");
	host_link(&tree, "proc/100/fd/1", "/dev/null");
	host_link(&tree, "proc/100/fd/2", log);
	host_write(&tree, "proc/100/fdinfo/2", "flags:\t0100001\n");
	expect("monitor.output", CHECK_INFO, "/log");
	host_delete(&tree, "proc/100/fd/2");
	/* A disk, and a log. */
	host_link(&tree, "proc/100/fd/8", log);
	host_write(&tree, "proc/100/fdinfo/8", "flags:\t02100002\n");
	expect(NULL, CHECK_PASS, NULL);
	host_write(&tree, "proc/100/fdinfo/8", "flags:\t02102002\n");
	expect("monitor.output", CHECK_WARN, "/log");
	host_delete(&tree, "proc/100/fd/8");
	/* A descriptor that is closed meanwhile. */
	host_link(&tree, "proc/100/fd/9", log);
	expect(NULL, CHECK_PASS, NULL);
}
END_TEST

START_TEST(images_are_shared)
{
	host_write(&tree, "proc/100/fdinfo/6", "flags:\t02100002\n");
	expect("monitor.images", CHECK_WARN, "100 can write to sha256-1.v1.ext4");
	/* Another file of that name. */
	host_link(&tree, "proc/100/fd/6", "/nowhere/sha256-1.v1.ext4");
	expect(NULL, CHECK_PASS, NULL);
}
END_TEST

START_TEST(rates)
{
	static const char none[] = "hull-vmm\0--kernel=k\0--disk\0a,ro\0--net\0tap=t,rx-rate=x";

	host_write_bytes(&tree, "proc/100/cmdline", none, sizeof(none));
	expect("monitor.rates", CHECK_INFO, "1 of 1 disks and 1 of 1 network devices");
	host_write(&tree, "sys/fs/cgroup/hull/100/io.max", "8:0 rbps=1\n");
	expect("monitor.rates", CHECK_INFO, "0 of 1 disks and 1 of 1 network devices");
}
END_TEST

/* What a packet filter does isn't known, a prohibited route and isolated ports are. */
START_TEST(ways_between_guests)
{
	struct check_finding found[HOST_ITEMS_MAX];

	host_write(&tree, "proc/sys/net/ipv4/conf/tap0/forwarding", "1\n");
	host_look(&config, found);
	ck_assert_int_eq(host_find(found, "network.metadata")->status, CHECK_WARN);
	ck_assert_int_eq(host_find(found, "network.taps")->status, CHECK_WARN);
	host_folder(&tree, "sys/module/nf_tables");
	host_look(&config, found);
	ck_assert_int_eq(host_find(found, "network.metadata")->status, CHECK_UNKNOWN);
	ck_assert_int_eq(host_find(found, "network.taps")->status, CHECK_UNKNOWN);
	host_write(&tree, "proc/net/route",
		"Iface\tDestination\n*\tFEA9FEA9\t00000000\t0205\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n");
	expect("network.taps", CHECK_UNKNOWN, "nft list ruleset");
	/* Built into the kernel, it is told by its sockets alone. */
	host_delete(&tree, "sys/module/nf_tables");
	host_write(&tree, "proc/net/netlink", "sk Eth Pid\n0000000000000000 12  0 0\n");
	expect("network.taps", CHECK_UNKNOWN, "nft list ruleset");
	host_write(&tree, "proc/net/netlink", "sk Eth Pid\n0000000000000000 0  0 0\n");
	host_write(&tree, "proc/sys/net/ipv4/conf/tap0/forwarding", "0\n");
	host_link(&tree, "sys/class/net/tap0/brport/bridge", "../../br0");
	host_link(&tree, "sys/class/net/tap1/brport/bridge", "../../br0");
	host_write(&tree, "sys/class/net/tap0/brport/isolated", "1\n");
	host_write(&tree, "sys/class/net/tap1/brport/isolated", "0\n");
	host_look(&config, found);
	ck_assert_int_eq(host_find(found, "network.taps")->status, CHECK_WARN);
	ck_assert_ptr_nonnull(strstr(host_find(found, "network.taps")->text, "on bridge br0"));
	host_write(&tree, "sys/class/net/tap1/brport/isolated", "1\n");
	host_look(&config, found);
	ck_assert_int_eq(host_find(found, "network.taps")->status, CHECK_PASS);
}
END_TEST

START_TEST(a_tap_that_is_not_here)
{
	struct check_finding found[HOST_ITEMS_MAX];

	host_write(&tree, "proc/100/fdinfo/7", "flags:\t02\niff:\ttap7\n");
	host_look(&config, found);
	ck_assert_int_eq(host_find(found, "network.metadata")->status, CHECK_UNKNOWN);
	ck_assert_int_eq(host_find(found, "network.taps")->status, CHECK_UNKNOWN);
	ck_assert_ptr_nonnull(
		strstr(host_find(found, "network.taps")->text, "another network namespace"));
}
END_TEST

START_TEST(nothing_can_be_read)
{
	static const char *const folders[] = {"proc", "sys", "dev", "etc", "store", "lib", "run"};
	struct check_finding found[HOST_ITEMS_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		host_write(&tree, folders[i], "no folder");
	config.landlock_abi = -EPERM;
	host_look(&config, found);
	for (size_t i = 0; i < check_item_count; i++)
		ck_assert_msg(found[i].status == CHECK_UNKNOWN, "%s: %d: %s", check_items[i].id,
			found[i].status, found[i].text);
}
END_TEST

/* Each file of the host in turn, with whatever content. */
static char names[512][128];
static int name_count;

static int collect(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	/* The second monitor's are as the first one's. */
	if (kind == FTW_F && S_ISREG(st->st_mode) && !strstr(path, "/proc/110/") &&
		name_count < (int)ARRAY_SIZE(names))
		snprintf(names[name_count++], sizeof(names[0]), "%s", path + strlen(tree.root) + 1);
	return 0;
}

static void look_for_text(void)
{
	struct check_finding found[HOST_ITEMS_MAX];

	host_look(&config, found);
	for (size_t i = 0; i < check_item_count; i++) {
		ck_assert_uint_gt(found[i].len, 0);
		ck_assert_uint_eq(strlen(found[i].text), found[i].len);
		for (const char *c = found[i].text; *c; c++)
			ck_assert_msg((unsigned char)*c >= 0x20 && *c != 0x7f, "%s: %s",
				check_items[i].id, found[i].text);
	}
}

START_TEST(files_hold_anything)
{
	static char large[200 * 1024];
	static const char odd[] = "\0\0\n:\033[2J \t-1 (";

	ck_assert_int_eq(nftw(tree.root, collect, 16, FTW_PHYS), 0);
	ck_assert_int_gt(name_count, 50);
	memset(large, 'A', sizeof(large));
	for (size_t i = 0; i < sizeof(large); i += 97)
		large[i] = i % 3 ? ' ' : '\n';
	if (_i == 1)
		memset(large, '9', sizeof(large));
	/* Each gets one of the large contents and one of the small ones. */
	for (int i = _i % 2; i < name_count; i += 2) {
		char CLEANUP_FREE *old = calloc(1, 4096);
		char path[512];
		ssize_t n;
		int fd;

		snprintf(path, sizeof(path), "%s/%s", tree.root, names[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = read(fd, old, 4096);
		close(fd);
		ck_assert_int_ge(n, 0);
		if (_i < 2)
			host_write_bytes(&tree, names[i], large, sizeof(large));
		else if (_i == 2)
			host_write_bytes(&tree, names[i], odd, sizeof(odd));
		else
			host_write_bytes(&tree, names[i], old, (size_t)n / 2);
		look_for_text();
		host_write_bytes(&tree, names[i], old, (size_t)n);
	}
}
END_TEST

SUITE_CASES("cli_check_monitors", set_up, tear_down, {one_fault, ARRAY_SIZE(faults)},
	{who_is_a_monitor, 0}, {no_monitor_and_one_that_waits, 0},
	{one_ends_while_it_is_looked_at, 0}, {users_of_other_processes, 0}, {where_output_goes, 0},
	{images_are_shared, 0}, {rates, 0}, {ways_between_guests, 0}, {a_tap_that_is_not_here, 0},
	{nothing_can_be_read, 0}, {files_hold_anything, 4})
