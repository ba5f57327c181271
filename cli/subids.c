// SPDX-License-Identifier: Apache-2.0
// A user and a group ID of the VM's own, for who isn't root.
#include "cli/subids.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

/* Of one that has more, so many are used. */
#define RANGE_MAX (1u << 22)
/* How long newuidmap may take. */
#define MAP_MS 10000

/* IDs on the host, @count from @first. */
struct range {
	uint32_t first, count;
};

static bool parse_id(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long value;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (*end || errno || value >= UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

/* Is the line one of ours, "user:first:count"? subuid(5) */
static bool parse_line(char *line, uid_t uid, const char *user, struct range *ret)
{
	char *first = strchr(line, ':'), *count = first ? strchr(first + 1, ':') : NULL;
	uint32_t id;

	if (!count)
		return false;
	*first++ = *count++ = '\0';
	count[strcspn(count, "\n")] = '\0';
	if (!(user && !strcmp(line, user)) && !(parse_id(line, &id) && id == uid))
		return false;
	return parse_id(first, &ret->first) && parse_id(count, &ret->count) && ret->first &&
	       ret->count && ret->count < UINT32_MAX - ret->first;
}

/* The first range of @name that is the user's. Return: 0, -ENOENT, -errno. */
static int find_range(int etc_fd, const char *name, uid_t uid, const char *user, struct range *ret)
{
	int fd = openat(etc_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	FILE CLEANUP_FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char CLEANUP_FREE *line = NULL;
	size_t size = 0;

	if (!file) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	while (getline(&line, &size, file) > 0)
		if (parse_line(line, uid, user, ret))
			return 0;
	return -ENOENT;
}

static bool lock_byte(int fd, uint32_t at)
{
	struct flock flock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &flock) == 0;
}

int subids_choose(struct subids *ids, int etc_fd, int lock_fd, uid_t uid, const char *user)
{
	int CLEANUP_FD lock = lock_fd;
	struct range uids, gids;
	uint32_t count, start;
	int r = find_range(etc_fd, "subuid", uid, user, &uids);

	*ids = SUBIDS_NONE;
	if (!r)
		r = find_range(etc_fd, "subgid", uid, user, &gids);
	if (r < 0)
		return r;
	count = uids.count < gids.count ? uids.count : gids.count;
	if (count > RANGE_MAX)
		count = RANGE_MAX;
	start = (uint32_t)getpid() % count;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = (start + i) % count;

		if (!lock_byte(lock, at)) {
			if (errno == EAGAIN || errno == EACCES)
				continue;
			return -errno;
		}
		*ids = (struct subids){
			.uid = uids.first + at, .gid = gids.first + at, .lock_fd = TAKE_FD(lock)};
		return 0;
	}
	return -ENOENT;
}

/* newuidmap and newgidmap say what is wrong on standard error, which is not what hull would say. */
static int map_start(const char *program, pid_t pid, uint32_t own, uint32_t id, pid_t *ret)
{
	static char inside[] = "0", one[] = "1";
	char texts[4][12];
	char *argv[] = {(char *)(uintptr_t)program, texts[0], inside, texts[1], one, texts[2],
		texts[3], one, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	snprintf(texts[0], sizeof(texts[0]), "%d", pid);
	snprintf(texts[1], sizeof(texts[1]), "%u", own);
	snprintf(texts[2], sizeof(texts[2]), "%d", SUBIDS_INSIDE);
	snprintf(texts[3], sizeof(texts[3]), "%u", id);
	posix_spawn_file_actions_init(&actions);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	/* The caller may have blocked them. */
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	r = posix_spawnp(ret, program, &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* One that asks a directory of users which doesn't answer is not waited for. */
static int map_wait(pid_t pid)
{
	int CLEANUP_FD pidfd = pidfd_open(pid, 0);
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};
	int status;

	if (pidfd < 0 || poll(&ended, 1, MAP_MS) != 1)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

int subids_map(const struct subids *ids, pid_t pid)
{
	pid_t users, groups;
	int r = map_start("newuidmap", pid, geteuid(), ids->uid, &users);
	int r2;

	if (r < 0)
		return r;
	/* Both at once: each is an execution of its own. */
	r = map_start("newgidmap", pid, getegid(), ids->gid, &groups);
	r2 = map_wait(users);
	if (!r)
		r = map_wait(groups);
	return r < 0 ? r : r2;
}

void subids_release(struct subids *ids)
{
	if (ids->lock_fd >= 0)
		close(ids->lock_fd);
	*ids = SUBIDS_NONE;
}
