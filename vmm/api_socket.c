// SPDX-License-Identifier: Apache-2.0
// The API's socket in the file system.
#include "vmm/api_socket.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Connections that wait to be accepted; the loop accepts at once. */
#define BACKLOG 128

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

int api_socket_open(const char *path, dev_t *ret_dev, ino_t *ret_ino, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int CLEANUP_FD fd = -1;
	struct stat st;

	*ret_dev = 0;
	*ret_ino = 0;
	if (!*path)
		return err_set(err, -EINVAL, "API socket: its path is empty");
	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "API socket %s: longer than %zu bytes", path,
			sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, errno, "API socket %s", path);
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno == EADDRINUSE)
			return tell_taken(&addr, err);
		return err_errno(err, errno, "API socket %s", path);
	}
	if (lstat(path, &st) < 0 || listen(fd, BACKLOG) < 0) {
		int saved = errno;

		unlink(path);
		return err_errno(err, saved, "API socket %s", path);
	}
	*ret_dev = st.st_dev;
	*ret_ino = st.st_ino;
	return TAKE_FD(fd);
}

void api_socket_remove(const char *path, dev_t dev, ino_t ino)
{
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_dev == dev && st.st_ino == ino)
		unlink(path);
}
