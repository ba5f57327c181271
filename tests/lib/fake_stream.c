// SPDX-License-Identifier: Apache-2.0
// A vsock backend whose host is the test.
#include "tests/lib/fake_stream.h"

#include "base/cleanup.h"

#include <sys/socket.h>

static struct fake_stream *to_fake(struct stream_backend *sb)
{
	return container_of(sb, struct fake_stream, backend);
}

static int fake_start(struct stream_backend *sb)
{
	return 0;
}

static int fake_connect(struct stream_backend *sb, uint32_t port, bool seqpacket)
{
	struct fake_stream *fs = to_fake(sb);
	int pair[2];

	fs->port = port;
	if (fs->refuse)
		return -fs->refuse;
	if (socketpair(AF_UNIX, (seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0,
		    pair) < 0)
		return -errno;
	fs->peer = pair[1];
	return pair[0];
}

static int fake_accepted(struct stream_backend *sb, int fd, uint32_t host_port)
{
	struct fake_stream *fs = to_fake(sb);

	fs->accepted_fd = fd;
	fs->accepted_port = host_port;
	return fs->accept_error;
}

static void fake_free(struct stream_backend *sb)
{
	struct fake_stream *fs = to_fake(sb);

	if (fs->freed)
		*fs->freed = true;
	free(fs);
}

static const struct stream_backend_ops fake_ops = {
	.start = fake_start,
	.connect = fake_connect,
	.accepted = fake_accepted,
	.free = fake_free,
};

struct fake_stream *fake_stream_new(void)
{
	struct fake_stream *fs = calloc(1, sizeof(*fs));

	if (!fs)
		abort();
	fs->backend.ops = &fake_ops;
	fs->backend.seqpacket = true;
	fs->peer = fs->accepted_fd = -1;
	return fs;
}

int fake_stream_incoming_type(struct fake_stream *fs, uint32_t port, bool seqpacket)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, (seqpacket ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0,
		    pair) < 0)
		return -errno;
	r = fs->backend.incoming(fs->backend.ctx, pair[0], port, seqpacket);
	if (r == 0)
		return pair[1];
	close(pair[0]);
	close(pair[1]);
	return r;
}

int fake_stream_incoming(struct fake_stream *fs, uint32_t port)
{
	return fake_stream_incoming_type(fs, port, false);
}
