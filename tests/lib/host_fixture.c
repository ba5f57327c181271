// SPDX-License-Identifier: Apache-2.0
// A folder that looks like a host on which two jailed monitors run, and nothing is amiss.
#include "tests/lib/host_fixture.h"

#include "base/err.h"
#include "cli/check.h"
#include "image/store.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATH_SIZE 1024

static const struct {
	const char *name;
	const char *text;
} files[] = {
	{"proc/sys/kernel/osrelease", "6.1.0-31-amd64\n"},
	{"proc/sys/kernel/kptr_restrict", "2\n"},
	{"proc/sys/kernel/unprivileged_userns_clone", "1\n"},
	{"proc/sys/user/max_user_namespaces", "30000\n"},
	{"proc/sys/net/ipv4/ip_forward", "0\n"},
	{"proc/sys/net/ipv4/conf/tap0/forwarding", "0\n"},
	{"proc/sys/net/ipv4/conf/tap1/forwarding", "0\n"},
	{"proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
			   "eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"},
	{"proc/net/netlink", "sk Eth Pid\n0000000000000000 0   1 0\n0000000000000000 15  0 0\n"},
	{"proc/net/unix",
		"Num       RefCount Protocol Flags    Type St Inode Path\n"
		"0000000000000000: 00000002 00000000 00010000 0001 01   501 /run/vm/api.sock~\n"
		"0000000000000000: 00000003 00000000 00000000 0001 03   502 /run/vm/api.sock~\n"
		"0000000000000000: 00000002 00000000 00010000 0001 01   503 @hull/0/name\n"},
	{"proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"
		       "/dev/dm-1  partition\t1\t0\t-2\n/dev/zram0  partition\t1\t0\t100\n"},
	{"proc/locks", "1: FLOCK  ADVISORY  WRITE 42 08:01:7 0 EOF\n"},
	{"proc/uptime", "5000.00 9000.00\n"},
	{"proc/1/comm", "init\n"},
	{"proc/1/stat", "1 (init) S 0 1 1 0 -1 4194560 0\n"},
	{"sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n"},
	{"sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: Retpolines\n"},
	{"sys/devices/system/cpu/smt/active", "0\n"},
	{"sys/devices/system/cpu/smt/control", "off\n"},
	{"sys/module/kvm_amd/parameters/nested", "0\n"},
	{"sys/kernel/mm/ksm/run", "0\n"},
	{"sys/kernel/security/lsm", "lockdown,capability,landlock,apparmor\n"},
	{"sys/kernel/security/lockdown", "none [integrity] confidentiality\n"},
	{"sys/block/dm-1/dm/uuid", "LVM-x\n"},
	{"sys/block/dm-1/slaves/dm-0/dm/uuid", "CRYPT-LUKS2-x\n"},
	{"sys/block/zram0/backing_dev", "none\n"},
	{"sys/class/net/lo/mtu", "65536\n"},
	{"sys/class/net/tap0/tun_flags", "0x1002\n"},
	{"sys/class/net/tap1/tun_flags", "0x1002\n"},
	{"sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"},
	{"sys/fs/cgroup/hull/cgroup.events", "populated 1\nfrozen 0\n"},
	{"dev/kvm", ""},
	{"dev/net/tun", ""},
	{"etc/containers/policy.json",
		"{\"default\": [{\"type\": \"reject\"}], \"transports\": {\"docker\": "
		"{\"registry.example\": [{\"type\": \"signedBy\"}]},"
		"\"oci\": {\"\": [{\"type\": \"insecureAcceptAnything\"}]}}}"},
	{"lib/vmlinux",
		"\177ELF Linux version 6.12.90 (somebody) and so on, for as long as it takes "
		"to have all of the version within what is read at a time, and more\n"},
	{"store/rootfs/sha256-1.v1.ext4", "image"},
	{"store/pulled/1/source", "docker://registry.example/a@sha256:00\n"},
	{"store/pulled/2/source", "docker-archive:/a.tar\n1 2\n"},
};

static const struct {
	const char *name;
	const char *text;
} monitor_files[] = {
	{"comm", "hull-vmm\n"},
	{"stat", "1 (hull-vmm) S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 2 0 1000 0\n"},
	{"mountinfo", "30 29 0:50 / / ro,nosuid,nodev,noexec - tmpfs none ro,size=64k\n"
		      "31 30 8:1 /run/vm /run/vm ro,nosuid,nodev,noexec - ext4 /dev/a rw\n"},
	{"limits", "Limit                     Soft Limit           Hard Limit           Units\n"
		   "Max file size             1048576              1048576              bytes\n"
		   "Max core file size        0                    0                    bytes\n"
		   "Max processes             66                   66                   processes\n"
		   "Max open files            2048                 2048                 files\n"},
	{"root/run/.file", "the folder counts"},
	{"fdinfo/1", "pos:\t0\nflags:\t02\n"},
	{"fdinfo/5", "pos:\t0\nflags:\t04002\n"},
	{"fdinfo/6", "pos:\t0\nflags:\t02100000\n"},
	{"fdinfo/7", "pos:\t0\nflags:\t02\niff:\ttap0\n"},
};

