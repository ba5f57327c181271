// SPDX-License-Identifier: Apache-2.0
// Whole reads and writes, and descriptors passed over UNIX sockets.
#include "base/io.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * syscalls: loop: close, fcntl(1 == F_GETFL), fcntl(1 == F_SETFL), read, recvmsg, sendmsg, write;
 * start: openat
 */

/* Room for a few descriptors that were not asked for, so that they can be closed, not leaked. */
#define IO_FDS_MAX 4

int io_read_full(int fd, void *data, size_t n)
{
	char *p = data;

	while (n) {
		ssize_t got = read(fd, p, n);

		if (got < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!got)
			return -ENODATA;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

int io_write_full(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t put = write(fd, p, n);

		if (put < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

int io_open_standard(void)
{
	/* The lowest that is free is the one that is missing. */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			return -errno;
	return 0;
}

int io_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

ssize_t io_send_fd(int sock, const void *data, size_t n, int fd)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)data, n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (fd >= 0) {
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

ssize_t io_recv_fd(int sock, void *data, size_t n, int *ret_fd)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(IO_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {data, n};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	int fds[IO_FDS_MAX];
	size_t count = 0;
	ssize_t got;

	*ret_fd = -1;
	do
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t len;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		len = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < len && count < IO_FDS_MAX; i++, count++)
			memcpy(&fds[count], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	if (count > 1 || msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) {
		while (count)
			close(fds[--count]);
		return -EPROTO;
	}
	if (count)
		*ret_fd = fds[0];
	return got;
}
