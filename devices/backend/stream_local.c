// SPDX-License-Identifier: Apache-2.0
// vsock host side within this process.
#include "devices/backend/stream_local.h"

#include "base/cleanup.h"
#include "devices/backend/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* syscalls: loop: close, socketpair(0 == AF_UNIX) */

struct stream_local {
	struct stream_backend backend;
	struct stream_backend *other;
	stream_local_fn *dial;
	void *ctx;
};

static struct stream_local *to_stream_local(struct stream_backend *sb)
{
	return container_of(sb, struct stream_local, backend);
}

static int stream_local_start(struct stream_backend *sb)
{
	struct stream_backend *other = to_stream_local(sb)->other;

	if (!other)
		return 0;
	other->incoming = sb->incoming;
	other->ctx = sb->ctx;
	return other->ops->start(other);
}

static int stream_local_connect(struct stream_backend *sb, uint32_t port, bool seqpacket)
{
	struct stream_local *local = to_stream_local(sb);
	struct stream_backend *other = local->other;
	int r = seqpacket ? STREAM_LOCAL_NOT_MINE : local->dial(local->ctx, port, -1);
	int pair[2];

	if (r == STREAM_LOCAL_NOT_MINE)
		return other ? other->ops->connect(other, port, seqpacket) : -ECONNREFUSED;
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	r = local->dial(local->ctx, port, pair[1]);
	if (!r)
		return pair[0];
	close(pair[0]);
	close(pair[1]);
	return r < 0 ? r : -ECONNREFUSED;
}

static int stream_local_accepted(struct stream_backend *sb, int fd, uint32_t host_port)
{
	struct stream_backend *other = to_stream_local(sb)->other;

	/* Only the other one offers any. */
	return other ? other->ops->accepted(other, fd, host_port) : -EINVAL;
}

static void stream_local_free(struct stream_backend *sb)
{
	struct stream_local *local = to_stream_local(sb);

	stream_backend_free(local->other);
	free(local);
}

static const struct stream_backend_ops stream_local_ops = {
	.start = stream_local_start,
	.connect = stream_local_connect,
	.accepted = stream_local_accepted,
	.free = stream_local_free,
};

int stream_local_new(
	struct stream_backend *other, stream_local_fn *dial, void *ctx, struct stream_backend **ret)
{
	struct stream_local *local = calloc(1, sizeof(*local));

	if (!local)
		return -ENOMEM;
	local->backend.ops = &stream_local_ops;
	local->backend.seqpacket = other && other->seqpacket;
	local->other = other;
	local->dial = dial;
	local->ctx = ctx;
	*ret = &local->backend;
	return 0;
}