static void path_of(const struct host_fixture *host, const char *name, char path[PATH_SIZE])
{
	ck_assert_int_lt(snprintf(path, PATH_SIZE, "%s/%s", host->root, name), PATH_SIZE);
}

/* The folders above, and nothing that has the name. */
static void make_way(const struct host_fixture *host, const char *name, char path[PATH_SIZE])
{
	path_of(host, name, path);
	for (char *slash = path + strlen(host->root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		ck_assert(!mkdir(path, 0755) || errno == EEXIST);
		*slash = '/';
	}
	ck_assert(!store_remove(AT_FDCWD, path) || errno == ENOENT);
}

void host_write_bytes(const struct host_fixture *host, const char *name, const void *data, size_t n)
{
	char path[PATH_SIZE];
	FILE *file;

	make_way(host, name, path);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(data, 1, n, file), n);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
}

void host_write(const struct host_fixture *host, const char *name, const char *text)
{
	host_write_bytes(host, name, text, strlen(text));
}

void host_link(const struct host_fixture *host, const char *name, const char *target)
{
	char path[PATH_SIZE];

	make_way(host, name, path);
	ck_assert_int_eq(symlink(target, path), 0);
}

void host_folder(const struct host_fixture *host, const char *name)
{
	char path[PATH_SIZE];

	make_way(host, name, path);
	ck_assert_int_eq(mkdir(path, 0755), 0);
}

void host_socket(const struct host_fixture *host, const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char path[PATH_SIZE];

	make_way(host, name, path);
	ck_assert_uint_lt(strlen(path), sizeof(addr.sun_path));
	strcpy(addr.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	ck_assert_int_eq(chmod(path, 0755), 0);
}

void host_delete(const struct host_fixture *host, const char *name)
{
	char path[PATH_SIZE];

	path_of(host, name, path);
	ck_assert_int_eq(store_remove(AT_FDCWD, path), 0);
}

void host_chmod(const struct host_fixture *host, const char *name, mode_t mode)
{
	char path[PATH_SIZE];

	path_of(host, name, path);
	ck_assert_int_eq(chmod(path, mode), 0);
}

__attribute__((format(printf, 4, 5))) static void monitor_write(
	const struct host_fixture *host, int pid, const char *name, const char *fmt, ...)
{
	char path[256], text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "proc/%d/%s", pid, name);
	host_write(host, path, text);
}

static void make_spaces(const struct host_fixture *host, const char *process, int inode)
{
	static const char *const kinds[] = {"user", "mnt", "net", "ipc", "uts", "cgroup"};
	char path[128], text[64];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(path, sizeof(path), "proc/%s/ns/%s", process, kinds[i]);
		snprintf(text, sizeof(text), "%s:[%zu]", kinds[i], (size_t)inode * 10 + i);
		host_link(host, path, text);
	}
}

static void make_thread(const struct host_fixture *host, int pid, int tid, const char *name)
{
	char folder[64], path[128];

	folder[0] = '\0';
	if (tid)
		snprintf(folder, sizeof(folder), "task/%d/", tid);
	snprintf(path, sizeof(path), "%sstatus", folder);
	monitor_write(host, pid, path,
		"Name:\t%s\nUid:\t%d\t%d\t%d\t%d\nGid:\t%d\t%d\t%d\t%d\nCapInh:\t0000000000000000\n"
		"CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
		"CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n",
		name, HOST_UID + pid, HOST_UID + pid, HOST_UID + pid, HOST_UID + pid,
		HOST_UID + pid, HOST_UID + pid, HOST_UID + pid, HOST_UID + pid);
	snprintf(path, sizeof(path), "%sstat", folder);
	if (tid)
		monitor_write(host, pid, path, "%d (%s) S 1 1 1 0 -1 4194560 0\n", tid, name);
}

