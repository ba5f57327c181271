// SPDX-License-Identifier: Apache-2.0
// The API's server: HTTP on a UNIX socket, inside the monitor's loop.
#pragma once

#include "base/listener.h"
#include "base/loop.h"
#include "vmm/api_connection.h"
#include "vmm/http.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 *     listener --accept--> connections, each with one request under way --> ops->handle()
 *
 * Deadlines of all of them share one timer. What one of them does is told in api_connection.h.
 */

struct err;

/* Firecracker's number; the next client is told so and closed. */
#define API_CONNECTIONS_MAX 10
/* The largest response: all of the configuration, or the metrics, with much room. */
#define API_RESPONSE_MAX (1 << 20)
/* From a request's first byte to its last; and for a response to be taken. */
#define API_REQUEST_MS 10000
/* Between requests. */
#define API_IDLE_MS 300000

struct api;

/*
 * api_stream_fn - a connection leaves HTTP
 * @fd:		now the function's, non-blocking; or -1: the client has gone meanwhile
 * @early:	@early_len bytes that the client has sent already; borrowed, untrusted
 *
 * The response's head has been sent. Context: loop.
 */
typedef void api_stream_fn(void *ctx, int fd, const void *early, size_t early_len);

/*
 * struct api_reply - what a handler answers
 * @status:	200 if there is a body, 204 if not, unless the handler says otherwise
 * @type:	of the body, a literal; NULL: application/json
 * @body:	zeroed but for its maximum before the handler is called
 * @stream:	not NULL: the head is sent, without a body, and this function gets the connection;
 *		it is called once in any case. With status 101 as a stream both ways, with 200 for
 *		a body of any length, or a client that didn't ask to upgrade; with status 0 nothing
 *		is sent: the function reads the body, which was to be streamed, and answers
 * @chunked:	of the response that is a stream: the function sends it in chunks
 * @stream_ctx:	for @stream
 */
struct api_reply {
	unsigned int status;
	const char *type;
	struct buf body;
	bool deprecated;
	api_stream_fn *stream;
	void *stream_ctx;
	bool chunked;
};

/* The answer comes later, by api_answer() for the ticket of this request. */
#define API_PARKED 1

/*
 * api_fn - handle one request
 * @ctx:	as given to api_init()
 * @ticket:	names the request while it is parked; never 0
 *
 * Return: 0 with @reply filled, or API_PARKED. Context: loop.
 */
typedef int api_fn(
	void *ctx, const struct http_request *request, uint64_t ticket, struct api_reply *reply);

/*
 * struct api_ops - what the owner does. Context: loop.
 * @handle:	handle one request
 * @streams:	which requests' bodies are streamed; or NULL. Their handlers see only the head, and
 *		either take the connection with @stream, or answer at once, which ends it
 * @gone:	the client of a parked request has left; its ticket means nothing any more. Or NULL
 */
struct api_ops {
	api_fn *handle;
	http_streams_fn *streams;
	void (*gone)(void *ctx, uint64_t ticket);
};

/* api_owner_fn - the client that api_adopt() was told is the owner is gone. Context: loop. */
typedef void api_owner_fn(void *ctx);

/*
 * struct api
 * @owner_gone:	or NULL
 * @path:	NULL unless there is a socket to be removed; not owned
 * @id:	of the socket made; another one in its place is left alone
 * @request_ms, @idle_ms: deadlines; a test may shorten them
 */
struct api {
	struct loop *loop;
	const struct api_ops *ops;
	void *ctx;
	api_owner_fn *owner_gone;
	const char *path;
	struct listener_id id;
	size_t body_max;
	uint64_t request_ms, idle_ms;
	uint64_t next_ticket;
	struct loop_source listener;
	struct loop_timer timer;
	uint64_t timer_ms; /* when it fires, UINT64_MAX: not at all */
	bool resting;      /* not accepting, for want of descriptors */
	struct api_connection connections[API_CONNECTIONS_MAX];
};

/*
 * api_init() - make the socket and serve it
 * @api:	zeroed; stays in place
 * @path:	of the socket, which must not exist; kept by pointer; NULL: there are only clients
 *		given to api_adopt()
 * @body_max:	bytes
 * @ops, @ctx:	who handles requests
 *
 * Return: 0 or -errno with @err set; api_fini() is due either way.
 */
int api_init(struct api *api, struct loop *loop, const char *path, size_t body_max,
	const struct api_ops *ops, void *ctx, struct err *err);

/*
 * api_adopt() - serve a client who is connected already
 * @fd:		stream socket, taken over on success
 * @owner_gone:	called when this client ends; or NULL
 *
 * Return: 0, -ENOSPC beyond API_CONNECTIONS_MAX, or -errno.
 */
int api_adopt(struct api *api, int fd, api_owner_fn *owner_gone);

/* api_fini() - close all connections, remove the socket. Harmless when zeroed. */
void api_fini(struct api *api);

/*
 * api_answer() - answer a parked request
 * @ticket:	if its client is gone, nothing happens
 * @reply:	its body is taken over and freed
 */
void api_answer(struct api *api, uint64_t ticket, struct api_reply *reply);

/* api_wake_at() - see to deadlines by then, or earlier. @ms: monotonic. Context: loop. */
void api_wake_at(struct api *api, uint64_t ms);
