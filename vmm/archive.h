// SPDX-License-Identifier: Apache-2.0
// Files in and out of the container, as a tar archive between the guest and a client of the API.
#pragma once

#include "base/loop.h"
#include "vmm/http_body.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct agent_result;
struct archives;
struct err;

/*
 * Theory of operation
 *
 *                 ARCHIVE is sent
 *                    |
 *                  DIAL ---the guest dials---> BEGIN ---its first bytes---> COPY   (out)
 *                    |                           |                            |
 *                    +------------------------> COPY   (in)     the end of it |
 *                    |                           |                            v
 *                    |                           +-------------------------> END
 *                    |     RESULT tells of a failure,                         |
 *                    +---- or something else went wrong ----+                 | RESULT
 *                                                           v                 v
 *                                                        CLOSING --------> freed
 *
 * Out: the request is parked until the first bytes are there, so that what the guest can't read is
 * told as a status. Then the response's head leaves, and the connection is ours. The body is in
 * chunks, so that a client sees whether it has got all: the last one is sent only after RESULT.
 *
 * In: the connection is ours from the end of the request's head on. Its body is taken apart and
 * handed on, the guest's connection half-closed at its end, and the response follows RESULT.
 * CLOSING is what a client gets whose body isn't wanted any more: the response, and time to notice
 * it.
 *
 * One buffer goes between the two, and is filled only when it has been emptied, so whoever is slow
 * slows the other one. Guest and client are each waited for only so long. When either leaves, the
 * other is closed.
 */

/* Read in one turn of the loop: as much as one of the guest's packets brings. */
#define ARCHIVE_CHUNK (64u * 1024)
/* Before and after it: a chunk's size, and its end. */
#define ARCHIVE_CHUNK_HEAD 8
#define ARCHIVE_CHUNK_END 2

enum archive_state {
	ARCHIVE_DIAL,
	ARCHIVE_BEGIN,
	ARCHIVE_COPY,
	ARCHIVE_END,
	ARCHIVE_CLOSING,
};

/*
 * struct archive - one
 * @in:		into the container
 * @chunked:	out: the client takes the body in chunks
 * @succeeded:	RESULT has come
 * @ticket:	out: of the request while it is parked, else 0
 * @guest, @client: the two connections; their descriptors are owned, -1: not there
 * @body:	in: how far it is
 * @expects_continue: in: the client waits to be asked for the body
 * @piece, @piece_len: what the receiving side hasn't taken; within @data
 * @deadline_ms: monotonic
 * @timer_ms:	when the timer fires
 */
struct archive {
	struct archives *archives;
	enum archive_state state;
	uint16_t id;
	bool in;
	bool chunked;
	bool succeeded;
	bool expects_continue;
	uint64_t ticket;
	struct loop_source guest, client;
	struct loop_timer timer;
	struct http_body body;
	const uint8_t *piece;
	size_t piece_len;
	uint64_t deadline_ms, timer_ms;
	uint8_t data[ARCHIVE_CHUNK_HEAD + ARCHIVE_CHUNK + ARCHIVE_CHUNK_END];
};

/*
 * archive_new() - begin one; the caller sends ARCHIVE with the same id, and says what it is
 *
 * Return: it, or NULL with @err set.
 */
struct archive *archive_new(struct archives *archives, uint16_t id, struct err *err);

/* archive_free() - close and forget it. */
void archive_free(struct archive *archive);

/* archive_client() - an api_stream_fn; @ctx is an archive, whose client's connection this is. */
void archive_client(void *ctx, int fd, const void *early, size_t early_len);

/* archive_connect() - the guest has dialed. @fd, Return: as for archives_connect(). */
int archive_connect(struct archive *archive, int fd);

/* archive_result() - RESULT has come. Return: false if it makes no sense now. */
bool archive_result(struct archive *archive, const struct agent_result *result);

/*
 * archive_fail() - it ends here, and the client is told if that is possible
 * @status:	of the response
 * @why:	may be the guest's, untrusted
 */
void archive_fail(struct archive *archive, unsigned int status, const char *why);
