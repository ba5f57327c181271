// SPDX-License-Identifier: Apache-2.0
// Items of an audit: what each monitor has of its host, and how much.
#include "cli/check_items.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* A console or log of that size is bounded; the limit that hull-vmm sets for disks isn't one. */
#define OUTPUT_MAX (UINT64_C(4) << 30)

#define CMDLINE_SIZE (128 * 1024)

static int check_cgroup_limit(const struct check_host *host, const struct check_monitor *monitor,
	const char *name, struct check_finding *finding)
{
	char path[PATH_MAX], value[CHECK_LINE_SIZE];
	int r;

	if (snprintf(path, sizeof(path), "sys/fs/cgroup%s/%s", monitor->cgroup, name) >=
		(int)sizeof(path))
		return -ENAMETOOLONG;
	r = check_read_line(host->root, path, value, sizeof(value));
	if (r == -ENOENT && check_exists(host->root, "sys/fs/cgroup/cgroup.controllers") == 1)
		check_say(finding, CHECK_WARN, "%d: its cgroup has no %s", monitor->pid, name);
	else if (r < 0)
		return r;
	else if (!strcmp(value, "max"))
		check_say(
			finding, CHECK_WARN, "%d: %s of its cgroup is \"max\"", monitor->pid, name);
	return 0;
}

int check_monitor_cgroup(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	int r;

	if (!monitor->cgroup) {
		check_say(finding,
			check_exists(monitor->dir, "cgroup") == 1 ? CHECK_WARN : CHECK_UNKNOWN,
			"%d is in no cgroup v2", monitor->pid);
		return 0;
	}
	/* Our own cgroup namespace hides where it is. */
	if (!strncmp(monitor->cgroup, "/..", 3)) {
		check_say(finding, CHECK_UNKNOWN, "%d: its cgroup can't be seen from here",
			monitor->pid);
		return 0;
	}
	if (!strcmp(monitor->cgroup, "/")) {
		check_say(finding, CHECK_WARN, "%d is in the root cgroup", monitor->pid);
		return 0;
	}
	for (const struct check_monitor *other = host->monitors; other < monitor; other++)
		if (other->cgroup && !strcmp(other->cgroup, monitor->cgroup))
			check_say(finding, CHECK_WARN, "%d and %d share a cgroup", other->pid,
				monitor->pid);
	r = check_cgroup_limit(host, monitor, "memory.max", finding);
	return r < 0 ? r : check_cgroup_limit(host, monitor, "pids.max", finding);
}

/*
 * struct fd_check - what is said of descriptors
 * @said:	the file that was last told of: a console is open twice
 */
struct fd_check {
	const struct check_host *host;
	const struct check_monitor *monitor;
	struct check_finding *finding;
	struct stat said;
};

/* The folders down to @path: who else could put something in its place? */
static void check_folders(const struct fd_check *check, const char *path, uid_t owner)
{
	char folder[PATH_MAX];

	for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
		struct stat st;

		snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path),
			path);
		if (fstatat(check->host->root, check_path(folder), &st, 0) < 0)
			check_unreadable(check->finding, folder, -errno);
		else if ((st.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH)
			check_say(check->finding, CHECK_WARN,
				"%d: everybody can replace what is in %s", check->monitor->pid,
				folder);
		else if (st.st_uid != 0 && st.st_uid != owner)
			check_say(check->finding, CHECK_WARN,
				"%d: user %u can replace what is in %s", check->monitor->pid,
				st.st_uid, folder);
	}
}

static void check_listener(const struct fd_check *check, const struct check_socket *socket)
{
	size_t len = strlen(socket->path);
	char path[PATH_MAX];
	struct stat st;
	int r;

	if (*socket->path != '/') {
		check_say(check->finding, CHECK_UNKNOWN, "%d: \"%s\": its folder isn't known",
			check->monitor->pid, socket->path);
		return;
	}
	/* base/listener.c makes it under its name and a tilde. */
	if (len > 1 && socket->path[len - 1] == '~')
		len--;
	snprintf(path, sizeof(path), "%.*s", (int)len, socket->path);
	r = fstatat(check->host->root, check_path(path), &st, AT_SYMLINK_NOFOLLOW);
	if (r < 0 && errno == ENOENT) {
		check_say(check->finding, CHECK_INFO, "%d: %s was removed", check->monitor->pid,
			path);
		return;
	}
	if (r < 0) {
		check_unreadable(check->finding, path, -errno);
		return;
	}
	if (st.st_mode & S_IWOTH)
		check_say(check->finding, CHECK_WARN, "%d: everybody can connect to %s",
			check->monitor->pid, path);
	if (st.st_uid != 0 && st.st_uid != check->host->user && st.st_uid != check->monitor->uid)
		check_say(check->finding, CHECK_WARN, "%d: %s belongs to user %u",
			check->monitor->pid, path, st.st_uid);
	check_folders(check, path, st.st_uid);
}

static int check_socket_fd(const struct check_fd *fd, void *arg)
{
	const struct fd_check *check = arg;
	uint64_t inode;

	if (!check_socket_inode(fd->link, &inode))
		return 0;
	if (check->host->unix_sockets < 0)
		return check->host->unix_sockets;
	for (size_t i = 0; i < check->host->socket_count; i++) {
		const struct check_socket *socket = &check->host->sockets[i];

		if (socket->inode == inode && socket->listening)
			check_listener(check, socket);
	}
	return 0;
}

