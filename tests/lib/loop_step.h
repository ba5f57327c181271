// SPDX-License-Identifier: Apache-2.0
// Let a loop handle what is ready now, from the thread of the test.
#pragma once

#include "base/cleanup.h"
#include "base/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Rounds in which something may follow from something. */
#define LOOP_STEP_ROUNDS 4

struct loop_step {
	struct loop_source src;
	struct loop *loop;
	int rounds;
};

static inline void loop_step_on_ready(struct loop_source *src, uint32_t events)
{
	struct loop_step *step = container_of(src, struct loop_step, src);

	if (!--step->rounds)
		loop_quit(step->loop);
}

/* An always ready source is called once a round, with all others that are ready. */
static inline void loop_step(struct loop *loop)
{
	struct loop_step step = {.loop = loop, .rounds = LOOP_STEP_ROUNDS};
	int fd = eventfd(1, EFD_CLOEXEC);

	loop_add(loop, &step.src, fd, EPOLLIN, loop_step_on_ready);
	loop_run(loop);
	loop_del(loop, &step.src);
	close(fd);
	/* It may run again. */
	loop->quit = false;
	loop->closed = false;
}
