// SPDX-License-Identifier: Apache-2.0
// The last output of a command, kept in memory.
#pragma once

#include "base/buf.h"
#include "base/ring.h"

#include <stdbool.h>
#include <stdint.h>

/* Sizes in bytes, rounded up to a power of two; 0: nothing is kept. */
#define STREAM_LOG_DEFAULT (64u * 1024)
#define STREAM_LOG_MAX (16u * 1024 * 1024)

/* In front of each piece of output in a multiplexed stream: the stream's number, three zeros, the
 * length in 32 bits, big-endian. As Docker does it. */
#define STREAM_FRAME 8

/*
 * struct stream_log - zeroed: keeps nothing
 * @ring:	pieces of output, each behind its stream, length and time; the oldest give way. The
 *		memory is taken with the first one
 * @size:	bytes
 */
struct stream_log {
	struct ring ring;
	uint32_t size;
};

/*
 * struct stream_log_query - which part of the log
 * @streams:	bit N: stream N
 * @since_ns:	written at or after this time, ns since 1970
 * @tail:	the last so many lines; UINT64_MAX: all
 * @timestamps:	begin each line with its time, RFC 3339 in UTC
 * @framed:	in frames
 */
struct stream_log_query {
	unsigned int streams;
	uint64_t since_ns;
	uint64_t tail;
	bool timestamps;
	bool framed;
};

void stream_log_init(struct stream_log *log, uint32_t size);
void stream_log_fini(struct stream_log *log);

/* stream_log_add() - keep a piece of output; without memory nothing is kept. */
void stream_log_add(struct stream_log *log, unsigned int stream, const void *data, uint32_t len);

/* stream_log_read() - append a part of the log to @out. Return: 0, or as buf_add(). */
int stream_log_read(
	const struct stream_log *log, const struct stream_log_query *query, struct buf *out);

/* stream_frame() - write the frame's head for @len bytes of @stream */
void stream_frame(uint8_t head[STREAM_FRAME], unsigned int stream, uint32_t len);
