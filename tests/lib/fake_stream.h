// SPDX-License-Identifier: Apache-2.0
// A vsock backend whose host is the test.
#pragma once

#include "devices/backend/stream.h"

#include <stdbool.h>

/*
 * struct fake_stream - the backend
 * @refuse:	errno that connect gives, 0 to connect
 * @port, @peer: what the guest connected to last, and the host's end of it
 * @accepted_fd, @accepted_port: the last call of accepted; @accept_error: what it gives
 * @freed:	set when the device frees it, if not NULL
 */
struct fake_stream {
	struct stream_backend backend;
	int refuse;
	uint32_t port;
	int peer;
	int accepted_fd;
	uint32_t accepted_port;
	int accept_error;
	bool *freed;
};

struct fake_stream *fake_stream_new(void);
/* A host client connects to guest port @port. Return: its end, or -errno. */
int fake_stream_incoming_type(struct fake_stream *fs, uint32_t port, bool seqpacket);
int fake_stream_incoming(struct fake_stream *fs, uint32_t port);
