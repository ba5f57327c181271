// SPDX-License-Identifier: Apache-2.0
// The items of an audit, and how they are run and chosen.
#include "cli/check.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "cli/check_items.h"
#include "cli/strlist.h"

#include <stdarg.h>
#include <string.h>

/* Grouped by what is before the dot. An id, once released, keeps its meaning. */
const struct check_item check_items[] = {
	{"host.kernel", "The kernel is one that hull works with", "install a newer kernel",
		check_kernel},
	{"host.guest-kernel", "The guests' kernel is what its owner put there",
		"chown it to root and take others' right to write away, or install hull anew",
		check_guest_kernel},
	{"host.lsm", "A security module confines the host's programs",
		"boot with AppArmor or SELinux (lsm= on the kernel's command line)", check_lsm},
	{"host.landlock", "Landlock is there for the jail",
		"boot a kernel with Landlock, and with landlock in lsm= on its command line",
		check_landlock},
	{"host.user-namespaces", "User namespaces are there for the jail",
		"raise user.max_user_namespaces by sysctl", check_user_namespaces},
	{"host.cgroup", "Control groups v2 can limit memory and processes",
		"boot with systemd.unified_cgroup_hierarchy=1, or mount cgroup2 at /sys/fs/cgroup",
		check_cgroup_v2},
	{"host.hardening", "Sysctls that keep the kernel's secrets", NULL, check_hardening},
	{"host.ksm", "Memory of VMs is not merged",
		"write 2 to /sys/kernel/mm/ksm/run: by timing a guest learns of what is merged",
		check_ksm},
	{"host.swap", "Guests' memory reaches no disk in the clear",
		"swapoff, or swap to a dm-crypt device or zram", check_swap},
	{"cpu.vulnerabilities", "The CPU's known flaws are mitigated",
		"update kernel and microcode, and take mitigations=off from the command line",
		check_vulnerabilities},
	{"cpu.smt", "No two VMs share a core's threads",
		"boot with nosmt, or write off to /sys/devices/system/cpu/smt/control", check_smt},
	{"cpu.nested", "KVM offers no virtualization within guests",
		"load kvm_intel or kvm_amd with nested=0, unless a VM needs --nested on",
		check_nested},
	{"device.kvm", "/dev/kvm is for those who run VMs only", "chmod 0660 and chgrp kvm",
		check_dev_kvm},
	{"device.tun", "/dev/net/tun is for those who run VMs only", "chmod 0660 and chgrp kvm",
		check_dev_tun},
	{"jail.root", "Monitors see an empty, read-only root", "start it without --no-jail", NULL,
		check_jail_root},
	{"jail.namespaces", "Monitors are in namespaces of their own",
		"start it without --no-jail and --jail-without userns", NULL,
		check_jail_namespaces},
	{"jail.uid", "Each monitor is a user of its own, and not root",
		"start it as root without --no-jail, --uid and --gid", NULL, check_jail_uid},
	{"jail.seccomp", "System calls of each thread are filtered",
		"start it without --no-jail, --no-seccomp and --jail-without seccomp", NULL,
		check_jail_seccomp},
	{"jail.no-new-privs", "No thread can gain privileges", "start it without --no-jail", NULL,
		check_jail_new_privs},
	{"jail.capabilities", "No thread has or can have a capability",
		"start it without --no-jail", NULL, check_jail_capabilities},
	{"jail.limits", "Descriptors, threads and core dumps are limited",
		"start it without --no-jail and --jail-without userns", NULL, check_jail_limits},
	{"jail.debug", "Monitors are closed to debuggers", "start it without --no-jail", NULL,
		check_jail_debug},
	{"monitor.cgroup", "Each monitor's control group limits memory and processes",
		"start each in a cgroup of its own with memory.max and pids.max", NULL,
		check_monitor_cgroup},
	{"monitor.sockets", "Monitors' sockets are their owner's alone",
		"make them in a directory of their owner's, and chmod o-w", NULL,
		check_monitor_sockets},
	{"monitor.output", "Console and log don't fill a disk",
		"use a FIFO or pipe to something that rotates, or --resource-limit fsize=", NULL,
		check_monitor_output},
	{"monitor.images", "Images that VMs share are open for reading only",
		"attach what is in the store with ro", NULL, check_monitor_images},
	{"monitor.rates", "Disks and network devices have rate limits", NULL, NULL,
		check_monitor_rates},
	{"network.metadata", "Guests don't reach 169.254.169.254, a cloud's secrets",
		"ip route add prohibit 169.254.169.254/32, or drop it from taps in nftables",
		check_metadata},
	{"network.taps", "Guests don't reach each other's tap devices",
		"bridge link set dev TAP isolated on; drop what is forwarded from tap to tap",
		check_taps},
	{"store.owner", "The image store is its owner's alone",
		"chown it to who runs hull, and chmod go-w", check_store_owner},
	{"store.images", "Nobody else writes to base images", "chmod go-w, or pull them anew",
		check_store_images},
	{"store.digests", "Images are pulled by digest",
		"pull NAME@sha256:...: what a tag names, its registry can change",
		check_store_digests},
	{"store.policy", "Images must be signed",
		"let containers-policy.json(5) reject by default and name who signs",
		check_store_policy},
	{"left.store", "No builder left anything in the store",
		"any hull pull or hull run removes it", check_left_store},
	{"left.sockets", "No monitor left a socket behind", "remove it", check_left_sockets},
	{"left.cgroups", "No VM left a control group behind", "rmdir it", check_left_cgroups},
};
const size_t check_item_count = ARRAY_SIZE(check_items);

