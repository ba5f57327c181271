// SPDX-License-Identifier: Apache-2.0
// vsock host side without names: connections are passed as descriptors over one inherited channel.
#pragma once

struct err;
struct loop;
struct stream_backend;

/*
 * stream_fd_new() - use one end of an AF_UNIX SOCK_SEQPACKET pair
 * @loop:	outlives the backend
 * @fd:		taken over on success
 * @closed:	called once, on the loop, when the other end is closed or breaks the protocol; the
 *		owner of the other end is gone and no connection can be made any more
 * @ctx:	for @closed
 * @ret:	owned by the caller until a vsock device takes it; set only on success
 *
 * Each message is one connection, both ways: 4 bytes, the port (little-endian; the host's when the
 * guest connects, the guest's when the host does), with one stream socket by SCM_RIGHTS, which is
 * the connection. No text is exchanged on it.
 *
 * Return: 0, or -errno with @err set: not such a socket.
 */
int stream_fd_new(struct loop *loop, int fd, void (*closed)(void *ctx), void *ctx,
	struct stream_backend **ret, struct err *err);