static void make_monitor(const struct host_fixture *host, int pid)
{
	static const char cmdline[] = "hull-vmm\0--kernel\0k\0--disk\0a,ro,rate=bw:1M/100\0"
				      "--net=tap=tap0,rx-rate=x,tx-rate=y";
	char path[128], target[PATH_SIZE];

	for (size_t i = 0; i < sizeof(monitor_files) / sizeof(monitor_files[0]); i++)
		monitor_write(host, pid, monitor_files[i].name, "%s", monitor_files[i].text);
	snprintf(path, sizeof(path), "proc/%d", pid);
	make_spaces(host, path + strlen("proc/"), pid);
	make_thread(host, pid, 0, "hull-vmm");
	make_thread(host, pid, pid, "hull-vmm");
	make_thread(host, pid, pid + 1, "vcpu0");
	/* The kernel's own worker: no code of the monitor's. */
	monitor_write(host, pid, "task/900/stat", "900 (iou-wrk-1) S 1 1 1 0 -1 %d 0\n", 0x4010);
	monitor_write(host, pid, "task/900/status", "Name:\tiou-wrk-1\nSeccomp:\t0\n");
	monitor_write(host, pid, "cgroup", "1:name=x:/\n0::/hull/%d\n", pid);
	snprintf(path, sizeof(path), "proc/%d/exe", pid);
	host_link(host, path, "/usr/bin/hull-vmm");
	snprintf(path, sizeof(path), "proc/%d/cmdline", pid);
	host_write_bytes(host, path, cmdline, sizeof(cmdline));
	snprintf(path, sizeof(path), "proc/%d/fd/1", pid);
	host_link(host, path, "/dev/null");
	snprintf(path, sizeof(path), "proc/%d/fd/5", pid);
	host_link(host, path, "socket:[501]");
	snprintf(path, sizeof(path), "proc/%d/fd/6", pid);
	path_of(host, "store/rootfs/sha256-1.v1.ext4", target);
	host_link(host, path, target);
	snprintf(path, sizeof(path), "proc/%d/fd/7", pid);
	host_link(host, path, "/dev/net/tun");
	snprintf(path, sizeof(path), "sys/fs/cgroup/hull/%d/memory.max", pid);
	host_write(host, path, "536870912\n");
	snprintf(path, sizeof(path), "sys/fs/cgroup/hull/%d/pids.max", pid);
	host_write(host, path, "70\n");
	snprintf(path, sizeof(path), "sys/fs/cgroup/hull/%d/cgroup.events", pid);
	host_write(host, path, "populated 1\nfrozen 0\n");
}

void host_make(struct host_fixture *host)
{
	const char *tmp = getenv("TMPDIR");

	ck_assert_int_eq(setenv("HOME", "/home/somebody", 1), 0);
	snprintf(host->root, sizeof(host->root), "%s/hull-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(host->root));
	ck_assert_int_eq(chmod(host->root, 0755), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		host_write(host, files[i].name, files[i].text);
	make_spaces(host, "self", 1);
	make_monitor(host, HOST_MONITOR);
	make_monitor(host, HOST_OTHER_MONITOR);
	host_socket(host, "run/vm/api.sock");
	host_folder(host, "store/tmp");
	host_chmod(host, "store", 0700);
	host_chmod(host, "run/vm", 0700);
}

void host_remove(struct host_fixture *host)
{
	ck_assert_int_eq(store_remove(AT_FDCWD, host->root), 0);
}

struct check_config host_config(const struct host_fixture *host)
{
	return (struct check_config){
		.root = host->root, .store = "/store", .kernel = "/lib/vmlinux", .landlock_abi = 2};
}

void host_apply(const struct host_fixture *host, const struct host_fault *fault)
{
	switch (fault->how) {
	case WRITE:
		host_write(host, fault->path, fault->text);
		break;
	case DELETE:
		host_delete(host, fault->path);
		break;
	case FOLDER:
		host_folder(host, fault->path);
		break;
	case LINK:
		host_link(host, fault->path, fault->text);
		break;
	case SOCKET:
		host_socket(host, fault->path);
		break;
	case MODE:
		host_chmod(host, fault->path, fault->mode);
		break;
	}
}

void host_look(const struct check_config *config, struct check_finding *found)
{
	struct check_host host;
	struct err err = {0};

	ck_assert_msg(!check_host_open(&host, config, &err), "%s", err.msg);
	for (size_t i = 0; i < check_item_count; i++)
		check_run(&check_items[i], &host, &found[i]);
	check_host_close(&host);
}

const struct check_finding *host_find(const struct check_finding *found, const char *id)
{
	for (size_t i = 0; i < check_item_count; i++)
		if (!strcmp(check_items[i].id, id))
			return &found[i];
	ck_abort_msg("no item %s", id);
	return NULL;
}

static enum check_status usual(const char *id)
{
	return strcmp(id, "host.hardening") ? CHECK_PASS : CHECK_INFO;
}

void host_expect(const struct check_config *config, const char *id, enum check_status status,
	const char *words)
{
	struct check_finding found[HOST_ITEMS_MAX];

	host_look(config, found);
	for (size_t i = 0; i < check_item_count; i++) {
		const char *its = check_items[i].id;
		enum check_status wanted = id && !strcmp(its, id) ? status : usual(its);

		ck_assert_msg(found[i].status == wanted, "%s for %s: status %d: %s", its,
			id ? id : "nothing", found[i].status, found[i].text);
	}
	if (words)
		ck_assert_msg(strstr(host_find(found, id)->text, words) != NULL,
			"%s: no \"%s\" in %s", id, words, host_find(found, id)->text);
}
