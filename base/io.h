// SPDX-License-Identifier: Apache-2.0
// Whole reads and writes, and descriptors passed over UNIX sockets.
#pragma once

#include <stddef.h>
#include <sys/types.h>

/*
 * io_read_full() - read exactly @n bytes from a blocking descriptor
 *
 * Return: 0, -ENODATA when the file ends before, or -errno.
 */
int io_read_full(int fd, void *data, size_t n);

/* io_write_full() - write all @n bytes to a blocking descriptor. Return: 0 or -errno. */
int io_write_full(int fd, const void *data, size_t n);

/*
 * io_open_standard() - put /dev/null where standard input, output or error is closed
 *
 * A file opened later must not become what messages or a console's output are written to. Where all
 * are open, no such device is needed: a jail may have none.
 *
 * Return: 0 or -errno.
 */
int io_open_standard(void);

/* io_nonblock() - set O_NONBLOCK. Return: 0 or -errno. */
int io_nonblock(int fd);

/*
 * io_send_fd() - send a message of @n bytes, with @fd if it isn't -1
 * @sock:	AF_UNIX; @fd stays the caller's
 *
 * Never raises SIGPIPE. Return: bytes sent, or -errno (-EAGAIN on a full non-blocking socket).
 */
ssize_t io_send_fd(int sock, const void *data, size_t n, int fd);

/*
 * io_recv_fd() - receive up to @n bytes and at most one descriptor
 * @ret_fd:	close-on-exec descriptor, now the caller's, or -1 when none came
 *
 * More than one descriptor, or a message longer than @n, is an error; all that came are closed.
 *
 * Return: bytes received (0 = the peer closed), -EPROTO, or -errno.
 */
ssize_t io_recv_fd(int sock, void *data, size_t n, int *ret_fd);
