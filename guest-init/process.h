// SPDX-License-Identifier: Apache-2.0
// What PID 1 keeps of a command in the container, the first one or a further one.
#pragma once

#include "guest-init/streams.h"
#include "protocol/agent.h"

/*
 * struct process - embedded in its owner
 * @id:		on the wire; 0 for the container's own command
 * @spec:	owned
 * @pidfd:	of the command, once it has been executed; -1 before, and when it never was
 * @master:	of its terminal, or -1
 * @drained:	called whenever one of its outputs has ended
 *
 *	process_init() -> agent_spec_decode() -> process_open() -> clone ->
 *	streams_connect() -> process_fini()
 */
struct process {
	uint16_t id;
	struct agent_spec spec;
	struct streams streams;
	int pidfd, master;
	void (*drained)(struct process *process);
};

void process_init(struct process *process, uint16_t id, void (*drained)(struct process *process));

/* process_open() - make the streams' pipes. Return: 0 or -errno. */
int process_open(struct process *process, struct loop *loop, struct err *err);

/* process_terminal() - its terminal's @master, owned from now on, came. Return: 0 or -errno. */
int process_terminal(struct process *process, int master, struct err *err);

/* process_signal() - send a signal. A command that isn't there needs none: no errors. */
void process_signal(const struct process *process, const struct agent_signal *sig);

/* process_resize() - set the terminal's size, if there is one. */
void process_resize(const struct process *process, const struct agent_resize *resize);

/* process_started(), process_failed() - the messages that tell of it. */
struct agent_msg process_started(const struct process *process, uint32_t pid);
struct agent_msg process_failed(const struct process *process, uint32_t code, const char *message);

/* process_fini() - close everything; the command itself is left alone. */
void process_fini(struct process *process);
