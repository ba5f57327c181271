// SPDX-License-Identifier: Apache-2.0
// The control group of one VM: the monitor and passt.
#pragma once

#include "base/cgroup.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct vm_limits;

/*
 * Theory of operation
 *
 * Each VM has a group of its own, hull-PID-RANDOM, with limits of memory and of threads at least.
 * It lies
 *
 *   - where hull was started in the root of the hierarchy, as is usual where there is no systemd:
 *     beneath that;
 *   - where hull's own group is delegated to it, which for root is what systemd's mark says
 *     (Delegate=yes) and for others that they may make directories in it: beneath that. Groups with
 *     limited children may have no processes, so all that is in it, hull and maybe a shell, is
 * moved into a leaf, hull-callers. Who is started there later finds it so, and takes its parent;
 *   - else, as root: beneath /hull, as other programs' groups are that don't ask systemd. The
 * limits of the service or session in which hull was started don't hold for VMs then. Its own
 *     controllers are systemd's to change, but not those that /hull's children use.
 *
 * Whoever made a group holds a lock on its directory as long as it lives. So one that nobody holds
 * is a leftover, which the next hull that starts a VM removes, after killing what is still in it.
 * A process's end may need a moment to be seen by the kernel's counters, in which removing fails;
 * then it is waited for.
 */

/*
 * struct vm_cgroup
 * @base:	the directory in which it lies
 * @fd:		of the group, or -1 for none
 * @name:	of the group
 * @shared:	@base is /hull, which goes with the last VM; of its parent
 */
struct vm_cgroup {
	int base_fd;
	int fd;
	int shared_fd;
	char name[48];
};

#define VM_CGROUP_INIT ((struct vm_cgroup){.base_fd = -1, .fd = -1, .shared_fd = -1})

/*
 * struct vm_cgroup_config
 * @limits:	checked
 * @memory:	bytes of the guest
 * @vcpus:	number of them
 * @disk:	bytes of a scratch disk that lies in the host's memory, or 0
 * @optional:	no group is needed where nothing asked for takes one
 */
struct vm_cgroup_config {
	const struct vm_limits *limits;
	uint64_t memory;
	uint64_t vcpus;
	uint64_t disk;
	bool passt;
	bool optional;
};

/*
 * vm_cgroup_make() - make the group, with its limits
 * @ret:	to be released by vm_cgroup_end() in any case
 *
 * Where there can be none, and none is needed: a user is warned, unless it was said to be optional.
 *
 * Return: 0 or -errno with a message.
 */
int vm_cgroup_make(struct vm_cgroup *ret, const struct vm_cgroup_config *config, struct err *err);

/* vm_cgroup_sweep() - remove leftovers of others. Context: the VM starts meanwhile. */
void vm_cgroup_sweep(const struct vm_cgroup *cgroup);

/* vm_cgroup_out_of_memory() - has the kernel killed the VM at its limit? */
bool vm_cgroup_out_of_memory(const struct vm_cgroup *cgroup);

/* vm_cgroup_end() - remove the group, whose processes have ended. */
void vm_cgroup_end(struct vm_cgroup *cgroup);
