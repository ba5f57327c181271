// SPDX-License-Identifier: Apache-2.0
// Items of an audit: the jail of each monitor, see vmm/sandbox/sandbox.c.
#include "cli/check_items.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* Above what vmm/sandbox/limits.c sets, so that --resource-limit may ask for more. */
#define NOFILE_MAX 65536
#define NPROC_MAX 4096

/* struct mount - a line of a mountinfo; the texts point into it */
struct mount {
	char *point;
	char *options;
	char *type;
};

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELD]... - TYPE SOURCE OPTIONS; blanks are escaped. */
static int parse_mount(char *line, struct mount *ret)
{
	char *save = NULL, *word = strtok_r(line, " \n", &save);

	*ret = (struct mount){0};
	for (int i = 0; word; i++, word = strtok_r(NULL, " \n", &save)) {
		if (i == 4)
			ret->point = word;
		else if (i == 5)
			ret->options = word;
		else if (i > 5 && !strcmp(word, "-")) {
			ret->type = strtok_r(NULL, " \n", &save);
			break;
		}
	}
	return ret->type ? 0 : -EBADMSG;
}

static bool has_option(const char *options, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = options; *at; at += strcspn(at, ","), at += *at == ',')
		if (strcspn(at, ",") == len && !strncmp(at, name, len))
			return true;
	return false;
}

static int check_mounts(const struct check_monitor *monitor, struct check_finding *finding)
{
	FILE CLEANUP_FILE *file = NULL;
	char CLEANUP_FREE *line = NULL;
	bool root = false;
	size_t size = 0;
	int r = check_open(monitor->dir, "mountinfo", &file);

	while (!r && getline(&line, &size, file) >= 0) {
		struct mount mount;

		r = parse_mount(line, &mount);
		if (r < 0)
			break;
		if (!strcmp(mount.point, "/")) {
			root = true;
			if (strcmp(mount.type, "tmpfs") != 0 || !has_option(mount.options, "ro")) {
				check_say(finding, CHECK_WARN,
					"%d sees a root of its host's: %s, %s", monitor->pid,
					mount.type,
					has_option(mount.options, "ro") ? "read-only" : "writable");
				return 0;
			}
		}
		if (!has_option(mount.options, "nosuid") || !has_option(mount.options, "nodev") ||
			!has_option(mount.options, "noexec"))
			check_say(finding, CHECK_WARN,
				"%d: %.100s is mounted without nosuid, nodev or noexec",
				monitor->pid, mount.point);
	}
	return r < 0 ? r : root ? 0 : -EBADMSG;
}

int check_jail_root(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	struct dirent *entry;
	DIR *root;
	int r = check_mounts(monitor, finding);

	if (r < 0 || finding->len)
		return r;
	r = check_opendir(monitor->dir, "root", &root);
	if (r < 0) {
		check_say(finding, CHECK_UNKNOWN, "%d: what its root holds: %s", monitor->pid,
			strerror(-r));
		return 0;
	}
	/* Folders lead to what is granted. */
	while ((entry = check_next(root))) {
		struct stat st;

		if (!fstatat(dirfd(root), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
			!S_ISDIR(st.st_mode))
			check_say(finding, CHECK_WARN, "%d: its root holds %.100s", monitor->pid,
				entry->d_name);
	}
	closedir(root);
	return 0;
}

int check_jail_namespaces(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	static const char *const kinds[] = {"user", "mnt", "net", "ipc", "uts", "cgroup"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char path[64], its[64], ours[64];
		int r;

		snprintf(path, sizeof(path), "proc/self/ns/%s", kinds[i]);
		r = check_link(host->root, path, ours, sizeof(ours));
		if (!r)
			r = check_link(monitor->dir, strstr(path, "ns/"), its, sizeof(its));
		if (r < 0)
			return r;
		if (!strcmp(its, ours))
			check_say(finding, CHECK_WARN, "%d is in the host's %s namespace",
				monitor->pid, kinds[i]);
		for (const struct check_monitor *other = host->monitors; other < monitor; other++)
			if (!check_link(other->dir, strstr(path, "ns/"), ours, sizeof(ours)) &&
				!strcmp(its, ours))
				check_say(finding, CHECK_WARN, "%d and %d share a %s namespace",
					other->pid, monitor->pid, kinds[i]);
	}
	return 0;
}

static bool is_user_of_others(const struct check_host *host, uint64_t uid)
{
	size_t from = 0, to = host->user_count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (host->users[middle] == uid)
			return true;
		if (host->users[middle] < uid)
			from = middle + 1;
		else
			to = middle;
	}
	return false;
}

