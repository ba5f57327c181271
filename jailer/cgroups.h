// SPDX-License-Identifier: Apache-2.0
// The VM's cgroups, of either version.
#pragma once

#include "jailer/options.h"

#include <stdbool.h>

struct err;
struct ledger;

/* Hierarchies of version 1; of version 2 there is one. */
#define CGROUPS_HIERARCHIES_MAX 16
#define CGROUPS_PATH_MAX 4096

/*
 * struct cgroups_hierarchy - one that is used
 * @path:	where it is mounted
 * @top:	descriptor of @path
 * @fds:	those of the parents, from the outermost, and then of the VM's own
 * @procs:	descriptor of the file that moves a process into the VM's; -1: see cgroups_make()
 * @origin:	the same for where this process was before, or -1
 */
struct cgroups_hierarchy {
	char path[CGROUPS_PATH_MAX];
	int top;
	int fds[OPTIONS_PARENT_DEPTH_MAX + 1];
	unsigned int depth;
	int procs;
	int origin;
};

/*
 * struct cgroups
 * @options, @process, @ledger:	of cgroups_make()
 */
struct cgroups {
	const struct options *options;
	const char *process;
	struct ledger *ledger;
	struct cgroups_hierarchy hierarchies[CGROUPS_HIERARCHIES_MAX];
	unsigned int count;
};

/*
 * cgroups_find() - where a hierarchy is mounted
 * @mounts:	a file like /proc/self/mounts
 * @version:	1 or 2
 * @controller:	for version 1: the one that must be in it
 * @ret:	CGROUPS_PATH_MAX bytes
 *
 * Return: 0 or -errno with @err set.
 */
int cgroups_find(const char *mounts, unsigned int version, const char *controller, char *ret,
	struct err *err);

/*
 * cgroups_make() - make cgroup PARENT/ID in each hierarchy that has one of the settings, and set it
 * @ret:	zeroed
 * @process:	/proc/self
 *
 * Without a setting nothing is made; but of version 2, when PARENT is there, that is what the VM
 * goes into.
 *
 * Return: 0 or -errno with @err set.
 */
int cgroups_make(struct cgroups *ret, const struct options *options, const char *process,
	struct ledger *ledger, struct err *err);

/* cgroups_enter() - go into them. Return: 0 or -errno with @err set. */
int cgroups_enter(const struct cgroups *cgroups, struct err *err);

/* cgroups_leave() - go back to where the process was, as far as that can be done. */
void cgroups_leave(const struct cgroups *cgroups);

/* cgroups_controller() - the part of @file before its first dot. @ret: OPTIONS_NAME_MAX + 1 bytes.
 */
void cgroups_controller(const char *file, char *ret);

/* cgroups_read() - the first line of a file, without its end. Return: 0 or -errno. */
int cgroups_read(int dir, const char *file, char *ret, size_t size);

/* cgroups_write() - write a line to a file that is there. Return: 0 or -errno. */
int cgroups_write(int dir, const char *file, const char *text);

/*
 * What a version does differently. Each returns 0 or -errno with @err set.
 * @top is the hierarchy's; @fds[0 .. @depth - 1] are the cgroups of the path below it, all made.
 */

/* cgroups_v1_fill() - give cpuset's cgroups the CPUs and memory nodes without which nobody may go
 * in. */
int cgroups_v1_fill(const struct cgroups_hierarchy *hierarchy, struct err *err);

/* cgroups_v2_enable() - have @controller's files in the VM's cgroup. */
int cgroups_v2_enable(
	const struct cgroups_hierarchy *hierarchy, const char *controller, struct err *err);
