// SPDX-License-Identifier: Apache-2.0
// The monitors that run, and what /proc tells of each.
#include "cli/check_host.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/*
 * Which processes are monitors
 *
 * Those whose program, /proc/PID/exe, is called hull-vmm or is the file that this hull starts. Who
 * may not read that link, as anyone but root may not of a jailed monitor, goes by the process's
 * name: that is wrong of a process that bears the name on purpose, and misses a monitor that was
 * started under another one, as "firecracker".
 */
#define MONITOR_NAME "hull-vmm"
#define DELETED " (deleted)"

/* include/linux/sched.h: threads of a process that run in the kernel alone */
#define PF_IO_WORKER 0x10
#define PF_USER_WORKER 0x4000

/* vCPUs exist a moment before their filters do. A process that is younger is looked at again. */
#define YOUNG_S 10
#define LOOKS 10
#define LOOK_NS 20000000

static void closedir_ptr(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define CLEANUP_DIR __attribute__((cleanup(closedir_ptr)))

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/* The words of a .../stat behind the name, which may have anything in it: 0 is the state. */
static int stat_word(int dir, const char *path, int word, char *ret, size_t size)
{
	char text[1024], *at;
	ssize_t n = check_read(dir, path, text, sizeof(text));

	if (n < 0)
		return (int)n;
	at = strrchr(text, ')');
	for (int i = 0; at && i <= word; i++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -EBADMSG;
	snprintf(ret, size, "%.*s", (int)strcspn(at + 1, " \n"), at + 1);
	return 0;
}

static bool is_monitor(const struct check_host *host, int dir)
{
	char exe[PATH_MAX], name[CHECK_LINE_SIZE];
	const char *base;
	size_t len;
	int r = check_link(dir, "exe", exe, sizeof(exe));

	/* Kernel threads have no program, and what has just ended hasn't. */
	if (r < 0 && r != -ENOENT && r != -ESRCH)
		return !check_read_line(dir, "comm", name, sizeof(name)) &&
		       !strcmp(name, MONITOR_NAME);
	if (r < 0)
		return false;
	if (host->config.vmm) {
		struct stat its, ours;

		if (!fstatat(dir, "exe", &its, 0) &&
			!fstatat(host->root, check_path(host->config.vmm), &ours, 0) &&
			its.st_dev == ours.st_dev && its.st_ino == ours.st_ino)
			return true;
	}
	base = strrchr(exe, '/');
	base = base ? base + 1 : exe;
	len = strlen(base);
	if (len > strlen(DELETED) && !strcmp(base + len - strlen(DELETED), DELETED))
		len -= strlen(DELETED);
	return len == strlen(MONITOR_NAME) && !strncmp(base, MONITOR_NAME, len);
}

int check_threads(const struct check_monitor *monitor, check_thread_fn *fn, void *arg)
{
	char CLEANUP_FREE *status = malloc(CHECK_STATUS_SIZE);
	DIR CLEANUP_DIR *tasks = NULL;
	struct dirent *entry;
	int r = status ? check_opendir(monitor->dir, "task", &tasks) : -ENOMEM;
	int count = 0;

	if (r < 0)
		return r;
	while ((entry = check_next(tasks))) {
		char path[64], flags[32];

		if (!is_number(entry->d_name) || strlen(entry->d_name) > 20)
			continue;
		snprintf(path, sizeof(path), "task/%.20s/stat", entry->d_name);
		r = stat_word(monitor->dir, path, 6, flags, sizeof(flags));
		if (r == -ENOENT || r == -ESRCH)
			continue;
		if (r < 0)
			return r;
		if (strtoul(flags, NULL, 10) & (PF_IO_WORKER | PF_USER_WORKER))
			continue;
		snprintf(path, sizeof(path), "task/%.20s/status", entry->d_name);
		r = (int)check_read(monitor->dir, path, status, CHECK_STATUS_SIZE);
		if (r == -ENOENT || r == -ESRCH)
			continue;
		if (r < 0)
			return r;
		count++;
		r = fn((pid_t)strtol(entry->d_name, NULL, 10), status, arg);
		if (r)
			return r;
	}
	return count ? 0 : -ESRCH;
}

int check_fds(const struct check_monitor *monitor, check_fd_fn *fn, void *arg)
{
	struct check_fd CLEANUP_FREE *fd = calloc(1, sizeof(*fd));
	DIR CLEANUP_DIR *fds = NULL;
	struct dirent *entry;
	int r = fd ? check_opendir(monitor->dir, "fd", &fds) : -ENOMEM;

	if (r < 0)
		return r;
	while ((entry = check_next(fds))) {
		char path[64], text[2048], field[64];

		if (!is_number(entry->d_name) || strlen(entry->d_name) > 9)
			continue;
		fd->fd = (int)strtol(entry->d_name, NULL, 10);
		snprintf(path, sizeof(path), "fd/%d", fd->fd);
		r = check_link(monitor->dir, path, fd->link, sizeof(fd->link));
		if (!r) {
			snprintf(path, sizeof(path), "fdinfo/%d", fd->fd);
			r = (int)check_read(monitor->dir, path, text, sizeof(text));
		}
		/* It may be closed meanwhile. */
		if (r == -ENOENT)
			continue;
		if (r >= 0)
			r = check_status_field(text, "flags", field, sizeof(field));
		if (r < 0)
			return r;
		fd->flags = (unsigned int)strtoul(field, NULL, 8);
		if (check_status_field(text, "iff", fd->tap, sizeof(fd->tap)) < 0)
			fd->tap[0] = '\0';
		r = fn(fd, arg);
		if (r)
			return r;
	}
	return 0;
}

static uint64_t limit_value(const char *text)
{
	return !strcmp(text, "unlimited") ? UINT64_MAX : strtoull(text, NULL, 10);
}

int check_limit(
	const struct check_monitor *monitor, const char *name, uint64_t *soft, uint64_t *hard)
{
	char text[4096], values[2][32];
	ssize_t n = check_read(monitor->dir, "limits", text, sizeof(text));
	const char *line;

	if (n < 0)
		return (int)n;
	line = strstr(text, name);
	if (!line || sscanf(line + strlen(name), " %31s %31s", values[0], values[1]) != 2)
		return -EBADMSG;
	*soft = limit_value(values[0]);
	*hard = limit_value(values[1]);
	return 0;
}

static int is_unfiltered(pid_t tid, const char *status, void *arg)
{
	char field[32];

	return !check_status_field(status, "Seccomp", field, sizeof(field)) && field[0] == '0';
}

static int is_vcpu(pid_t tid, const char *status, void *arg)
{
	char name[64];

	return !check_status_field(status, "Name", name, sizeof(name)) &&
	       !strncmp(name, "vcpu", 4) && is_number(name + 4);
}

static bool is_young(const struct check_host *host, const struct check_monitor *monitor)
{
	char start[32], now[CHECK_LINE_SIZE];
	long ticks = sysconf(_SC_CLK_TCK);

	if (stat_word(monitor->dir, "stat", 19, start, sizeof(start)) < 0 ||
		check_read_line(host->root, "proc/uptime", now, sizeof(now)) < 0 || ticks <= 0)
		return false;
	return strtod(now, NULL) - strtod(start, NULL) / (double)ticks < YOUNG_S;
}

static void let_settle(const struct check_host *host, struct check_monitor *monitor)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};

	for (int i = 0; i < LOOKS; i++) {
		if (check_threads(monitor, is_unfiltered, NULL) != 1 || !is_young(host, monitor))
			break;
		nanosleep(&pause, NULL);
	}
	monitor->guest = check_threads(monitor, is_vcpu, NULL) == 1;
}

