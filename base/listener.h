// SPDX-License-Identifier: Apache-2.0
// Listening UNIX sockets with a name in the file system.
#pragma once

#include <sys/types.h>

struct err;

/* Which socket it is, whatever its name means later. All zero: none. */
struct listener_id {
	dev_t dev;
	ino_t ino;
};

/*
 * listener_open() - make a socket and listen on it
 * @what:	it is for, the first words of messages
 * @path:	a socket there that nobody listens on any more is replaced, and nothing else
 * @type:	SOCK_STREAM or SOCK_SEQPACKET
 * @ret_id:	for listener_remove()
 *
 * Who sees the name is served already.
 *
 * Return: a non-blocking descriptor that the caller closes, or -errno with @err set.
 */
int listener_open(
	const char *what, const char *path, int type, struct listener_id *ret_id, struct err *err);

/* listener_remove() - remove the socket, unless something else has taken its place, or this process
 * may not remove it any more. */
void listener_remove(const char *path, const struct listener_id *id);
