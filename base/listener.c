// SPDX-License-Identifier: Apache-2.0
// Listening UNIX sockets with a name in the file system.
#include "base/listener.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * syscalls: loop: close, newfstatat, unlink; start: bind, connect, flock, link, listen, openat,
 * socket
 */

/* Connections that wait to be accepted; a loop accepts at once. */
#define BACKLOG 128

/* Added to the name while the socket is being made. */
#define OTHER_SUFFIX "~"

/* Make a socket of that name, listen on it. Return: a descriptor, or -errno and no such name. */
static int make(const struct sockaddr_un *addr, int type)
{
	int CLEANUP_FD fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int saved;

	if (fd < 0 || bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		return -errno;
	if (listen(fd, BACKLOG) < 0) {
		saved = errno;
		unlink(addr->sun_path);
		return -saved;
	}
	return TAKE_FD(fd);
}

/* One at a time: what looks dead to two of them may be new to the second. Return: to be closed, or
 * -1. */
static int lock_directory(const struct sockaddr_un *addr)
{
	char dir[sizeof(addr->sun_path)] = ".";
	const char *slash = strrchr(addr->sun_path, '/');
	int fd;

	if (slash)
		snprintf(dir, sizeof(dir), "%.*s",
			slash == addr->sun_path ? 1 : (int)(slash - addr->sun_path),
			addr->sun_path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Without it there is a race, between two who were told the same path. */
	if (fd >= 0)
		flock(fd, LOCK_EX);
	return fd;
}

/* The path is taken. Return: 0 if only by a socket of a process that has ended; -errno. */
static int check_taken(const char *what, const struct sockaddr_un *addr, int type, struct err *err)
{
	int CLEANUP_FD fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return err_set(err, -EADDRINUSE, "%s %s: something else than a socket is there",
			what, addr->sun_path);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 &&
		errno == ECONNREFUSED)
		return 0;
	return err_set(err, -EADDRINUSE, "%s %s: another process serves it", what, addr->sun_path);
}

/* Remove the socket of that name if nobody listens on it; with the directory locked. */
static void remove_dead(const struct sockaddr_un *addr, int type)
{
	struct err ignored;

	if (check_taken("", addr, type, &ignored) == 0)
		unlink(addr->sun_path);
}

/*
 * Make it under another name first, and give it its own when it is listened on: so nobody who sees
 * it is turned away. Where that can't be done, it is listened on a moment later. @locked: the
 * directory is, by the caller.
 */
static int make_ready(const struct sockaddr_un *addr, int type, bool locked)
{
	struct sockaddr_un other = *addr;
	size_t len = strlen(addr->sun_path);
	int fd = -ENAMETOOLONG, r;

	if (len + sizeof(OTHER_SUFFIX) <= sizeof(other.sun_path)) {
		memcpy(other.sun_path + len, OTHER_SUFFIX, sizeof(OTHER_SUFFIX));
		fd = make(&other, type);
	}
	/* Left by one that was killed right here. */
	if (fd == -EADDRINUSE) {
		int lock = locked ? -1 : lock_directory(addr);

		remove_dead(&other, type);
		fd = make(&other, type);
		if (lock >= 0)
			close(lock);
	}
	if (fd < 0)
		return make(addr, type);
	r = link(other.sun_path, addr->sun_path) < 0 ? -errno : 0;
	unlink(other.sun_path);
	if (!r)
		return fd;
	close(fd);
	return r == -EEXIST ? -EADDRINUSE : make(addr, type);
}

/* Take over what a process that has ended left behind, with the directory locked. Return: a
 * descriptor, or -errno with @err set. */
static int replace(const char *what, const struct sockaddr_un *addr, int type, struct err *err)
{
	int r = check_taken(what, addr, type, err), fd;

	if (r < 0)
		return r;
	if (unlink(addr->sun_path) < 0 && errno != ENOENT)
		return err_errno(err, errno, "%s %s: left behind by a process that has ended", what,
			addr->sun_path);
	fd = make_ready(addr, type, true);
	return fd < 0 ? err_errno(err, -fd, "%s %s", what, addr->sun_path) : fd;
}

int listener_open(
	const char *what, const char *path, int type, struct listener_id *ret_id, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	int fd, lock;

	*ret_id = (struct listener_id){0};
	if (!*path)
		return err_set(err, -EINVAL, "%s: its path is empty", what);
	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "%s %s: longer than %zu bytes", what, path,
			sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = make_ready(&addr, type, false);
	if (fd == -EADDRINUSE) {
		lock = lock_directory(&addr);
		fd = replace(what, &addr, type, err);
		if (lock >= 0)
			close(lock);
	} else if (fd < 0) {
		err_errno(err, -fd, "%s %s", what, path);
	}
	if (fd >= 0 && lstat(path, &st) == 0)
		*ret_id = (struct listener_id){st.st_dev, st.st_ino};
	return fd;
}

void listener_remove(const char *path, const struct listener_id *id)
{
	struct stat st;

	if (id->ino && lstat(path, &st) == 0 && st.st_dev == id->dev && st.st_ino == id->ino)
		unlink(path);
}
