// SPDX-License-Identifier: Apache-2.0
// fork() with namespaces, a control group and a pidfd.
#pragma once

#include <linux/sched.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * clone_process() - fork the single-threaded caller
 * @flags:	CLONE_NEWx
 * @cgroup_fd:	directory of the group to be born in, or negative for the caller's
 * @ret_pidfd:	close-on-exec; set in the parent
 *
 * The C library isn't told: the child may use nothing of it that knows threads.
 *
 * Return: the child's pid, 0 in the child, or -errno.
 */
pid_t clone_process(uint64_t flags, int cgroup_fd, int *ret_pidfd);
