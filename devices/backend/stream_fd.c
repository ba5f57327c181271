// SPDX-License-Identifier: Apache-2.0
// vsock host side over one inherited channel.
#include "devices/backend/stream_fd.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/le.h"
#include "base/loop.h"
#include "devices/backend/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* syscalls: loop: close, socketpair(0 == AF_UNIX); start: getsockopt */

/* A connection's message: le32 port. */
#define STREAM_FD_MESSAGE 4

struct stream_fd {
	struct stream_backend backend;
	struct loop *loop;
	struct loop_source src;
	int fd;
	void (*closed)(void *ctx);
	void *ctx;
};

static struct stream_fd *to_stream_fd(struct stream_backend *sb)
{
	return container_of(sb, struct stream_fd, backend);
}

static void stream_fd_on_event(struct loop_source *src, uint32_t events)
{
	struct stream_fd *sf = container_of(src, struct stream_fd, src);
	struct stream_backend *sb = &sf->backend;
	uint8_t message[STREAM_FD_MESSAGE];
	int CLEANUP_FD fd = -1;
	ssize_t n = io_recv_fd(sf->fd, message, sizeof(message), &fd);

	if (n == -EAGAIN)
		return;
	/* Out of descriptors, the kernel drops what it can't give us: only that connection is lost.
	 */
	if (n == -EPROTO || (n == sizeof(message) && fd < 0))
		return;
	if (n != sizeof(message)) {
		loop_del(sf->loop, &sf->src);
		sf->closed(sf->ctx);
		return;
	}
	if (sb->incoming(sb->ctx, fd, le32_load(message), false) == 0)
		(void)TAKE_FD(fd);
}

static int stream_fd_start(struct stream_backend *sb)
{
	struct stream_fd *sf = to_stream_fd(sb);

	return loop_add(sf->loop, &sf->src, sf->fd, EPOLLIN, stream_fd_on_event);
}

static int stream_fd_connect(struct stream_backend *sb, uint32_t port, bool seqpacket)
{
	const struct stream_fd *sf = to_stream_fd(sb);
	uint8_t message[STREAM_FD_MESSAGE];
	int pair[2];
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	le32_store(message, port);
	n = io_send_fd(sf->fd, message, sizeof(message), pair[1]);
	close(pair[1]);
	if (n != sizeof(message)) {
		close(pair[0]);
		return n < 0 ? (int)n : -EPROTO;
	}
	return pair[0];
}

static int stream_fd_accepted(struct stream_backend *sb, int fd, uint32_t host_port)
{
	return 0;
}

static void stream_fd_free(struct stream_backend *sb)
{
	struct stream_fd *sf = to_stream_fd(sb);

	loop_del(sf->loop, &sf->src);
	close(sf->fd);
	free(sf);
}

static const struct stream_backend_ops stream_fd_ops = {
	.start = stream_fd_start,
	.connect = stream_fd_connect,
	.accepted = stream_fd_accepted,
	.free = stream_fd_free,
};

int stream_fd_new(struct loop *loop, int fd, void (*closed)(void *ctx), void *ctx,
	struct stream_backend **ret, struct err *err)
{
	int domain = 0, type = 0, r;
	socklen_t len = sizeof(int);
	struct stream_fd *sf;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return err_errno(err, errno, "vsock channel fd=%d", fd);
	if (domain != AF_UNIX || type != SOCK_SEQPACKET)
		return err_set(err, -EINVAL,
			"vsock channel fd=%d: is not a UNIX socket of type SEQPACKET", fd);
	/* This end is ours alone. */
	r = io_nonblock(fd);
	if (r < 0)
		return err_errno(err, -r, "vsock channel fd=%d", fd);
	sf = calloc(1, sizeof(*sf));
	if (!sf)
		return err_set(err, -ENOMEM, "vsock channel fd=%d: out of memory", fd);
	sf->backend.ops = &stream_fd_ops;
	sf->loop = loop;
	sf->src.fd = -1;
	sf->fd = fd;
	sf->closed = closed;
	sf->ctx = ctx;
	*ret = &sf->backend;
	return 0;
}
