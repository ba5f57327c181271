// SPDX-License-Identifier: Apache-2.0
// The command's streams: one connection to the host each, relayed to pipes or to a pseudo-terminal.
#pragma once

#include "guest-init/platform.h"
#include "guest-init/relay.h"
#include "protocol/agent.h"

/*
 * Theory of operation
 *
 *      host port --> in  --> pipe --> command's 0          host port <--> in, out <--> master |
 * slave = 0, 1, 2 host port <-- out <-- pipe <-- command's 1 host port <-- err <-- pipe <--
 * command's 2
 *
 * The command doesn't get the sockets themselves: /dev/stdout can't be opened when it is a socket,
 * and programs expect a pipe's EPIPE and sizes. The pipes exist before the container is cloned; the
 * ports are dialed after that, so that the container doesn't inherit the connections and is set up
 * meanwhile.
 *
 *      streams_open() -> clone -> streams_connect() [-> streams_terminal()] -> streams_done() ->
 * streams_fini()
 */

/*
 * struct streams - embedded in its owner
 * @child:	the command's ends of the pipes, -1 = /dev/null
 * @own:	the other ends until a relay takes them
 * @tty_sock:	the terminal's connection until the master is known
 * @done:	called whenever an output has ended
 */
struct streams {
	struct loop *loop;
	int child[3];
	int own[3];
	int tty_sock;
	struct relay in, out, err;
	void (*done)(struct streams *streams);
};

/* streams_open() - make the pipes that @spec asks for. Return: 0, or -errno after streams_fini().
 */
int streams_open(struct streams *streams, struct loop *loop, const struct agent_spec *spec,
	void (*done)(struct streams *streams), struct err *err);

/* streams_connect() - close the command's ends, dial the host and start the relays. Return: 0 or
 * -errno. */
int streams_connect(struct streams *streams, const struct platform *platform,
	const struct agent_spec *spec, struct err *err);

/*
 * streams_terminal() - start the relays of a terminal
 * @master:	stays the caller's, who closes it when the host has gone (streams_done())
 *
 * Return: 0 or -errno.
 */
int streams_terminal(struct streams *streams, int master, struct err *err);

/* streams_done() - true when all output has been handed to the host, or there is nobody to take it.
 */
bool streams_done(const struct streams *streams);

/* streams_fini() - close everything; harmless on a zeroed one. */
void streams_fini(struct streams *streams);