/* Its own words, for all that compares monitors with each other. */
static void read_identity(struct check_monitor *monitor)
{
	char text[CHECK_STATUS_SIZE], field[PATH_MAX];

	monitor->uid = -1;
	if (check_read(monitor->dir, "status", text, sizeof(text)) > 0 &&
		!check_status_field(text, "Uid", field, sizeof(field)) &&
		isdigit((unsigned char)field[0]))
		monitor->uid = strtol(field, NULL, 10);
	/* The line of cgroup v2 is "0::PATH". */
	if (check_read(monitor->dir, "cgroup", text, sizeof(text)) > 0 &&
		!check_status_field(text, "0:", field, sizeof(field)) && field[0] == '/')
		monitor->cgroup = strdup(field);
}

static int add_monitor(struct check_host *host, int dir, const char *name)
{
	struct check_monitor *more =
		reallocarray(host->monitors, host->monitor_count + 1, sizeof(host->monitors[0]));

	if (!more)
		return -ENOMEM;
	host->monitors = more;
	more += host->monitor_count++;
	*more = (struct check_monitor){.pid = (pid_t)strtol(name, NULL, 10), .dir = dir};
	let_settle(host, more);
	read_identity(more);
	return 0;
}

static int add_user(struct check_host *host, uid_t uid)
{
	uid_t *more = reallocarray(host->users, host->user_count + 1, sizeof(host->users[0]));

	if (!more)
		return -ENOMEM;
	host->users = more;
	more[host->user_count++] = uid;
	return 0;
}

static int look_at(struct check_host *host, int proc, const char *name)
{
	int CLEANUP_FD dir = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char state[8];
	struct stat st;

	/* Those that end meanwhile, and what has ended but wasn't waited for. */
	if (dir < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : 0;
	if (stat_word(dir, "stat", 0, state, sizeof(state)) < 0 || state[0] == 'Z' ||
		fstat(dir, &st) < 0)
		return 0;
	if (is_monitor(host, dir))
		return add_monitor(host, TAKE_FD(dir), name);
	return add_user(host, st.st_uid);
}

static int compare_users(const void *a, const void *b)
{
	uid_t x = *(const uid_t *)a, y = *(const uid_t *)b;

	return x < y ? -1 : x > y;
}

static int compare_monitors(const void *a, const void *b)
{
	const struct check_monitor *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

void check_monitors_find(struct check_host *host)
{
	DIR CLEANUP_DIR *proc = NULL;
	struct dirent *entry;
	int r = check_opendir(host->root, "proc", &proc);

	/* /proc may show to a user only what is theirs (hidepid). */
	if (!r && check_exists(host->root, "proc/1/stat") != 1)
		r = -EACCES;
	while (!r && (entry = check_next(proc)))
		if (is_number(entry->d_name))
			r = look_at(host, dirfd(proc), entry->d_name);
	host->processes = r;
	if (host->user_count)
		qsort(host->users, host->user_count, sizeof(host->users[0]), compare_users);
	if (host->monitor_count)
		qsort(host->monitors, host->monitor_count, sizeof(host->monitors[0]),
			compare_monitors);
}

void check_monitors_free(struct check_host *host)
{
	for (size_t i = 0; i < host->monitor_count; i++) {
		close(host->monitors[i].dir);
		free(host->monitors[i].cgroup);
	}
	free(host->monitors);
	free(host->users);
}
