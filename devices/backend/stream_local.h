// SPDX-License-Identifier: Apache-2.0
// vsock host side within this process, for some of the guest's connections.
#pragma once

#include <stdint.h>

struct stream_backend;

/* stream_local_fn() answers this for a port that isn't its own. */
#define STREAM_LOCAL_NOT_MINE 1

/*
 * stream_local_fn - the guest dials a host port
 * @port:	untrusted
 * @fd:		one end of a stream socket, to be taken over on success; -1: only tell whether the
 *		port would be taken
 *
 * Return: 0; STREAM_LOCAL_NOT_MINE; or -errno: the guest is told "reset". Context: loop.
 */
typedef int stream_local_fn(void *ctx, uint32_t port, int fd);

/*
 * stream_local_new() - a backend that offers the guest's stream connections to a function first
 * @other:	gets all other connections, and those that the host makes; taken over on success.
 *		NULL: there are none
 * @dial, @ctx:	who takes connections; outlives the backend
 * @ret:	owned by the caller until a vsock device takes it; set only on success
 *
 * Return: 0 or -ENOMEM.
 */
int stream_local_new(struct stream_backend *other, stream_local_fn *dial, void *ctx,
	struct stream_backend **ret);
