// SPDX-License-Identifier: Apache-2.0
// The body of a request that is taken as it comes: framed by its length, or in chunks.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct http_request;

/*
 * Theory of operation
 *
 *      Content-Length: 5        h e l l o
 *
 *      Transfer-Encoding:       5 CR LF h e l l o CR LF  3;ext CR LF ... 0 CR LF [ trailer ] CR LF
 *      chunked                  ^size                    ^size           ^last chunk
 *
 * The bytes come in any pieces; nothing is stored but where in the framing they are. What a
 * recipient must be able to read and may pass over, extensions of a chunk and trailer fields, is
 * passed over, and all of it together is bounded. A line ends in CR LF and nothing else.
 *
 * Spec: RFC 9112 6 and 7.1
 */

/* Extensions and trailer fields of one body: nobody sends any. */
#define HTTP_BODY_EXTRA_MAX 8192
/* Hexadecimal digits of a chunk's size, leading zeros included. */
#define HTTP_BODY_DIGITS_MAX 16

enum http_body_state {
	HTTP_BODY_LENGTH,    /* @left bytes are to come, and that is all */
	HTTP_BODY_SIZE,      /* a chunk's size, of which @digits have come */
	HTTP_BODY_SPACE,     /* space before an extension */
	HTTP_BODY_EXTENSION, /* within one */
	HTTP_BODY_SIZE_LF,   /* the line's LF is due */
	HTTP_BODY_CHUNK,     /* @left bytes of the chunk are to come */
	HTTP_BODY_CHUNK_CR,  /* and what follows them */
	HTTP_BODY_CHUNK_LF,
	HTTP_BODY_TRAILER, /* the first byte of a line behind the last chunk */
	HTTP_BODY_FIELD,   /* within one that isn't blank */
	HTTP_BODY_FIELD_LF,
	HTTP_BODY_LAST_LF,
	HTTP_BODY_DONE,
};

/* struct http_body - @extra: bytes of extensions and trailer fields so far */
struct http_body {
	enum http_body_state state;
	uint64_t left;
	unsigned int digits;
	unsigned int extra;
};

/*
 * struct http_piece
 * @used:	bytes of what was given that are done with
 * @data:	@len bytes of the body, within them
 */
struct http_piece {
	size_t used;
	const uint8_t *data;
	size_t len;
};

/* http_body_init() - as a streamed request's head says. */
void http_body_init(struct http_body *body, const struct http_request *request);

static inline bool http_body_is_done(const struct http_body *body)
{
	return body->state == HTTP_BODY_DONE;
}

/*
 * http_body_next() - take the next piece of the body
 * @data, @len:	what has come and isn't used, untrusted
 * @ret:	at most one piece; a @len of 0: all of @data is used, or the body is done. What is
 *		behind the body isn't used
 *
 * Return: 0; -EBADMSG with @err set: then nothing that follows makes sense.
 */
int http_body_next(struct http_body *body, const uint8_t *data, size_t len, struct http_piece *ret,
	struct err *err);
