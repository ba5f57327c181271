// SPDX-License-Identifier: Apache-2.0
// The request to send files of the container, or to unpack some in it.
#pragma once

#include "base/err.h"
#include "protocol/agent.h"

struct jobs;

/*
 * archive_start() - begin what an ARCHIVE message asks for
 *
 * A process of its own does it, in the container's mount namespace but neither among its processes
 * nor in its control group: it goes on while the container is frozen, and nothing in the container
 * can see it. It dials the stream itself. How it ended is told in a RESULT.
 *
 * Return: 0, or -errno with nothing begun.
 */
int archive_start(struct jobs *jobs, const struct agent_msg *msg, struct err *err);
