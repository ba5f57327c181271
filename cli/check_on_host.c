// SPDX-License-Identifier: Apache-2.0
// Items of an audit: the host's kernel, its security modules, its memory.
#include "cli/check_items.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* The jail's root is made by mount_setattr(). */
#define KERNEL_MAJOR 5
#define KERNEL_MINOR 12
/* Older ones than that are in no test of hull's. */
#define KERNEL_TESTED_MAJOR 6
#define KERNEL_TESTED_MINOR 1

/* A device-mapper device may lie on others. */
#define SWAP_DEPTH_MAX 8

/* Return: is @version at least this one? -1 if it is none. */
static int is_at_least(const char *version, unsigned int major, unsigned int minor)
{
	unsigned long its[2];
	char *end;

	its[0] = strtoul(version, &end, 10);
	if (end == version || *end != '.')
		return -1;
	its[1] = strtoul(end + 1, NULL, 10);
	return its[0] != major ? its[0] > major : its[1] >= minor;
}

void check_kernel(const struct check_host *host, struct check_finding *finding)
{
	char version[CHECK_LINE_SIZE];
	int r = check_read_line(host->root, "proc/sys/kernel/osrelease", version, sizeof(version));

	if (r < 0)
		check_unreadable(finding, "/proc/sys/kernel/osrelease", r);
	else if (is_at_least(version, KERNEL_MAJOR, KERNEL_MINOR) < 0)
		check_say(finding, CHECK_UNKNOWN, "%s", version);
	else if (!is_at_least(version, KERNEL_MAJOR, KERNEL_MINOR))
		check_say(finding, CHECK_WARN, "%s, and the jail needs %d.%d", version,
			KERNEL_MAJOR, KERNEL_MINOR);
	else if (!is_at_least(version, KERNEL_TESTED_MAJOR, KERNEL_TESTED_MINOR))
		check_say(finding, CHECK_INFO, "%s; hull is tested with %d.%d and later", version,
			KERNEL_TESTED_MAJOR, KERNEL_TESTED_MINOR);
	else
		check_say(finding, CHECK_PASS, "%s", version);
}

/* The words "Linux version X" are in each kernel that isn't compressed. */
static int find_version(int dir, const char *path, char *ret, size_t size)
{
	static const char words[] = "Linux version ";
	FILE CLEANUP_FILE *file = NULL;
	char data[64 * 1024 + 1];
	size_t kept = 0;
	int r = check_open(dir, path, &file);

	while (!r) {
		size_t n = fread(data + kept, 1, sizeof(data) - 1 - kept, file) + kept;
		const char *at = memmem(data, n, words, strlen(words));

		if (n == kept)
			return -ENODATA;
		data[n] = '\0';
		if (at && data + n - at > 80) {
			at += strlen(words);
			snprintf(ret, size, "%.*s", (int)strcspn(at, " \n"), at);
			return 0;
		}
		kept = n < 128 ? n : 128;
		memmove(data, data + n - kept, kept);
		if (feof(file) || ferror(file))
			return -ENODATA;
	}
	return r;
}

void check_guest_kernel(const struct check_host *host, struct check_finding *finding)
{
	const char *path = host->config.kernel;
	char version[80] = "of unknown version";
	struct stat st;

	if (!path) {
		check_say(finding, CHECK_UNKNOWN, "it can't be told which one it is");
		return;
	}
	if (fstatat(host->root, check_path(path), &st, 0) < 0) {
		check_unreadable(finding, path, -errno);
		return;
	}
	find_version(host->root, path, version, sizeof(version));
	if (st.st_uid != 0 && st.st_uid != host->user)
		check_say(finding, CHECK_WARN, "%s belongs to user %u", path, st.st_uid);
	if (st.st_mode & 022)
		check_say(finding, CHECK_WARN, "%s can be written by others (mode %03o)", path,
			st.st_mode & 0777);
	check_say(finding, CHECK_PASS, "%s, %s", version, path);
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; *at; at += strcspn(at, ", "), at += *at != '\0')
		if (strcspn(at, ", ") == len && !strncmp(at, word, len))
			return true;
	return false;
}

