// SPDX-License-Identifier: Apache-2.0
// The host's end of the agent's control connection.
#pragma once

#include "base/buf.h"
#include "base/loop.h"
#include "protocol/agent.h"

#include <stdbool.h>
#include <stdint.h>

struct agent_host;

/*
 * Theory of operation
 *
 *   IDLE --connect--> HELLO --HELLO--> START --STARTED--> RUNNING --EXITED--> ENDED
 *                                        |                   |                  ^
 *                                        +----- FAILED ------+------------------+
 *
 * In HELLO the guest's HELLO is awaited, which is answered by START. Each message is legal in the
 * one state that the arrows show; any other, an unreadable frame, or an end of the connection
 * before ENDED closes the connection, and the owner is told once. What is to be sent waits in a
 * bounded buffer: a guest that doesn't read costs itself signals, not hull its memory.
 */

enum agent_host_state {
	AGENT_HOST_IDLE,
	AGENT_HOST_HELLO,
	AGENT_HOST_START,
	AGENT_HOST_RUNNING,
	AGENT_HOST_ENDED,
	AGENT_HOST_BROKEN,
};

/*
 * struct agent_host_ops - what the owner wants to know. Context: the loop.
 * @hello:	the guest is up; return the spec to start, borrowed until the call returns
 * @started:	the command runs
 * @ended:	EXITED or FAILED came, as @msg->type tells
 * @broken:	the guest broke the protocol, @why in one line; or, with NULL, the connection
 *		ended, as it does when the VM does
 *
 * The owner must not free the agent_host in a callback.
 */
struct agent_host_ops {
	const struct agent_spec *(*hello)(
		struct agent_host *agent, const struct agent_hello *hello);
	void (*started)(struct agent_host *agent, const struct agent_started *started);
	void (*ended)(struct agent_host *agent, const struct agent_msg *msg);
	void (*broken)(struct agent_host *agent, const char *why);
};

struct agent_host {
	struct loop *loop;
	const struct agent_host_ops *ops;
	enum agent_host_state state;
	struct loop_source src;
	struct agent_reader reader;
	struct buf out;
};

/* agent_host_init() - no connection yet. */
void agent_host_init(struct agent_host *agent, struct loop *loop, const struct agent_host_ops *ops);
void agent_host_fini(struct agent_host *agent);

/*
 * agent_host_connect() - the guest dialed AGENT_PORT
 * @fd:		taken over in any case; a second connection is closed, and refused with -EALREADY
 *
 * Return: 0 or -errno.
 */
int agent_host_connect(struct agent_host *agent, int fd);

/* agent_host_signal() - pass a signal on. Return: 0, -ENOTCONN if no command runs, -EMSGSIZE. */
int agent_host_signal(struct agent_host *agent, int signo, bool to_group);
/* agent_host_resize() - tell the terminal's new size. Return: as agent_host_signal(). */
int agent_host_resize(struct agent_host *agent, uint16_t rows, uint16_t cols);
/* agent_host_shutdown() - ask the guest to power off. Return: 0, or -ENOTCONN. */
int agent_host_shutdown(struct agent_host *agent);
