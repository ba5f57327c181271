// SPDX-License-Identifier: Apache-2.0
// The VM's cgroups, of either version.
#include "jailer/cgroups.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "jailer/dir.h"
#include "jailer/ledger.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void cgroups_controller(const char *file, char *ret)
{
	snprintf(ret, OPTIONS_NAME_MAX + 1, "%.*s", (int)strcspn(file, "."), file);
}

int cgroups_read(int dir, const char *file, char *ret, size_t size)
{
	int CLEANUP_FD fd = dir_openat(dir, file, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, ret, size - 1);

	if (fd < 0 || n < 0)
		return fd < 0 ? fd : -errno;
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

/* The kernel takes a line only in one piece. */
static int write_line(int fd, const char *text)
{
	ssize_t n = write(fd, text, strlen(text));

	return n < 0 ? -errno : (size_t)n < strlen(text) ? -EIO : 0;
}

int cgroups_write(int dir, const char *file, const char *text)
{
	int CLEANUP_FD fd = dir_openat(dir, file, O_WRONLY);

	return fd < 0 ? fd : write_line(fd, text);
}

/* /proc/mounts writes a few characters as three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p;) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] && p[3]) {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 4;
		} else {
			*to++ = *p++;
		}
	}
	*to = '\0';
}

static bool has_option(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; *p; p += *p == ',') {
		size_t n = strcspn(p, ",");

		if (n == len && !strncmp(p, word, len))
			return true;
		p += n;
	}
	return false;
}

int cgroups_find(const char *mounts, unsigned int version, const char *controller, char *ret,
	struct err *err)
{
	FILE CLEANUP_FILE *file = fopen(mounts, "re");
	const char *type = version == 1 ? "cgroup" : "cgroup2";
	char CLEANUP_FREE *line = NULL;
	size_t size = 0;

	if (!file)
		return err_errno(err, errno, "%s", mounts);
	while (getline(&line, &size, file) > 0) {
		char *rest = line;
		const char *words[4] = {NULL};

		for (unsigned int i = 0; i < 4; i++)
			words[i] = strsep(&rest, " \n");
		if (!words[1] || *words[1] != '/' || !words[2] || !words[3] ||
			strcmp(words[2], type) != 0 ||
			(version == 1 && !has_option(words[3], controller)) ||
			strlen(words[1]) >= CGROUPS_PATH_MAX)
			continue;
		snprintf(ret, CGROUPS_PATH_MAX, "%s", words[1]);
		unescape(ret);
		return 0;
	}
	if (version == 1)
		return err_set(err, -ENOENT,
			"--cgroup: this host has no version 1 hierarchy with controller '%s'%s",
			controller, "; for version 2 say --cgroup-version 2");
	return err_set(err, -ENOENT, "--cgroup-version 2: this host has no such hierarchy");
}

/* The file that moves processes in this process's cgroup, to come back to it. */
static int open_origin(const struct cgroups *cgroups, const struct cgroups_hierarchy *hierarchy,
	const char *controller, const char *procs)
{
	char path[CGROUPS_PATH_MAX];
	FILE CLEANUP_FILE *file = NULL;
	char CLEANUP_FREE *line = NULL;
	size_t size = 0;

	snprintf(path, sizeof(path), "%s/cgroup", cgroups->process);
	file = fopen(path, "re");
	while (file && getline(&line, &size, file) > 0) {
		char *rest = line;
		const char *list, *place;

		strsep(&rest, ":");
		list = strsep(&rest, ":");
		place = strsep(&rest, "\n");
		/* "0::/PLACE" is version 2's. */
		if (!place || (controller ? !has_option(list, controller) : *list != '\0'))
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", place + 1, procs) >= sizeof(path))
			return -1;
		return dir_openat(hierarchy->top, path + strspn(path, "/"), O_WRONLY);
	}
	return -1;
}

static int open_top(struct cgroups_hierarchy *hierarchy, struct err *err)
{
	hierarchy->procs = -1;
	hierarchy->origin = -1;
	hierarchy->top = open(hierarchy->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (hierarchy->top < 0)
		return err_errno(err, errno, "cgroups in %s", hierarchy->path);
	return 0;
}

static int enter_name(struct cgroups *cgroups, struct cgroups_hierarchy *hierarchy,
	const char *name, struct err *err)
{
	int dir = hierarchy->depth ? hierarchy->fds[hierarchy->depth - 1] : hierarchy->top;
	int fd, r = ledger_room(cgroups->ledger, err);

	if (r < 0)
		return r;
	if (mkdirat(dir, name, 0755) == 0)
		ledger_made(cgroups->ledger, LEDGER_CGROUP, dir, name);
	else if (errno != EEXIST)
		return err_errno(err, errno, "making cgroup '%s' in %s", name, hierarchy->path);
	fd = dir_openat(dir, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return err_errno(err, -fd, "cgroup '%s' in %s", name, hierarchy->path);
	hierarchy->fds[hierarchy->depth++] = fd;
	return 0;
}

static int make_path(struct cgroups *cgroups, struct cgroups_hierarchy *hierarchy, struct err *err)
{
	int r = 0;

	for (const char *p = cgroups->options->parent_cgroup; *p && !r; p += *p == '/') {
		char name[OPTIONS_NAME_MAX + 1];
		size_t len = strcspn(p, "/");

		snprintf(name, sizeof(name), "%.*s", (int)len, p);
		p += len;
		r = enter_name(cgroups, hierarchy, name, err);
	}
	return r < 0 ? r : enter_name(cgroups, hierarchy, cgroups->options->id, err);
}

/* The hierarchy at @path, with the VM's cgroup, which is made when it is first asked for. */
static int get_hierarchy(struct cgroups *cgroups, const char *path, struct err *err)
{
	struct cgroups_hierarchy *hierarchy = cgroups->hierarchies;
	int r;

	for (unsigned int i = 0; i < cgroups->count; i++, hierarchy++)
		if (!strcmp(hierarchy->path, path))
			return (int)i;
	if (cgroups->count == CGROUPS_HIERARCHIES_MAX)
		return err_set(err, -ENOSPC, "--cgroup: more than %d hierarchies",
			CGROUPS_HIERARCHIES_MAX);
	snprintf(hierarchy->path, sizeof(hierarchy->path), "%s", path);
	r = open_top(hierarchy, err);
	if (!r)
		r = make_path(cgroups, hierarchy, err);
	return r < 0 ? r : (int)cgroups->count++;
}

static int open_procs(struct cgroups_hierarchy *hierarchy, const char *name, struct err *err)
{
	if (hierarchy->procs >= 0)
		return 0;
	hierarchy->procs = dir_openat(hierarchy->fds[hierarchy->depth - 1], name, O_WRONLY);
	return hierarchy->procs < 0 ? err_errno(err, -hierarchy->procs, "cgroup in %s: %s",
					      hierarchy->path, name)
				    : 0;
}

static int set(struct cgroups *cgroups, const struct options_cgroup *setting, struct err *err)
{
	bool first = cgroups->options->cgroup_version == 1;
	const char *procs = first ? "tasks" : "cgroup.procs";
	char controller[OPTIONS_NAME_MAX + 1], path[CGROUPS_PATH_MAX];
	struct cgroups_hierarchy *hierarchy;
	int r;

	cgroups_controller(setting->file, controller);
	snprintf(path, sizeof(path), "%s/mounts", cgroups->process);
	r = cgroups_find(path, cgroups->options->cgroup_version, controller, path, err);
	if (!r)
		r = get_hierarchy(cgroups, path, err);
	if (r < 0)
		return r;
	hierarchy = &cgroups->hierarchies[r];
	if (!first)
		r = cgroups_v2_enable(hierarchy, controller, err);
	else
		r = strcmp(controller, "cpuset") ? 0 : cgroups_v1_fill(hierarchy, err);
	if (r < 0)
		return r;
	r = cgroups_write(hierarchy->fds[hierarchy->depth - 1], setting->file, setting->value);
	if (r < 0)
		return err_errno(
			err, -r, "--cgroup: writing '%s' to %s", setting->value, setting->file);
	if (hierarchy->origin < 0)
		hierarchy->origin =
			open_origin(cgroups, hierarchy, first ? controller : NULL, procs);
	return open_procs(hierarchy, procs, err);
}

/* Of version 2, the parent itself, when it is there. */
static int use_parent(struct cgroups *cgroups, struct err *err)
{
	const struct options *options = cgroups->options;
	struct cgroups_hierarchy *hierarchy = cgroups->hierarchies;
	char path[CGROUPS_PATH_MAX];
	int fd, r;

	snprintf(path, sizeof(path), "%s/mounts", cgroups->process);
	r = cgroups_find(path, 2, "", hierarchy->path, err);
	/* Who didn't ask for one doesn't miss it. */
	if (r < 0)
		return options->parent_given ? r : 0;
	r = open_top(hierarchy, err);
	if (r < 0)
		return r;
	fd = dir_openat(hierarchy->top, options->parent_cgroup, O_RDONLY | O_DIRECTORY);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return err_errno(
			err, -fd, "cgroup %s in %s", options->parent_cgroup, hierarchy->path);
	hierarchy->fds[hierarchy->depth++] = fd;
	hierarchy->origin = open_origin(cgroups, hierarchy, NULL, "cgroup.procs");
	cgroups->count = 1;
	return open_procs(hierarchy, "cgroup.procs", err);
}

int cgroups_make(struct cgroups *ret, const struct options *options, const char *process,
	struct ledger *ledger, struct err *err)
{
	int r = 0;

	ret->options = options;
	ret->process = process;
	ret->ledger = ledger;
	for (unsigned int i = 0; i < options->cgroup_count && !r; i++)
		r = set(ret, &options->cgroups[i], err);
	if (!options->cgroup_count && options->cgroup_version == 2)
		r = use_parent(ret, err);
	return r;
}

int cgroups_enter(const struct cgroups *cgroups, struct err *err)
{
	for (unsigned int i = 0; i < cgroups->count; i++) {
		/* 0: the process that writes. */
		int r = write_line(cgroups->hierarchies[i].procs, "0");

		if (r < 0)
			return err_errno(err, -r, "going into the cgroup in %s",
				cgroups->hierarchies[i].path);
	}
	return 0;
}

void cgroups_leave(const struct cgroups *cgroups)
{
	for (unsigned int i = 0; i < cgroups->count; i++)
		if (cgroups->hierarchies[i].origin >= 0)
			(void)write_line(cgroups->hierarchies[i].origin, "0");
}