int check_monitor_sockets(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	struct fd_check check = {host, monitor, finding, {0}};

	return check_fds(monitor, check_socket_fd, &check);
}

static int check_output_fd(const struct check_fd *fd, void *arg)
{
	struct fd_check *check = arg;
	unsigned int mode = fd->flags & O_ACCMODE;
	char path[32];
	struct stat st;

	/* Disks are open for both, and not for appending. */
	if (mode == O_RDONLY || (mode == O_RDWR && !(fd->flags & O_APPEND) && fd->fd > 2) ||
		fd->link[0] != '/')
		return 0;
	snprintf(path, sizeof(path), "fd/%d", fd->fd);
	if (fstatat(check->monitor->dir, path, &st, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode) ||
		(st.st_dev == check->said.st_dev && st.st_ino == check->said.st_ino))
		return 0;
	check->said = st;
	/* Its own messages, a few in ten seconds. */
	check_say(check->finding, fd->fd == 2 ? CHECK_INFO : CHECK_WARN,
		"%d writes to %.200s without an end", check->monitor->pid, fd->link);
	return 0;
}

int check_monitor_output(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	struct fd_check check = {host, monitor, finding, {0}};
	uint64_t soft, hard;
	int r = check_limit(monitor, "Max file size", &soft, &hard);

	if (r < 0)
		return r;
	return hard <= OUTPUT_MAX ? 0 : check_fds(monitor, check_output_fd, &check);
}

static int check_image_fd(const struct check_fd *fd, void *arg)
{
	const struct fd_check *check = arg;
	const char *name = strrchr(fd->link, '/');
	char path[PATH_MAX];
	struct stat its, image;

	if ((fd->flags & O_ACCMODE) == O_RDONLY || !name)
		return 0;
	snprintf(path, sizeof(path), "rootfs%s", name);
	if (fstatat(check->host->store, path, &image, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENAMETOOLONG ? 0 : -errno;
	snprintf(path, sizeof(path), "fd/%d", fd->fd);
	if (fstatat(check->monitor->dir, path, &its, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (its.st_dev == image.st_dev && its.st_ino == image.st_ino)
		check_say(check->finding, CHECK_WARN, "%d can write to %.150s, which others share",
			check->monitor->pid, name + 1);
	return 0;
}

int check_monitor_images(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	struct fd_check check = {host, monitor, finding, {0}};

	return host->store < 0 ? host->store : check_fds(monitor, check_image_fd, &check);
}

/* struct devices - of a command line: how many, and how many without a limit */
struct devices {
	unsigned int count;
	unsigned int unlimited;
};

/* --disk and --net, with the value in the same word or the next; --kernel: is all in here? */
static bool count_devices(
	const char *cmdline, size_t size, struct devices *disks, struct devices *nets)
{
	bool whole = false;

	for (const char *word = cmdline; word < cmdline + size; word += strlen(word) + 1) {
		bool disk = !strncmp(word, "--disk", 6), net = !strncmp(word, "--net", 5);
		const char *value = word + (disk ? 6 : 5);

		whole |= !strcmp(word, "--kernel") || !strncmp(word, "--kernel=", 9);
		if ((!disk && !net) || (*value && *value != '='))
			continue;
		if (!*value)
			value += value + 1 < cmdline + size;
		if (disk) {
			disks->count++;
			disks->unlimited += !strstr(value, ",rate=");
		} else {
			nets->count++;
			nets->unlimited +=
				!strstr(value, ",rx-rate=") || !strstr(value, ",tx-rate=");
		}
	}
	return whole;
}

static bool has_io_max(const struct check_host *host, const struct check_monitor *monitor)
{
	char path[PATH_MAX], text[CHECK_LINE_SIZE];

	snprintf(path, sizeof(path), "sys/fs/cgroup%s/io.max",
		monitor->cgroup ? monitor->cgroup : "");
	return monitor->cgroup && check_read_line(host->root, path, text, sizeof(text)) == 0 &&
	       *text;
}

/* Its API would tell, but each connection to it is one of ten, and may be another's. */
int check_monitor_rates(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding)
{
	char CLEANUP_FREE *cmdline = malloc(CMDLINE_SIZE);
	struct devices disks = {0}, nets = {0};
	ssize_t n = cmdline ? check_read(monitor->dir, "cmdline", cmdline, CMDLINE_SIZE) : -ENOMEM;

	if (n < 0)
		return (int)n;
	if (!count_devices(cmdline, (size_t)n, &disks, &nets) || n == CMDLINE_SIZE - 1) {
		check_say(finding, CHECK_UNKNOWN,
			"%d was configured over its API: GET /vm/config tells", monitor->pid);
		return 0;
	}
	if (has_io_max(host, monitor))
		disks.unlimited = 0;
	if (disks.unlimited || nets.unlimited)
		check_say(finding, CHECK_INFO,
			"%d: none for %u of %u disks and %u of %u network devices", monitor->pid,
			disks.unlimited, disks.count, nets.unlimited, nets.count);
	return 0;
}