void check_say(struct check_finding *finding, enum check_status status, const char *fmt, ...)
{
	char text[CHECK_TEXT_SIZE];
	va_list ap;
	int n;

	if (status < finding->status)
		return;
	if (status > finding->status) {
		finding->status = status;
		finding->len = finding->left_out = 0;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	n = snprintf(finding->text + finding->len, sizeof(finding->text) - finding->len, "%s%s",
		finding->len ? "; " : "", text);
	if (!finding->len || (size_t)n < sizeof(finding->text) - finding->len) {
		finding->len += strlen(finding->text + finding->len);
		return;
	}
	finding->text[finding->len] = '\0';
	finding->left_out++;
}

void check_unreadable(struct check_finding *finding, const char *what, int r)
{
	check_say(finding, CHECK_UNKNOWN, "%s: %s", what, strerror(-r));
}

size_t check_group_len(const struct check_item *item)
{
	return strcspn(item->id, ".");
}

static bool is_name(const struct check_item *item, const char *name)
{
	size_t group = check_group_len(item);

	return !strcmp(item->id, name) ||
	       (strlen(name) == group && !strncmp(item->id, name, group));
}

bool check_is_named(const struct check_item *item, const struct strlist *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (is_name(item, names->items[i]))
			return true;
	return false;
}

int check_names(struct strlist *names, const char *text, struct err *err)
{
	for (const char *at = text;; at++) {
		size_t len = strcspn(at, ",");
		const struct check_item *item = check_items;
		char name[64];
		int r;

		snprintf(name, sizeof(name), "%.*s", (int)(len < sizeof(name) ? len : 0), at);
		while (item < check_items + check_item_count && !is_name(item, name))
			item++;
		if (item == check_items + check_item_count)
			return err_set(err, -EINVAL,
				"\"%.*s\" is no item, see \"hull check --list\"", (int)len, at);
		r = strlist_add(names, name);
		if (r < 0)
			return err_set(err, r, "out of memory");
		at += len;
		if (!*at)
			return 0;
	}
}

/* It may have ended, and then there is nothing to know. */
static bool has_ended(const struct check_monitor *monitor)
{
	char text[16];

	return check_read(monitor->dir, "comm", text, sizeof(text)) <= 0;
}

static void run_monitors(
	const struct check_item *item, const struct check_host *host, struct check_finding *finding)
{
	unsigned int seen = 0, waiting = 0;

	if (host->processes < 0)
		check_unreadable(finding, "processes can't be seen", host->processes);
	for (size_t i = 0; i < host->monitor_count; i++) {
		const struct check_monitor *monitor = &host->monitors[i];
		struct check_finding own = {0};
		int r;

		if (!monitor->guest) {
			waiting += !has_ended(monitor);
			continue;
		}
		r = item->monitor(host, monitor, &own);
		if (has_ended(monitor))
			continue;
		seen++;
		if (own.len)
			check_say(finding, own.status, "%s%s", own.text,
				own.left_out ? " and more" : "");
		if (r < 0)
			check_say(finding, CHECK_UNKNOWN, "%d: %s", monitor->pid, strerror(-r));
	}
	if (!finding->len && seen)
		check_say(finding, CHECK_PASS, "%u monitor%s", seen, seen > 1 ? "s" : "");
	if (!seen)
		check_say(finding, CHECK_INFO, "no monitor runs a guest%s",
			waiting ? "; one that waits for its start is jailed then" : "");
}

void check_run(
	const struct check_item *item, const struct check_host *host, struct check_finding *ret)
{
	*ret = (struct check_finding){0};
	if (item->monitor)
		run_monitors(item, host, ret);
	else
		item->host(host, ret);
	if (!ret->len)
		check_say(ret, ret->status, "nothing found");
}