void check_lsm(const struct check_host *host, struct check_finding *finding)
{
	static const char *const confining[] = {"apparmor", "selinux", "smack", "tomoyo"};
	char text[CHECK_LINE_SIZE], enabled[8] = "";
	int r = check_read_line(host->root, "sys/kernel/security/lsm", text, sizeof(text));

	for (size_t i = 0; i < ARRAY_SIZE(confining) && !r; i++) {
		if (has_word(text, confining[i])) {
			check_say(finding, CHECK_PASS, "%s", text);
			return;
		}
	}
	if (!r) {
		check_say(finding, CHECK_WARN, "none of AppArmor, SELinux, Smack, TOMOYO, but %s",
			text);
		return;
	}
	check_read_line(
		host->root, "sys/module/apparmor/parameters/enabled", enabled, sizeof(enabled));
	if (enabled[0] == 'Y')
		check_say(finding, CHECK_PASS, "apparmor");
	else if (check_exists(host->root, "sys/fs/selinux/enforce") == 1)
		check_say(finding, CHECK_PASS, "selinux");
	else
		check_unreadable(finding, "/sys/kernel/security/lsm", r);
}

void check_landlock(const struct check_host *host, struct check_finding *finding)
{
	int abi = host->config.landlock_abi;

	if (abi < 0)
		check_say(finding, CHECK_UNKNOWN, "%s", strerror(-abi));
	else if (!abi)
		check_say(finding, CHECK_WARN,
			"this kernel has none: hull needs --jail-without "
			"landlock");
	else
		check_say(finding, CHECK_PASS, "ABI %d", abi);
}

void check_user_namespaces(const struct check_host *host, struct check_finding *finding)
{
	static const struct {
		const char *path;
		int64_t off;
	} switches[] = {
		{"/proc/sys/kernel/unprivileged_userns_clone", 0},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1},
	};
	int64_t most, value;
	int r = check_read_number(host->root, "proc/sys/user/max_user_namespaces", &most);

	if (r < 0) {
		check_unreadable(finding, "/proc/sys/user/max_user_namespaces", r);
		return;
	}
	if (!most)
		check_say(finding, CHECK_WARN,
			"user.max_user_namespaces is 0: hull needs --jail-without userns");
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		if (!check_read_number(host->root, switches[i].path, &value) &&
			value == switches[i].off)
			check_say(finding, CHECK_INFO, "for root only: %s is %" PRId64,
				switches[i].path, value);
	check_say(finding, CHECK_PASS, "at most %" PRId64, most);
}

void check_cgroup_v2(const struct check_host *host, struct check_finding *finding)
{
	static const char *const needed[] = {"memory", "pids"};
	char text[CHECK_LINE_SIZE];
	int r = check_read_line(host->root, "sys/fs/cgroup/cgroup.controllers", text, sizeof(text));

	if (r == -ENOENT && check_exists(host->root, "sys/fs") == 1) {
		check_say(finding, CHECK_WARN, "no cgroup v2 at /sys/fs/cgroup");
		return;
	}
	if (r < 0) {
		check_unreadable(finding, "/sys/fs/cgroup/cgroup.controllers", r);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!has_word(text, needed[i]))
			check_say(finding, CHECK_WARN, "no controller \"%s\"", needed[i]);
	check_say(finding, CHECK_PASS, "%s", text);
}

void check_hardening(const struct check_host *host, struct check_finding *finding)
{
	static const char *const names[] = {"kernel/kptr_restrict", "kernel/dmesg_restrict",
		"kernel/unprivileged_bpf_disabled", "kernel/yama/ptrace_scope",
		"kernel/kexec_load_disabled", "kernel/modules_disabled"};
	char text[CHECK_LINE_SIZE], path[CHECK_LINE_SIZE];
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int64_t value;

		snprintf(path, sizeof(path), "proc/sys/%s", names[i]);
		r = check_read_number(host->root, path, &value);
		if (!r)
			check_say(
				finding, CHECK_INFO, "%s %" PRId64, strrchr(path, '/') + 1, value);
	}
	/* The one that is chosen stands in brackets. */
	if (!check_read_line(host->root, "sys/kernel/security/lockdown", text, sizeof(text))) {
		const char *at = strchrnul(text, '[');

		check_say(finding, CHECK_INFO, "lockdown %.*s",
			(int)(*at ? strcspn(at + 1, "]") : strlen(text)), *at ? at + 1 : text);
	}
	if (!finding->len)
		check_unreadable(finding, "/proc/sys/kernel", r);
}

