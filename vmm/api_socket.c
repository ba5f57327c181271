// SPDX-License-Identifier: Apache-2.0
// The API's socket in the file system.
#include "vmm/api_socket.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections that wait to be accepted; the loop accepts at once. */
#define BACKLOG 128

/* Added to the name while the socket is being made. */
#define OTHER_SUFFIX "~"

/* Why is the path taken? */
static int tell_taken(const struct sockaddr_un *addr, struct err *err)
{
	int CLEANUP_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return err_set(err, -EADDRINUSE,
			"API socket %s: something else than a socket is there", addr->sun_path);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 &&
		errno == ECONNREFUSED)
		return err_set(err, -EADDRINUSE,
			"API socket %s: left behind by a process that has ended; remove it first",
			addr->sun_path);
	return err_set(
		err, -EADDRINUSE, "API socket %s: another process serves it", addr->sun_path);
}

/* Make a socket of that name, listen on it. Return: a descriptor, or -errno and no such name. */
static int make(const struct sockaddr_un *addr)
{
	int CLEANUP_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
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

/*
 * Make it under another name first, and give it its own when it is listened on: so nobody who sees
 * it is turned away. Where that can't be done, it is listened on a moment later.
 */
static int make_ready(const struct sockaddr_un *addr)
{
	struct sockaddr_un other = *addr;
	size_t len = strlen(addr->sun_path);
	int fd = -ENAMETOOLONG, r;

	if (len + sizeof(OTHER_SUFFIX) <= sizeof(other.sun_path)) {
		memcpy(other.sun_path + len, OTHER_SUFFIX, sizeof(OTHER_SUFFIX));
		fd = make(&other);
	}
	if (fd < 0)
		return make(addr);
	r = link(other.sun_path, addr->sun_path) < 0 ? -errno : 0;
	unlink(other.sun_path);
	if (!r)
		return fd;
	close(fd);
	return r == -EEXIST ? -EADDRINUSE : make(addr);
}

int api_socket_open(const char *path, dev_t *ret_dev, ino_t *ret_ino, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	int fd;

	*ret_dev = 0;
	*ret_ino = 0;
	if (!*path)
		return err_set(err, -EINVAL, "API socket: its path is empty");
	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "API socket %s: longer than %zu bytes", path,
			sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = make_ready(&addr);
	if (fd == -EADDRINUSE)
		return tell_taken(&addr, err);
	if (fd < 0)
		return err_errno(err, -fd, "API socket %s", path);
	if (lstat(path, &st) == 0) {
		*ret_dev = st.st_dev;
		*ret_ino = st.st_ino;
	}
	return fd;
}

void api_socket_remove(const char *path, dev_t dev, ino_t ino)
{
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_dev == dev && st.st_ino == ino)
		unlink(path);
}
