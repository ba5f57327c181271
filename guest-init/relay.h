// SPDX-License-Identifier: Apache-2.0
// One direction of a stream: bytes from one descriptor to another through a fixed buffer.
#pragma once

#include "base/loop.h"
#include "base/ring.h"

#include <stdbool.h>

/*
 * Theory of operation
 *
 *      source --read--> [ ring ] --write--> sink
 *
 * Both descriptors are non-blocking. The source is watched only while the ring has room, and the
 * sink for EPOLLOUT only while it holds bytes: a slow sink thus blocks the writer at the far end of
 * the source, and nothing grows.
 *
 *   end of source     the rest is written, then the sink is ended: a socket is half-closed,
 * anything else closed sink refuses      (EPIPE, reset, hangup) the rest is dropped and both ends
 * are closed, so that the writer learns of it
 *
 * A source that isn't watched is taken out of the epoll set, as epoll would go on reporting its
 * hangup.
 */

/* Room for two of the largest virtio-vsock packets: one is filled while the other is on its way. */
#define RELAY_BUFFER (128u * 1024)

struct relay;

/* What a relay tells its owner, once. */
typedef void relay_fn(struct relay *relay);

/*
 * struct relay - embedded in its owner, zero-initialised
 * @running:	between relay_start() and the end
 * @failed:	the sink refused; read in the callback
 * @last:	the last byte that was read; a newline before there is one
 * @done:	the relay has ended by itself
 * @ending:	the source has ended and the sink took everything; may still put bytes into the
 *		ring. NULL unless the owner sets it after relay_start().
 */
struct relay {
	struct loop *loop;
	struct loop_source source, sink;
	int source_fd, sink_fd;
	bool sink_is_socket;
	bool running, ended, failed;
	uint8_t last;
	struct ring ring;
	void *buffer;
	relay_fn *done, *ending;
};

/*
 * relay_start() - begin
 * @source_fd, @sink_fd:	owned from now on, on failure too; made non-blocking
 * @done:	may be NULL
 *
 * Return: 0, or -errno with nothing running.
 */
int relay_start(struct relay *relay, struct loop *loop, int source_fd, int sink_fd, relay_fn *done);

/* relay_fini() - end at once, dropping what is held; @done isn't called. Harmless when it never
 * ran. */
void relay_fini(struct relay *relay);
