// SPDX-License-Identifier: Apache-2.0
// The guest's end of the agent protocol, and of the streams of its container, in the test's hands.
#pragma once

#include "protocol/agent.h"

#include <stdint.h>

struct loop;
struct stream_backend;

/*
 * struct fake_agent - one guest
 * @loop:	the host's; it goes on whenever the guest has said something
 * @backend:	how the guest reaches the host; owned
 * @fd:		connected to AGENT_PORT
 *
 * All functions abort the test on failure.
 */
struct fake_agent {
	struct loop *loop;
	struct stream_backend *backend;
	struct agent_reader reader;
	int fd;
};

/* fake_agent_init() - dial AGENT_PORT. @backend: taken over */
void fake_agent_init(struct fake_agent *agent, struct loop *loop, struct stream_backend *backend);
void fake_agent_fini(struct fake_agent *agent);

/* fake_agent_dial() - connect to a port of the host. Return: descriptor, or what it failed with. */
int fake_agent_dial(struct fake_agent *agent, uint32_t port);

/* fake_agent_say() - send a message and let the host handle it. */
void fake_agent_say(struct fake_agent *agent, struct agent_msg msg);

/* fake_agent_hear() - the host's next message, which must have come; it borrows from @agent. */
struct agent_msg fake_agent_hear(struct fake_agent *agent);

/* fake_agent_expect_silence() - the host has said nothing more. */
void fake_agent_expect_silence(struct fake_agent *agent);
