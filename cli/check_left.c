// SPDX-License-Identifier: Apache-2.0
// Items of an audit: what something that ended left behind.
#include "cli/check_items.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* A builder makes an entry and locks it then. */
#define TEMP_AGE_S 60

/* The socket of an API that wasn't told another. */
#define API_SOCKET "/run/firecracker.socket"

/* How deep below /sys/fs/cgroup a VM's cgroup is looked for. */
#define CGROUP_DEPTH_MAX 6
/* A VM's is called hull-PID-RANDOM; hull-callers isn't one. */
#define CGROUP_PREFIX "hull-"

/* Return: does somebody hold the flock of the file? 1, 0, -errno. Taking it would be a change. */
static int is_locked(const struct check_host *host, ino_t inode)
{
	FILE CLEANUP_FILE *file = NULL;
	char line[256];
	int r = check_open(host->root, "proc/locks", &file);

	if (r < 0)
		return r;
	/* 1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF; the device isn't stat()'s of some.
	 */
	while (fgets(line, sizeof(line), file)) {
		const char *at = check_word_is(line, 1, "FLOCK") ? check_word(line, 5) : NULL;
		uint64_t its;

		for (int colon = 0; at && colon < 2; colon++) {
			at = strchr(at, ':');
			at += at != NULL;
		}
		if (at && !check_word_number(at, 0, 10, &its) && its == inode)
			return 1;
	}
	return 0;
}

void check_left_store(const struct check_host *host, struct check_finding *finding)
{
	time_t now = time(NULL);
	struct dirent *entry;
	DIR *dir;
	int r;

	if (host->store == -ENOENT) {
		check_say(finding, CHECK_INFO, "there is no store");
		return;
	}
	r = host->store < 0 ? host->store : check_opendir(host->store, "tmp", &dir);
	if (r == -ENOENT) {
		check_say(finding, CHECK_PASS, "nothing");
		return;
	}
	if (r < 0) {
		check_unreadable(finding, "tmp", r);
		return;
	}
	while ((entry = check_next(dir))) {
		struct stat st;

		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			now - st.st_mtime < TEMP_AGE_S)
			continue;
		r = is_locked(host, st.st_ino);
		if (r < 0)
			check_unreadable(finding, "/proc/locks", r);
		else if (!r)
			check_say(finding, CHECK_WARN, "tmp/%.100s has no builder", entry->d_name);
	}
	closedir(dir);
	check_say(finding, CHECK_PASS, "nothing");
}

static void check_socket(
	const struct check_host *host, const char *path, struct check_finding *finding)
{
	struct stat st;

	if (fstatat(host->root, check_path(path), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISSOCK(st.st_mode) && !check_socket_served(host, path))
		check_say(finding, CHECK_WARN, "nobody listens at %.200s", path);
}

/* Where monitors' sockets are known to be: there, others left theirs. */
static void check_socket_folder(
	const struct check_host *host, const char *path, struct check_finding *finding)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX], other[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (*path != '/')
		return;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	if (check_opendir(host->root, folder, &dir) < 0)
		return;
	while ((entry = check_next(dir)))
		if ((size_t)snprintf(other, sizeof(other), "%s/%s", folder, entry->d_name) <
			sizeof(other))
			check_socket(host, other, finding);
	closedir(dir);
}

/* struct its_sockets - the folder of a monitor's last socket that was looked into */
struct its_sockets {
	const struct check_host *host;
	struct check_finding *finding;
	char folder[PATH_MAX];
};

static int look_beside(const struct check_fd *fd, void *arg)
{
	struct its_sockets *its = arg;
	uint64_t inode;

	if (!check_socket_inode(fd->link, &inode))
		return 0;
	for (size_t i = 0; i < its->host->socket_count; i++) {
		const struct check_socket *socket = &its->host->sockets[i];
		const char *slash = strrchr(socket->path, '/');
		size_t len = slash ? (size_t)(slash - socket->path) : 0;

		if (socket->inode != inode || !socket->listening || !slash || len >= PATH_MAX ||
			(len == strlen(its->folder) && !strncmp(its->folder, socket->path, len)))
			continue;
		snprintf(its->folder, sizeof(its->folder), "%.*s", (int)len, socket->path);
		check_socket_folder(its->host, socket->path, its->finding);
	}
	return 0;
}

void check_left_sockets(const struct check_host *host, struct check_finding *finding)
{
	struct its_sockets CLEANUP_FREE *its = calloc(1, sizeof(*its));
	int r = its ? host->unix_sockets : -ENOMEM;

	if (r < 0) {
		check_unreadable(finding, "/proc/net/unix", r);
		return;
	}
	its->host = host;
	its->finding = finding;
	check_socket(host, API_SOCKET, finding);
	for (size_t i = 0; i < host->monitor_count; i++) {
		r = check_fds(&host->monitors[i], look_beside, its);
		if (r == -EACCES || r == -EPERM)
			check_say(finding, CHECK_UNKNOWN, "where %d has its sockets: %s",
				host->monitors[i].pid, strerror(-r));
	}
	check_say(
		finding, CHECK_PASS, "nothing beside those of monitors that run, nor " API_SOCKET);
}

/* Nobody is in it or below, nor does whoever made it hold its lock. */
static void check_cgroup(
	const struct check_host *host, const char *path, ino_t inode, struct check_finding *finding)
{
	char events[PATH_MAX + 16], text[CHECK_LINE_SIZE];
	int r;

	snprintf(events, sizeof(events), "%s/cgroup.events", path);
	if (check_read(host->root, events, text, sizeof(text)) <= 0 || !strstr(text, "populated 0"))
		return;
	r = is_locked(host, inode);
	if (r < 0)
		check_unreadable(finding, "/proc/locks", r);
	else if (!r)
		check_say(finding, CHECK_WARN, "%s is empty", path);
}

static void check_cgroups(
	const struct check_host *host, const char *path, int depth, struct check_finding *finding)
{
	const size_t len = strlen(CGROUP_PREFIX);
	char below[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (depth > CGROUP_DEPTH_MAX || check_opendir(host->root, path, &dir) < 0)
		return;
	while ((entry = check_next(dir))) {
		const char *name = entry->d_name;

		if (entry->d_type != DT_DIR || (size_t)snprintf(below, sizeof(below), "%s/%s", path,
						       name) >= sizeof(below))
			continue;
		if (!strncmp(name, CGROUP_PREFIX, len) && name[len] >= '1' && name[len] <= '9')
			check_cgroup(host, below, entry->d_ino, finding);
		check_cgroups(host, below, depth + 1, finding);
	}
	closedir(dir);
}

void check_left_cgroups(const struct check_host *host, struct check_finding *finding)
{
	int r = check_exists(host->root, "sys/fs/cgroup/cgroup.controllers");

	if (r == 1)
		check_cgroups(host, "/sys/fs/cgroup", 0, finding);
	else
		check_say(finding, CHECK_UNKNOWN, "no cgroup v2 at /sys/fs/cgroup");
	check_say(finding, CHECK_PASS, "nothing");
}
