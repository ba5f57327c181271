// SPDX-License-Identifier: Apache-2.0
// The request to stop all processes of the container, or to let them go on.
#pragma once

#include "base/err.h"
#include "protocol/agent.h"

struct jobs;

/*
 * freeze_start() - begin what a FREEZE message asks for
 *
 * The RESULT goes out when the kernel says that it is done. A request that is still under way when
 * one for the opposite comes ends with ECANCELED: its state may never be reached.
 *
 * Return: 0, or -errno with nothing begun.
 */
int freeze_start(struct jobs *jobs, const struct agent_msg *msg, struct err *err);

/* freeze_lift() - let them go on if they are frozen, without a request. */
void freeze_lift(struct jobs *jobs);
