// SPDX-License-Identifier: Apache-2.0
// A further command in the running container.
#pragma once

#include "base/err.h"
#include "protocol/agent.h"

struct jobs;

/*
 * Theory of operation
 *
 *      hull-init --clone3--> process in the container's pid namespace and control group
 *          ^                   |  joins its other namespaces, which gives it the container's root
 *          +-- struct report --+  looks up the user, opens a terminal there, executes the command
 *
 * hull-init is the command's parent, though outside its pid namespace, and so sees it end itself.
 * The end of the channel without a REPORT_FAILED means that the command was executed; or that the
 * process was killed before, by something in the container, which then looks like a command that
 * was.
 *
 * The new process can be seen in the container before it has become the command. hull-init isn't
 * dumpable, so neither is what it clones: nothing without CAP_SYS_PTRACE can look into it or at its
 * descriptors.
 *
 * EXITED follows when the command has ended and nobody holds its outputs any more. When the
 * container's pid 1 ends, the kernel kills them all.
 */

/*
 * exec_start() - begin what an EXEC message asks for
 *
 * Whatever fails later is told to the host from here.
 *
 * Return: 0, or -errno with nothing begun.
 */
int exec_start(struct jobs *jobs, const struct agent_msg *msg, struct err *err);