void check_ksm(const struct check_host *host, struct check_finding *finding)
{
	int64_t run;
	int r = check_read_number(host->root, "sys/kernel/mm/ksm/run", &run);

	if (r == -ENOENT && check_exists(host->root, "sys/kernel/mm") == 1)
		check_say(finding, CHECK_PASS, "this kernel has none");
	else if (r < 0)
		check_unreadable(finding, "/sys/kernel/mm/ksm/run", r);
	else if (run == 1)
		check_say(finding, CHECK_WARN, "it runs");
	else
		check_say(finding, CHECK_PASS, "it is off");
}

/* Return: 1 if all that a block device lies on is dm-crypt, 0, or -errno. */
static int is_encrypted(int root, const char *block, int depth)
{
	char path[512], uuid[CHECK_LINE_SIZE];
	struct dirent *entry;
	DIR *slaves;
	int r, all = 0;

	if (depth > SWAP_DEPTH_MAX)
		return -ELOOP;
	snprintf(path, sizeof(path), "%s/dm/uuid", block);
	if (!check_read_line(root, path, uuid, sizeof(uuid)) && !strncmp(uuid, "CRYPT-", 6))
		return 1;
	snprintf(path, sizeof(path), "%s/slaves", block);
	r = check_opendir(root, path, &slaves);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((entry = check_next(slaves))) {
		snprintf(path, sizeof(path), "%.200s/slaves/%s", block, entry->d_name);
		all = is_encrypted(root, path, depth + 1);
		if (all != 1)
			break;
	}
	closedir(slaves);
	return all;
}

/* @name: a device or a file, as /proc/swaps has it. Return: as is_encrypted(). */
static int is_safe_swap(const struct check_host *host, const char *name)
{
	char block[512], backing[CHECK_LINE_SIZE];
	struct stat st;

	if (!strncmp(name, "/dev/zram", 9)) {
		snprintf(block, sizeof(block), "sys/block/%.60s/backing_dev", name + 5);
		return check_read_line(host->root, block, backing, sizeof(backing)) < 0 ||
		       !strcmp(backing, "none");
	}
	if (!strncmp(name, "/dev/dm-", 8)) {
		snprintf(block, sizeof(block), "sys/block/%.60s", name + 5);
		return is_encrypted(host->root, block, 0);
	}
	if (fstatat(host->root, check_path(name), &st, 0) < 0)
		return -errno;
	snprintf(block, sizeof(block), "sys/dev/block/%u:%u",
		major(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev),
		minor(S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev));
	return is_encrypted(host->root, block, 0);
}

void check_swap(const struct check_host *host, struct check_finding *finding)
{
	FILE CLEANUP_FILE *file = NULL;
	char line[4096];
	int r = check_open(host->root, "proc/swaps", &file);

	if (r < 0) {
		check_unreadable(finding, "/proc/swaps", r);
		return;
	}
	if (!fgets(line, sizeof(line), file) || strncmp(line, "Filename", 8) != 0) {
		check_unreadable(finding, "/proc/swaps", -EBADMSG);
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		if (line[0] != '/')
			continue;
		line[strcspn(line, " \t\n")] = '\0';
		r = is_safe_swap(host, line);
		if (r < 0)
			check_unreadable(finding, line, r);
		else if (!r)
			check_say(finding, CHECK_WARN, "%.200s is not known to be encrypted", line);
		else
			check_say(finding, CHECK_PASS, "%.200s is encrypted, or memory", line);
	}
	if (!finding->len)
		check_say(finding, CHECK_PASS, "there is none");
}
