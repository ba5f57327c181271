// SPDX-License-Identifier: Apache-2.0
// A cgroup v2 directory.
#include "base/cgroup.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

/* A list of controllers, a line of limits. */
#define TEXT_MAX 512
/* Of cgroup.procs; what is behind the last whole line of it comes with the next round. */
#define PROCS_MAX 4096
/* Rounds of it: more are only needed by one who forks faster than it is moved. */
#define PROCS_ROUNDS 256

const char *const cgroup_controller_names[CGROUP_CONTROLLERS] = {
	[CGROUP_CPU] = "cpu",
	[CGROUP_CPUSET] = "cpuset",
	[CGROUP_HUGETLB] = "hugetlb",
	[CGROUP_IO] = "io",
	[CGROUP_MEMORY] = "memory",
	[CGROUP_MISC] = "misc",
	[CGROUP_PIDS] = "pids",
	[CGROUP_RDMA] = "rdma",
};

/* Return: the controller whose name is the @len bytes at @text, or -1. */
static int controller_find(const char *text, size_t len)
{
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (strlen(cgroup_controller_names[i]) == len &&
			!memcmp(cgroup_controller_names[i], text, len))
			return i;
	return -1;
}

int cgroup_controller_of(const char *file)
{
	size_t len = strcspn(file, ".");

	return file[len] ? controller_find(file, len) : -1;
}

/* The kernel writes blanks and backslashes of a path as \ and three octal digits. In place. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		bool escaped = text[0] == '\\' && text[1] >= '0' && text[1] <= '3' &&
			       text[2] >= '0' && text[2] <= '7' && text[3] >= '0' && text[3] <= '7';

		if (escaped) {
			*to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
				       (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/*
 * What of @path, absolute, lies below @root, which is absolute, too. Return: "" or "a/b" within
 * @path, or NULL if it lies elsewhere.
 */
