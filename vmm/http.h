// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 as the API speaks it: a strict parser of requests, a writer of responses.
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 *      socket --read--> buf [ request line | headers | blank line | body | next request ... ]
 *                           ^-- http_parse() ----------------------------^ used
 *
 * The caller gathers bytes in one buffer and calls http_parse() after each read. The parser keeps
 * how far it has looked, so that bytes which come one at a time are looked at once. The head is
 * taken apart when its blank line is there, and the body is waited for by its Content-Length; both
 * are bounded, so the buffer is, too. A request that was answered is dropped from the front of the
 * buffer, and what follows (pipelining) is parsed next.
 *
 * For some resources the user takes the body as it comes (vmm/http_body.h): such a request is done
 * with its head, and its body may be of any length, and chunked.
 *
 * Whatever a sender and a proxy could read in two ways is refused: bare line feeds, folded lines,
 * space before a colon, two lengths, a length with a sign, transfer codings anywhere else, both a
 * length and a coding.
 *
 * Spec: RFC 9110, RFC 9112
 */

struct err;

/* Request line and headers, with the blank line. Clients send a few hundred bytes. */
#define HTTP_HEAD_MAX 8192
#define HTTP_HEADERS_MAX 64

enum http_method {
	HTTP_GET,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_POST,
	HTTP_DELETE,
};

/* "GET" for HTTP_GET. */
const char *http_method_name(enum http_method method);

/*
 * struct http_request - one request, pointing into the buffer it was parsed from
 * @path:	begins with '/', ends in NUL; visible ASCII, nothing is decoded
 * @query:	what followed '?', ends in NUL; or NULL
 * @body:	@body_len bytes; meaningless if that is 0, or if it is streamed
 * @body_len:	of a streamed body that isn't chunked, what the head says
 * @streamed:	the body follows, and is not in the buffer, or not all of it
 * @chunked:	it comes in chunks
 * @expects_continue: and not before it is asked for
 * @http11:	the client understands HTTP/1.1
 * @keep_alive:	the client wants to send another one
 * @upgrade:	the client wants to leave HTTP for a stream of bytes, whose kind it may have named
 * @fd:		where there is a descriptor that came along with it (SCM_RIGHTS), or -1: who takes
 *it leaves -1; NULL if there can't be one
 *
 * All of it is untrusted.
 */
struct http_request {
	enum http_method method;
	char *path;
	char *query;
	const char *body;
	size_t body_len;
	bool keep_alive;
	bool upgrade;
	bool streamed;
	bool chunked;
	bool expects_continue;
	bool http11;
	int *fd;
};

/* http_streams_fn - does the user take the body of such requests as it comes? @path: untrusted */
typedef bool http_streams_fn(enum http_method method, const char *path);

enum http_parse {
	HTTP_PARSE_MORE = 0,
	HTTP_PARSE_DONE = 1,
	/* As HTTP_PARSE_MORE, and the client waits for "100 Continue" before it sends the body;
	 * given once a request. */
	HTTP_PARSE_CONTINUE = 2,
};

/*
 * struct http_parser - how far the request at the front of the buffer has come
 * @body_max:	set by the user: the largest body in bytes that isn't streamed
 * @streams:	set by the user: which bodies are streamed; or NULL
 *
 * Zero-initialise the rest. An offset stays valid when the buffer moves.
 */
struct http_parser {
	size_t body_max;
	http_streams_fn *streams;
	size_t scanned;
	size_t head_len; /* 0 until the head is complete */
	size_t path_at, query_at;
	enum http_method method;
	size_t body_len;
	bool has_length;
	bool has_query;
	bool keep_alive;
	bool expects_continue;
	bool connection_upgrade, has_upgrade;
	bool http11;
	bool chunked;
	bool streamed;
};

/*
 * http_parse() - look at the request at the front of a buffer
 * @data, @len:	all bytes so far, untrusted; the parser writes NULs behind path and query
 * @ret:	filled on HTTP_PARSE_DONE; valid until the buffer changes
 *
 * Return: enum http_parse; -EBADMSG, or -EMSGSIZE for a body above the limit, with @err set: then
 * where the next request begins is not known, and the connection must end.
 */
int http_parse(struct http_parser *parser, char *data, size_t len, struct http_request *ret,
	struct err *err);

/* http_parser_next() - forget the request. Return: its length, to be dropped from the buffer; of
 * one with a streamed body that of its head. */
size_t http_parser_next(struct http_parser *parser);

/*
 * struct http_response
 * @status:	101 (no body, bytes follow), 200, 204 (no body), 400 ...
 * @type:	of the body; NULL: application/json
 * @body:	@body_len bytes
 * @keep_alive:	false: the server closes after it
 * @stream:	with status 200: the body is all that follows until the server closes
 * @chunked:	of a stream: it comes in chunks
 * @deprecated:	tell so in a header
 */
struct http_response {
	unsigned int status;
	const char *type;
	const void *body;
	size_t body_len;
	bool keep_alive;
	bool stream;
	bool chunked;
	bool deprecated;
};

/* http_respond() - append a response. Return: 0, or as buf_add(). */
int http_respond(struct buf *out, const struct http_response *response);

/* http_continue() - append the interim response that asks for the body. Return: as buf_add(). */
int http_continue(struct buf *out);
