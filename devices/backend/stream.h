// SPDX-License-Identifier: Apache-2.0
// What virtio-vsock asks of its host side: connected sockets, both ways.
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * A backend only makes and greets connections; once one stands, its descriptor belongs to the
 * vsock device, which alone reads, writes and closes it. Descriptors are stream or SEQPACKET
 * sockets, blocking or not: the device uses MSG_DONTWAIT, so that a shared file description isn't
 * changed.
 *
 *     guest connects:  device --connect(port)--> backend gives a descriptor or refuses
 *     host connects:   backend --incoming(fd, port)--> device asks the guest, then
 *                      device --accepted(fd, host_port)--> backend greets the host's client
 *
 * All of it runs on the loop.
 */

struct stream_backend;

/*
 * struct stream_backend_ops - the operations of a backend
 * @start:	begin to listen; sb->incoming and sb->ctx are set. 0 or -errno
 * @connect:	the guest wants to reach host port @port (untrusted), with a SEQPACKET socket or a
 *		stream. Never blocks. Returns a descriptor for the caller, or -errno (the guest is
 *told "reset")
 * @accepted:	the guest took the connection that incoming() offered as @fd; @host_port is its port
 *		here. 0, or -errno: the device then drops the connection
 * @free:	stop listening, remove what was made
 */
struct stream_backend_ops {
	int (*start)(struct stream_backend *sb);
	int (*connect)(struct stream_backend *sb, uint32_t port, bool seqpacket);
	int (*accepted)(struct stream_backend *sb, int fd, uint32_t host_port);
	void (*free)(struct stream_backend *sb);
};

/*
 * struct stream_backend - embedded first in each backend
 * @seqpacket:	set by the backend: it can do SEQPACKET; otherwise it is never asked to
 * @incoming:	set by the device before start: a host client wants guest port @port, with a
 *		SEQPACKET socket or a stream. Takes @fd over and returns 0, or returns -errno and
 *the backend closes it
 */
struct stream_backend {
	const struct stream_backend_ops *ops;
	bool seqpacket;
	int (*incoming)(void *ctx, int fd, uint32_t port, bool seqpacket);
	void *ctx;
};

static inline void stream_backend_free(struct stream_backend *sb)
{
	if (sb)
		sb->ops->free(sb);
}
