// SPDX-License-Identifier: Apache-2.0
// Hybrid vsock: the guest's ports as UNIX sockets in the file system.
#pragma once

#include <stdbool.h>

struct err;
struct loop;
struct stream_backend;

/* Behind the path of the socket for streams: the one for SEQPACKET. */
#define STREAM_UNIX_SEQPACKET_SUFFIX ".seqpacket"

/*
 * stream_unix_new() - bind and listen on a UNIX socket
 * @loop:	outlives the backend
 * @path:	must not exist yet; copied. The guest's connections to host port P go to "PATH_P"; a
 *		host client connects to PATH, sends "CONNECT P\n", gets "OK HOSTPORT\n" once guest
 *		port P has taken the connection, or sees it closed
 * @seqpacket:	offer SOCK_SEQPACKET too: guests' connections of that type go to a socket of the
 *		same type at "PATH_P", host clients connect to PATH.seqpacket and send and get the
 *		same lines, each as one message
 * @ret:	owned by the caller until a vsock device takes it; set only on success
 *
 * Return: 0, or -errno with @err set: path too long, taken, no such folder.
 */
int stream_unix_new(struct loop *loop, const char *path, bool seqpacket,
	struct stream_backend **ret, struct err *err);