int check_jail_uid(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	char status[CHECK_STATUS_SIZE], field[CHECK_LINE_SIZE];
	uint64_t ids[4] = {0};
	ssize_t n = check_read(monitor->dir, "status", status, sizeof(status));

	if (n < 0)
		return (int)n;
	for (int kind = 0; kind < 2; kind++) {
		int r = check_status_field(status, kind ? "Gid" : "Uid", field, sizeof(field));

		for (int i = 0; i < 4 && !r; i++)
			r = check_word_number(field, i, 10, &ids[i]);
		if (r < 0)
			return r;
		if (!ids[0] || !ids[1] || !ids[2] || !ids[3])
			check_say(finding, CHECK_WARN, "%d is root%s", monitor->pid,
				kind ? "'s group" : "");
		else if (ids[0] != ids[1] || ids[0] != ids[2] || ids[0] != ids[3])
			check_say(finding, CHECK_WARN, "%d can change between %ss", monitor->pid,
				kind ? "group" : "user");
	}
	if (monitor->uid > 0 && is_user_of_others(host, (uint64_t)monitor->uid))
		check_say(finding, CHECK_WARN, "%d is user %" PRId64 ", as other processes are",
			monitor->pid, monitor->uid);
	for (const struct check_monitor *other = host->monitors; other < monitor; other++)
		if (other->guest && other->uid > 0 && other->uid == monitor->uid)
			check_say(finding, CHECK_WARN, "%d and %d are both user %" PRId64,
				other->pid, monitor->pid, monitor->uid);
	return 0;
}

/* struct thread_check - what is said of threads, each by one item */
struct thread_check {
	const struct check_monitor *monitor;
	struct check_finding *finding;
};

static int thread_seccomp(pid_t tid, const char *status, void *arg)
{
	const struct thread_check *check = arg;
	char mode[16];
	int r = check_status_field(status, "Seccomp", mode, sizeof(mode));

	if (!r && strcmp(mode, "2") != 0)
		check_say(check->finding, CHECK_WARN, "%d: thread %d has no filter",
			check->monitor->pid, tid);
	return r;
}

int check_jail_seccomp(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	struct thread_check check = {monitor, finding};

	return check_threads(monitor, thread_seccomp, &check);
}

static int thread_new_privs(pid_t tid, const char *status, void *arg)
{
	const struct thread_check *check = arg;
	char set[16];
	int r = check_status_field(status, "NoNewPrivs", set, sizeof(set));

	if (!r && strcmp(set, "1") != 0)
		check_say(
			check->finding, CHECK_WARN, "%d: thread %d can", check->monitor->pid, tid);
	return r;
}

int check_jail_new_privs(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	struct thread_check check = {monitor, finding};

	return check_threads(monitor, thread_new_privs, &check);
}

static int thread_capabilities(pid_t tid, const char *status, void *arg)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	const struct thread_check *check = arg;
	char full[64] = "", field[32];

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		int r = check_status_field(status, sets[i], field, sizeof(field));

		if (r < 0)
			return r;
		if (strspn(field, "0") != strlen(field)) {
			size_t len = strlen(full);

			snprintf(full + len, sizeof(full) - len, " %s", sets[i]);
		}
	}
	if (*full)
		check_say(check->finding, CHECK_WARN, "%d: thread %d has some in%s",
			check->monitor->pid, tid, full);
	return 0;
}

int check_jail_capabilities(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	struct thread_check check = {monitor, finding};

	return check_threads(monitor, thread_capabilities, &check);
}

int check_jail_limits(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	static const struct {
		const char *name;
		const char *what;
		uint64_t most;
	} limits[] = {
		{"Max core file size", "core dumps", 0},
		{"Max open files", "descriptors", NOFILE_MAX},
		{"Max processes", "threads", NPROC_MAX},
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t soft, hard;
		int r = check_limit(monitor, limits[i].name, &soft, &hard);

		if (r < 0)
			return r;
		if (hard == UINT64_MAX)
			check_say(finding, CHECK_WARN, "%d: no limit of %s", monitor->pid,
				limits[i].what);
		else if (hard > limits[i].most)
			check_say(finding, CHECK_WARN,
				"%d: limit of %s is %" PRIu64 ", above %" PRIu64, monitor->pid,
				limits[i].what, hard, limits[i].most);
	}
	return 0;
}

/* The files in /proc of a process that isn't dumpable are those of the user that init is. */
int check_jail_debug(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	struct stat st, init;

	if (fstatat(monitor->dir, "status", &st, 0) < 0 ||
		fstatat(host->root, "proc/1/stat", &init, 0) < 0)
		return -errno;
	if (monitor->uid < 0)
		return -EBADMSG;
	if (!monitor->uid)
		check_say(finding, CHECK_UNKNOWN, "%d: can't be told of root", monitor->pid);
	else if (st.st_uid == monitor->uid)
		check_say(finding, CHECK_WARN, "%d: its user's other processes can read its memory",
			monitor->pid);
	else if (st.st_uid != init.st_uid)
		check_say(finding, CHECK_UNKNOWN, "%d: its files are user %u's", monitor->pid,
			st.st_uid);
	return 0;
}
