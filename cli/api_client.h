// SPDX-License-Identifier: Apache-2.0
// A client of hull-vmm's API: requests and answers over one connected socket.
#pragma once

#include "base/buf.h"
#include "base/loop.h"

#include <jansson.h>

struct api_client;

/*
 * Theory of operation
 *
 * Requests are sent when they are made, without waiting for the answers to those before: the
 * server answers in order. So the first ones may be made before there is a process at the other
 * end, which then finds them in its socket.
 *
 * hull-vmm is not believed more than it must be: an answer has a bounded head and body, and one
 * that isn't understood ends the connection.
 */

/* Bytes of an answer: what a container's state and timings need many times over. */
#define API_CLIENT_ANSWER_MAX (64u * 1024)
/* Requests without an answer: signals that come faster than hull-vmm takes them. */
#define API_CLIENT_PENDING_MAX 64

/*
 * api_client_fn - an answer came
 * @status:	200, 204, 400 ...
 * @body:	its JSON, or NULL if there is none; borrowed, untrusted
 *
 * Context: loop. The client may be closed in it by api_client_fini().
 */
typedef void api_client_fn(struct api_client *client, unsigned int status, const json_t *body);

/*
 * struct api_client - embedded in its owner
 * @ended:	called once when no answer will come any more
 * @pending:	whom the next answers are for, in order; entries may be NULL
 */
struct api_client {
	struct loop *loop;
	struct loop_source src;
	void (*ended)(struct api_client *client);
	struct buf in, out;
	api_client_fn *pending[API_CLIENT_PENDING_MAX];
	unsigned int first, count;
};

/*
 * api_client_init() - talk over a socket
 * @fd:		connected, taken over on success
 *
 * Return: 0 or -errno.
 */
int api_client_init(struct api_client *client, struct loop *loop, int fd,
	void (*ended)(struct api_client *client));

/* api_client_fini() - close it. Harmless when zeroed. */
void api_client_fini(struct api_client *client);

/*
 * api_client_send() - make a request
 * @method, @path:	"POST", "/container/start"
 * @body:		JSON, or NULL
 * @answered:		or NULL
 *
 * Return: 0; -ENOTCONN; -EBUSY when too many have no answer; -EMSGSIZE, -ENOMEM.
 */
int api_client_send(struct api_client *client, const char *method, const char *path,
	const char *body, api_client_fn *answered);

/* api_client_read() - handle what has come already. Context: loop. */
void api_client_read(struct api_client *client);

/*
 * api_client_upgrade() - ask over a socket of its own for a stream
 * @fd:		connected, nothing sent yet
 *
 * Return: 0 or -errno.
 */
int api_client_upgrade(int fd, const char *path);

/*
 * api_client_upgraded() - has it become one? What follows in @fd is the stream.
 *
 * Context: the server has answered. Return: 0; -EPROTO; or -errno.
 */
int api_client_upgraded(int fd);
