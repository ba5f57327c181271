// SPDX-License-Identifier: Apache-2.0
// passt, which gives a guest the host's network without privileges.
#pragma once

#include <sys/types.h>

struct err;
struct network;

/*
 * struct passt - the process, a child of hull's
 * @pid:	0 while there is none
 * @vm_fd:	the monitor's end of the socket between the two, owned; -1 for none
 *
 * passt ends by itself when the monitor's end is closed, whoever dies first.
 */
struct passt {
	pid_t pid;
	int vm_fd;
};

#define PASST_INIT ((struct passt){.vm_fd = -1})

/*
 * passt_start() - start passt for @network, of NETWORK_PASST and checked
 * @cgroup_fd:	control group for the process, borrowed; -1 for hull's
 *
 * What passt itself has to complain about goes to standard error.
 *
 * Return: 0 or -errno with a message; passt_stop() is due in any case.
 */
int passt_start(struct passt *passt, const struct network *network, int cgroup_fd, struct err *err);

/* passt_handed_over() - the monitor has its end now: close ours. */
void passt_handed_over(struct passt *passt);

/*
 * passt_check() - does it still run? It has said why if not.
 *
 * Return: 0, also if none was started; -EIO with a message.
 */
int passt_check(struct passt *passt, struct err *err);

/* passt_stop() - end it, wait for it, close. Harmless when none was started. */
void passt_stop(struct passt *passt);
