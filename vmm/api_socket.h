// SPDX-License-Identifier: Apache-2.0
// The API's socket in the file system.
#pragma once

#include <sys/types.h>

struct err;

/*
 * api_socket_open() - make a socket and listen on it
 * @path:	must not exist: nothing is ever removed to make room
 * @ret_dev, @ret_ino: which socket it is, for api_socket_remove()
 *
 * Return: a non-blocking descriptor that the caller closes, or -errno with @err set, which tells
 * a path that somebody serves from one that was left behind.
 */
int api_socket_open(const char *path, dev_t *ret_dev, ino_t *ret_ino, struct err *err);

/* api_socket_remove() - remove the socket, unless something else has taken its place. */
void api_socket_remove(const char *path, dev_t dev, ino_t ino);
