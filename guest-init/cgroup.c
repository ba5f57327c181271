// SPDX-License-Identifier: Apache-2.0
// The container's control group.
#include "guest-init/cgroup.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#define CGROUP "/cgroup"
#define CGROUP_CONTAINER CGROUP "/container"

/* The longest, memory.stat and io.stat of 26 disks, take less than half of it. */
#define TEXT_MAX 8192

static bool text_write(int dir, const char *name, const char *text)
{
	int CLEANUP_FD fd = openat(dir, name, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* All of a file as text; empty when it isn't there. */
static void text_read(int dir, const char *name, char ret[TEXT_MAX])
{
	int CLEANUP_FD fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	while (fd >= 0 && len < TEXT_MAX - 1 && (n = read(fd, ret + len, TEXT_MAX - 1 - len)) > 0)
		len += (size_t)n;
	ret[len] = '\0';
}

/* With nothing in the groups below yet, the kernel has nobody to move and to wait for. */
static void controllers_enable(int dir)
{
	static const char *const one_by_one[] = {"+memory", "+pids", "+io"};

	if (text_write(dir, "cgroup.subtree_control", "+memory +pids +io"))
		return;
	/* A kernel that lacks one of them refuses all. */
	for (size_t i = 0; i < ARRAY_SIZE(one_by_one); i++)
		text_write(dir, "cgroup.subtree_control", one_by_one[i]);
}

int cgroup_mount(void)
{
	int CLEANUP_FD root = -1;
	int fd;

	if (mkdir(CGROUP, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (mount("cgroup2", CGROUP, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	root = open(CGROUP, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	controllers_enable(root);
	if (mkdir(CGROUP_CONTAINER, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(CGROUP_CONTAINER, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int cgroup_limit_pids(int dir, uint32_t max, struct err *err)
{
	char text[16];

	if (!max)
		return 0;
	if (dir < 0)
		return err_set(err, -EOPNOTSUPP, "the guest's kernel has no control groups");
	snprintf(text, sizeof(text), "%u", max + 1);
	if (!text_write(dir, "pids.max", text))
		return err_errno(err, errno, "the limit of %u processes", max);
	return 0;
}

int cgroup_freeze(int dir, bool on, struct err *err)
{
	if (dir < 0)
		return err_set(err, -EOPNOTSUPP, "the guest's kernel has no control groups");
	if (!text_write(dir, "cgroup.freeze", on ? "1" : "0"))
		return err_errno(err, errno, "freezing the container");
	return 0;
}

int cgroup_events(int dir, struct err *err)
{
	int fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_errno(err, errno, "cgroup.events") : fd;
}

int cgroup_frozen(int events)
{
	char text[256];
	ssize_t n = pread(events, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return strstr(text, "frozen 1") ? 1 : 0;
}

/* The number on the line "@name NUMBER". */
static uint64_t line_value(const char *text, const char *name)
{
	size_t len = strlen(name);

	while (text) {
		if (!strncmp(text, name, len) && text[len] == ' ')
			return strtoull(text + len + 1, NULL, 10);
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return 0;
}

/* The sum of all "@name=NUMBER". @name has a space in front. */
static uint64_t sum_values(const char *text, const char *name)
{
	uint64_t sum = 0;

	while ((text = strstr(text, name))) {
		text += strlen(name);
		sum += strtoull(text, NULL, 10);
	}
	return sum;
}

static uint64_t single_value(int dir, const char *name)
{
	char text[TEXT_MAX];

	text_read(dir, name, text);
	return strtoull(text, NULL, 10);
}

void cgroup_usage(int dir, struct agent_usage *ret)
{
	char text[TEXT_MAX];
	struct sysinfo info;

	*ret = (struct agent_usage){0};
	if (sysinfo(&info) == 0)
		ret->memory_total = (uint64_t)info.totalram * info.mem_unit;
	if (dir < 0)
		return;
	text_read(dir, "cpu.stat", text);
	ret->cpu_us = line_value(text, "usage_usec");
	ret->user_us = line_value(text, "user_usec");
	ret->system_us = line_value(text, "system_usec");
	ret->memory = single_value(dir, "memory.current");
	ret->peak = single_value(dir, "memory.peak");
	text_read(dir, "memory.stat", text);
	ret->cache = line_value(text, "file");
	text_read(dir, "memory.events", text);
	ret->oom_kills = line_value(text, "oom_kill");
	ret->pids = single_value(dir, "pids.current");
	text_read(dir, "io.stat", text);
	ret->read_bytes = sum_values(text, " rbytes=");
	ret->write_bytes = sum_values(text, " wbytes=");
	ret->reads = sum_values(text, " rios=");
	ret->writes = sum_values(text, " wios=");
}
