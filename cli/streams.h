// SPDX-License-Identifier: Apache-2.0
// The container's input and output: bytes carried between hull's own descriptors and the guest.
#pragma once

#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * Each direction of each stream is a thread of plain blocking reads and writes. That suits whatever
 * the caller's descriptors are (files can't be polled, and O_NONBLOCK would be set for all who
 * share them), and back-pressure needs no code: a reader that stalls blocks the write, the
 * socket fills, and the guest's process blocks.
 *
 *   in     standard input -> guest; at the end of input, or when it can't be read, half-closed
 *   out    guest -> standard output or error; when that can't be written, closed both ways, so
 *          that the process gets EPIPE
 *
 * An out thread tells the loop when it ended: the run isn't over before all output was delivered.
 * An in thread may wait for input forever, so nobody waits for it; the streams belong to
 * struct streams, which is never freed while such a thread may run.
 */

struct streams;

/* The ends of hull's that streams can be tied to. */
enum stream_kind {
	STREAM_IN,
	STREAM_OUT,
	STREAM_ERR,
	STREAM_TTY, /* both ways: standard input (if wanted) and output */
	STREAM_COUNT,
};

/* A stream's output ended. Context: the loop. */
typedef void streams_done_fn(void *owner, enum stream_kind stream);

/*
 * streams_new() - no stream yet
 * @owner:	handed to @done
 *
 * Return: NULL without memory.
 */
struct streams *streams_new(struct loop *loop, streams_done_fn *done, void *owner);

/*
 * streams_attach() - carry a stream over a connection
 * @fd:		taken over in any case
 * @input:	for STREAM_TTY: pass standard input on; otherwise the guest is told that none comes
 *
 * Return: 0, -EALREADY for a stream that has its connection, or -errno.
 */
int streams_attach(struct streams *streams, enum stream_kind stream, int fd, bool input);

/* streams_first_output() - CLOCK_MONOTONIC in ns of the first byte of output, or 0. */
uint64_t streams_first_output(const struct streams *streams);

/*
 * streams_error() - what went wrong with hull's own standard output or error
 *
 * Return: positive errno of the first write that failed, except EPIPE; or 0. *ret_name is then
 * the stream's name. Context: after all output ended.
 */
int streams_error(const struct streams *streams, const char **ret_name);

/*
 * streams_free() - end all streams; NULL is fine
 *
 * Context: after loop_run() returned.
 * Return: true if all is freed; false if a thread is held up by hull's own input or output: it is
 * left to the process's end, and so must be what it uses, the loop included.
 */
bool streams_free(struct streams *streams);
