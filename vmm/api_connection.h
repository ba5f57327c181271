// SPDX-License-Identifier: Apache-2.0
// A connection of the API's: requests in, responses out.
#pragma once

#include "base/buf.h"
#include "base/loop.h"
#include "vmm/http.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 *     accept --> READING --request--> handler --response--> WRITING --all sent--> READING ...
 *                   |                    |                      |
 *                   |                    +--parked--> api_answer() sends the response
 *                   +-- end of file, an error, too slow --> closed
 *
 * A connection has one request under way. While its response has not left, nothing more is read
 * from it, so that a client which never reads holds one response and one buffer, and no more. Each
 * turn of the loop reads and serves a bounded piece of one connection.
 *
 * A descriptor that comes along (SCM_RIGHTS) is of the request that is answered next; one that its
 * handler leaves is closed then.
 */

struct api;
struct api_reply;

/*
 * struct api_connection - one client
 * @ticket:	of the request under way
 * @deadline_ms: monotonic; UINT64_MAX for none
 * @passed:	a descriptor that came along with what is in @in; or -1
 */
struct api_connection {
	struct loop_source src;
	struct api *api;
	struct http_parser parser;
	struct buf in;
	struct buf out;
	uint64_t ticket;
	uint64_t deadline_ms;
	int passed;
	bool used;
	bool parked;
	bool inherited;  /* not accepted: it may idle */
	bool owner;      /* its end is the owner's */
	bool keep_alive; /* of the request under way */
	bool in_request; /* a part of a request has come */
	bool blocked;    /* a part of the response hasn't left */
	bool ended;      /* the client has sent all */
	bool closing;    /* close when the response has left */
	bool body_due;   /* of the request under way: it was to be streamed, and nobody took it */
	bool draining;   /* closed, but for what the client still sends */
};

/*
 * api_connection_open() - serve a client
 * @conn:	one that isn't used; stays in place
 * @fd:		stream socket, non-blocking; taken over on success
 * @inherited:	it was not accepted
 *
 * Return: 0 or -errno. Context: loop.
 */
int api_connection_open(struct api_connection *conn, struct api *api, int fd, bool inherited);

/* api_connection_close() - it was used, and isn't any more; who waits for it is told. */
void api_connection_close(struct api_connection *conn);

/* api_connection_answer() - send a parked one its response. @reply: stays the caller's. */
void api_connection_answer(struct api_connection *conn, struct api_reply *reply);
