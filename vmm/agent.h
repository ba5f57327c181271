// SPDX-License-Identifier: Apache-2.0
// The host's end of the agent's control connection.
#pragma once

#include "base/buf.h"
#include "base/loop.h"
#include "protocol/agent.h"

#include <stdbool.h>

struct agent;

/*
 * Theory of operation
 *
 *     IDLE --agent_connect()--> HELLO --HELLO--> READY --> BROKEN
 *
 * In READY messages are handed over as they come, and it is the owner who knows which make sense.
 * One that makes none, an unreadable frame, or the end of the connection closes it for good. What
 * is to be sent waits in a bounded buffer: a guest that doesn't read costs the sender a request,
 * and the monitor no memory.
 */
enum agent_state {
	AGENT_IDLE,
	AGENT_HELLO_DUE,
	AGENT_READY,
	AGENT_BROKEN,
};

/*
 * struct agent_ops - what the owner wants to know. Context: loop.
 * @hello:	the guest is up
 * @message:	of the guest's other messages one came, untrusted; false: it makes no sense now
 * @broken:	the guest broke the protocol, @why in a few words; or its connection ended
 *
 * The owner must not free the agent in a callback.
 */
struct agent_ops {
	void (*hello)(struct agent *agent, const struct agent_hello *hello);
	bool (*message)(struct agent *agent, const struct agent_msg *msg);
	void (*broken)(struct agent *agent, const char *why);
};

struct agent {
	struct loop *loop;
	const struct agent_ops *ops;
	enum agent_state state;
	struct loop_source src;
	struct agent_reader reader;
	struct buf out;
};

/* agent_init() - no connection yet. */
void agent_init(struct agent *agent, struct loop *loop, const struct agent_ops *ops);

/* agent_fini() - close it. Harmless when zeroed. */
void agent_fini(struct agent *agent);

/*
 * agent_connect() - the guest dialed AGENT_PORT
 * @fd:		non-blocking, taken over on success
 *
 * Return: 0, -EALREADY for a second connection, or -errno.
 */
int agent_connect(struct agent *agent, int fd);

/*
 * agent_send(), agent_send_spec() - send a message
 * @id:		0: START, else EXEC
 *
 * Return: 0; -ENOTCONN unless READY; -EMSGSIZE if too much waits to be sent; -EINVAL.
 */
int agent_send(struct agent *agent, const struct agent_msg *msg);
int agent_send_spec(struct agent *agent, uint16_t id, const struct agent_spec *spec);
