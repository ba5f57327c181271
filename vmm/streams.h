// SPDX-License-Identifier: Apache-2.0
// A command's standard streams: between the guest's connections, the log, and attached clients.
#pragma once

#include "base/buf.h"
#include "base/loop.h"
#include "vmm/stream_log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 *      guest's connection 1, 2 --+--> log
 *                                +--> client, client ...
 *      guest's connection 0 <------- clients that send input
 *
 * Output is read when every client that wants it has taken what came before, so that a slow client
 * slows the command, and nothing grows. A client that goes away is forgotten. When the last one
 * goes and no log is kept, the guest's connection is closed, and the command gets EPIPE, as at the
 * end of a pipe. Output that nobody ever attached to, and that isn't logged, is thrown away.
 *
 * Input waits in one buffer for the guest to take it, and clients are not read meanwhile. The end
 * of a client's input is the end of the command's, if that was asked for.
 *
 * A terminal has one connection, for output and input.
 */

enum stream {
	STREAM_IN,
	STREAM_OUT, /* of a terminal: both ways */
	STREAM_ERR,
	STREAMS_COUNT,
};

/* A set of streams. */
#define STREAM_BIT(stream) (1u << (stream))

/* Clients of one command, logs being followed included. */
#define STREAMS_CLIENTS_MAX 16

struct streams;
struct streams_client;

/*
 * struct streams_conn - the guest's end of a stream
 * @ended:	the guest sent or took all it will
 * @attached:	a client wanted it
 */
struct streams_conn {
	struct loop_source src;
	struct streams *streams;
	int fd; /* -1: not there */
	bool ended;
	bool attached;
};

/*
 * struct streams - embedded in its owner
 * @in:		input on its way to the guest
 * @in_ended:	no more will come
 * @in_once:	the first client's end of input ends it
 * @over:	the command has ended
 */
struct streams {
	struct loop *loop;
	bool terminal;
	struct streams_conn conns[STREAMS_COUNT];
	struct buf in;
	bool in_ended, in_once;
	bool over;
	struct streams_client *clients;
	unsigned int client_count;
	struct stream_log log;
};

/*
 * struct streams_config - what a command's streams are like
 * @input:	clients may send input; else the command reads an end of file
 * @in_once:	as in struct streams
 * @log_size:	bytes of output kept, 0 for none
 */
struct streams_config {
	bool terminal;
	bool input;
	bool in_once;
	uint32_t log_size;
};

void streams_init(struct streams *streams, struct loop *loop, const struct streams_config *config);

/* streams_fini() - close all. Harmless when zeroed. */
void streams_fini(struct streams *streams);

/*
 * streams_connect() - the guest has dialed for a stream
 * @fd:		non-blocking stream socket, taken over on success; -1: only ask
 *
 * Return: 0, -EALREADY if the stream has had its connection, -ECONNREFUSED if there is no such
 * stream, or -errno.
 */
int streams_connect(struct streams *streams, enum stream stream, int fd);

/*
 * struct streams_attach - what a client wants
 * @streams:	STREAM_BIT()s
 * @framed:	output comes in frames; else as it is, and then of one stream only, or a terminal's
 * @history:	first what the log has, or NULL
 * @follow:	then what comes; else this is all
 */
struct streams_attach {
	unsigned int streams;
	bool framed;
	const struct stream_log_query *history;
	bool follow;
};

/*
 * streams_attach() - prepare for a client, whose connection streams_client_start() will bring
 *
 * Return: the client, NULL without memory or room for it.
 */
struct streams_client *streams_attach(struct streams *streams, const struct streams_attach *attach);

/*
 * streams_client_start() - an api_stream_fn; @ctx is a client
 *
 * Until then, output that it wants waits.
 */
void streams_client_start(void *ctx, int fd, const void *early, size_t early_len);

/* streams_over() - the command has ended; clients who only send input are let go. */
void streams_over(struct streams *streams);
