// SPDX-License-Identifier: Apache-2.0
// From a process of root's to the program in its jail.
#pragma once

#include "jailer/cgroups.h"
#include "jailer/options.h"
#include "jailer/tree.h"

/* What is written to the pipe between hull-jailer and the program's process. */
#define JAIL_READY 'r'
/* A struct err follows. */
#define JAIL_FAILED 'f'

/*
 * struct jail - all that the program's process needs, open
 * @netns_fd, @null_fd:	--netns's and /dev/null's descriptor, or -1
 * @ready_fd:		JAIL_READY is written there before the program is executed; or -1
 * @start_us:		monotonic time at which hull-jailer was started
 * @cpu_us:		CPU time of hull-jailer's processes that have ended or are above this one
 */
struct jail {
	struct options options;
	struct tree tree;
	struct cgroups cgroups;
	int netns_fd;
	int null_fd;
	int ready_fd;
	uint64_t start_us;
	uint64_t cpu_us;
};

/*
 * jail_enter() - become the program
 *
 * Context: the process that is to run it.
 * Return: only on failure, -errno with @err set; the process is root again, in the cgroups that it
 * was in before, and descriptors are as they were.
 */
int jail_enter(struct jail *jail, struct err *err);

/* jail_cpu_us() - CPU time of this process so far. */
uint64_t jail_cpu_us(void);