static const char *path_below(const char *path, const char *root)
{
	size_t len = strlen(root);

	while (len && root[len - 1] == '/')
		len--;
	if (strncmp(path, root, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	path += len;
	return path + strspn(path, "/");
}

static FILE *proc_file(int proc, const char *name)
{
	int fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (!file && fd >= 0)
		close(fd);
	return file;
}

/* The path of the own group, allocated, from its line "0::PATH". */
static int own_path(int proc, char **ret, struct err *err)
{
	FILE CLEANUP_FILE *file = proc_file(proc, "cgroup");
	char CLEANUP_FREE *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (!file)
		return err_errno(err, errno, "/proc/self/cgroup");
	while ((len = getline(&line, &size, file)) > 0) {
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		*ret = strdup(line + 3);
		return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
	}
	return err_set(err, -ENOTSUP, "this host has no cgroup v2");
}

/* A line of mountinfo: "ID PARENT MAJOR:MINOR ROOT MOUNT OPTIONS [FIELD]... - TYPE SOURCE OPTIONS".
 */
struct mount_line {
	dev_t device;
	char *root, *mount;
};

bool cgroup_parse_device(const char *text, dev_t *ret)
{
	char *end;
	unsigned long major = strtoul(text, &end, 10), minor;

	if (end == text || *end != ':')
		return false;
	text = end + 1;
	minor = strtoul(text, &end, 10);
	if (end == text || (*end && *end != '\n') || major > UINT_MAX || minor > UINT_MAX)
		return false;
	*ret = makedev((unsigned int)major, (unsigned int)minor);
	return true;
}

/* Return: whether it is one of cgroup v2. @line is cut up. */
static bool mount_parse(char *line, struct mount_line *ret)
{
	char *words[6], *rest, *type = strstr(line, " - ");
	dev_t device;

	if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
		return false;
	*type = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		words[i] = strtok_r(i ? NULL : line, " ", &rest);
		if (!words[i])
			return false;
	}
	if (!cgroup_parse_device(words[2], &device))
		return false;
	unescape(words[3]);
	unescape(words[4]);
	*ret = (struct mount_line){device, words[3], words[4]};
	return true;
}

/* Is it what is seen at that path, and not covered by another mount? Return: a descriptor, -ENOENT
 * if not, or -errno. */
static int mount_open(const struct mount_line *mount)
{
	int CLEANUP_FD fd = open(mount->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return st.st_dev == mount->device ? TAKE_FD(fd) : -ENOENT;
}

int cgroup_host_open(struct cgroup_host *ret, int proc, struct err *err)
{
	FILE CLEANUP_FILE *file = NULL;
	char CLEANUP_FREE *own = NULL;
	char CLEANUP_FREE *line = NULL;
	bool mounted = false;
	size_t size = 0;
	int r;

	*ret = CGROUP_HOST_INIT;
	r = own_path(proc, &own, err);
	if (r < 0)
		return r;
	file = proc_file(proc, "mountinfo");
	if (!file)
		return err_errno(err, errno, "/proc/self/mountinfo");
	while (getline(&line, &size, file) > 0) {
		struct mount_line mount;
		const char *below;
		int CLEANUP_FD fd = -1;

		if (!mount_parse(line, &mount))
			continue;
		mounted = true;
		below = path_below(own, mount.root);
		/* "..": of a group above the namespace's root. openat2() would refuse it as well.
		 */
		if (!below || !strncmp(below, "..", 2) || strlen(below) >= sizeof(ret->own) ||
			strlen(mount.mount) >= sizeof(ret->mount))
			continue;
		fd = mount_open(&mount);
		/* That says nothing of the mount. */
		if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
			return err_errno(err, -fd, "%s", mount.mount);
		if (fd < 0)
			continue;
		/* They fit: see above. */
		snprintf(ret->own, sizeof(ret->own), "%s", below);
		snprintf(ret->mount, sizeof(ret->mount), "%s", mount.mount);
		ret->top_fd = TAKE_FD(fd);
		return 0;
	}
	if (mounted)
		return err_set(
			err, -ENOTSUP, "cgroup v2 is mounted, but without the group %s", own);
	return err_set(err, -ENOTSUP, "cgroup v2 is not mounted");
}

void cgroup_host_close(struct cgroup_host *host)
{
	cleanup_fd(&host->top_fd);
	host->top_fd = -1;
}

int cgroup_open(int dir, const char *path)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	long fd = syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int cgroup_make(int parent, const char *name)
{
	int fd;

	if (mkdirat(parent, name, 0755) < 0)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		unlinkat(parent, name, AT_REMOVEDIR);
	}
	return fd;
}

bool cgroup_is_root(int dir)
{
	return faccessat(dir, "cgroup.type", F_OK, 0) < 0 && errno == ENOENT;
}

int cgroup_read(int dir, const char *file, char *ret, size_t size)
{
	int CLEANUP_FD fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	n = fd < 0 ? -1 : read(fd, ret, size);
	if (n < 0)
		return -errno;
	if ((size_t)n == size)
		return -EMSGSIZE;
	ret[n] = '\0';
	if (n && ret[n - 1] == '\n')
		ret[n - 1] = '\0';
	return 0;
}

int cgroup_write(int dir, const char *file, const char *text)
{
	int CLEANUP_FD fd = openat(dir, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	/* In one call: the kernel takes each as a whole. */
	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int cgroup_controllers(int dir, const char *file, unsigned int *ret)
{
	char text[TEXT_MAX], *word, *rest = text;
	int r = cgroup_read(dir, file, text, sizeof(text));

	if (r < 0)
		return r;
	*ret = 0;
	while ((word = strsep(&rest, " "))) {
		int controller = controller_find(word, strlen(word));

		if (controller >= 0)
			*ret |= 1u << controller;
	}
	return 0;
}

int cgroup_enable(int dir, unsigned int wanted)
{
	char text[TEXT_MAX] = "";
	size_t len = 0;
	unsigned int on;
	int r = cgroup_controllers(dir, "cgroup.subtree_control", &on);

	if (r < 0 || !(wanted & ~on))
		return r;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		if (!(wanted & ~on & 1u << i))
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s+%s", len ? " " : "",
			cgroup_controller_names[i]);
	}
	return cgroup_write(dir, "cgroup.subtree_control", text);
}

/* Move those that @procs, a part of cgroup.procs, names. Return: how many were, or -errno. */
static int move_all(char *procs, int into)
{
	int CLEANUP_FD fd = openat(into, "cgroup.procs", O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	char *pid, *rest = procs;
	int count = 0;

	if (fd < 0)
		return -errno;
	while ((pid = strsep(&rest, "\n")) && rest) {
		/* It stands for one that we don't see; written, it would stand for ourselves. */
		if (!strcmp(pid, "0"))
			return -EPERM;
		if (write(fd, pid, strlen(pid)) >= 0)
			count++;
		else if (errno != ESRCH)
			return -errno;
	}
	return count;
}

int cgroup_evacuate(int from, int into)
{
	for (int i = 0; i < PROCS_ROUNDS; i++) {
		int CLEANUP_FD fd = openat(from, "cgroup.procs", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		char procs[PROCS_MAX];
		ssize_t n = fd < 0 ? -1 : read(fd, procs, sizeof(procs) - 1);
		int r;

		if (n <= 0)
			return n < 0 ? -errno : 0;
		procs[n] = '\0';
		r = move_all(procs, into);
		/* None: all that were there have ended meanwhile. */
		if (r <= 0)
			return r;
	}
	return -EBUSY;
}

/* Wait until there is no process in a group any more. Return: 0 or -errno. */
static int wait_empty(int dir, int wait_ms)
{
	int CLEANUP_FD fd = openat(dir, "cgroup.events", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t end = clock_ns() + (uint64_t)wait_ms * 1000000;

	while (fd >= 0) {
		struct pollfd watched = {.fd = fd, .events = POLLPRI};
		uint64_t now = clock_ns();
		char text[TEXT_MAX];
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

		if (n < 0)
			break;
		text[n] = '\0';
		if (strstr(text, "populated 0"))
			return 0;
		if (now >= end)
			return -EBUSY;
		if (poll(&watched, 1, (int)((end - now) / 1000000) + 1) < 0 && errno != EINTR)
			break;
	}
	return -errno;
}

static int remove_now(int parent, const char *name)
{
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_remove(int parent, const char *name, int dir, int wait_ms)
{
	int r = remove_now(parent, name);

	if (r != -EBUSY || dir < 0)
		return r;
	r = wait_empty(dir, wait_ms);
	return r < 0 ? r : remove_now(parent, name);
}
