// SPDX-License-Identifier: Apache-2.0
// The descriptors that a new process keeps of PID 1's.
#pragma once

/* Where they are gathered: three streams, the channel. */
#define FD_STDIO 3
#define FD_CHANNEL 6

/*
 * descriptors_keep() - close all but the standard ones, the streams and the channel
 * @stdio:	a command's ends of its streams, or -1
 * @channel:	becomes FD_CHANNEL
 * @ret_stdio:	the streams' new numbers, from FD_STDIO, or -1
 *
 * A copy of the wrong end of a pipe would hide its end of file from the other side; a directory
 * would be a way out of the container. What is kept is close-on-exec.
 *
 * Return: 0 or -errno.
 */
int descriptors_keep(const int stdio[3], int channel, int ret_stdio[3]);
