// SPDX-License-Identifier: Apache-2.0
// Further commands and requests under way in the container, by their ids.
#pragma once

#include "base/err.h"
#include "base/loop.h"
#include "protocol/agent.h"

#include <stdbool.h>
#include <stdint.h>

struct child;
struct jobs;
struct platform;
struct process;

/*
 * struct job - one id in use; the first member of what works on it
 * @process:	of a further command; NULL for a request
 * @free:	end the work at once, wait until that is done, and free it
 */
struct job {
	struct job *next;
	struct jobs *jobs;
	uint16_t id;
	struct process *process;
	void (*free)(struct job *job);
};

/*
 * struct jobs - all of them
 * @container, @spec:	the container they work on, and what it was made of
 * @cgroup_fd:	its group's directory, or negative
 * @frozen:	what the last FREEZE asked for
 * @send:	to the host
 * @seen:	one bit an id: was it ever in use? A late signal for it is then no fault
 */
struct jobs {
	struct loop *loop;
	const struct platform *platform;
	const struct child *container;
	const struct agent_spec *spec;
	int cgroup_fd;
	bool frozen;
	void (*send)(struct jobs *jobs, const struct agent_msg *msg);
	struct job *first;
	unsigned int count;
	uint8_t seen[(UINT16_MAX + 1) / 8];
};

/*
 * jobs_handle() - do what a message with an id other than 0 says
 *
 * Return: false if the host must not have sent it: an id that is in use already, or was never
 * given.
 */
bool jobs_handle(struct jobs *jobs, const struct agent_msg *msg);

/* jobs_add() - enter @job, all of whose other members are set, under @id. */
void jobs_add(struct jobs *jobs, struct job *job, uint16_t id);

/* jobs_finish() - free @job and tell the host @msg, its last one. */
void jobs_finish(struct job *job, const struct agent_msg *msg);

/* jobs_end() - end all of them without a word, and wait until their processes are gone. */
void jobs_end(struct jobs *jobs);
