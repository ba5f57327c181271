// SPDX-License-Identifier: Apache-2.0
// A program started beside hull: where, with what, and as a fresh program expects it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A child's descriptors, from here on; before them are /dev/null twice, and hull's standard error.
 */
#define SPAWN_FD_FIRST 3

struct subids;

/*
 * struct spawn - what to start
 * @program:	a path, or a name to be looked up in PATH
 * @argv:	NULL-terminated, argv[0] included
 * @fds:	@fd_count of them, to be SPAWN_FD_FIRST and so on, -1 where that shall stay empty.
 *They are above the last of those numbers themselves; whatever else hull has open goes.
 * @cgroup_fd:	the group to be born in, or -1 for that of hull
 * @alone:	in a process ID namespace of its own, where that can be had
 * @ids:	in a user namespace in which the caller is root, and who has these IDs
 *SUBIDS_INSIDE; or NULL
 */
struct spawn {
	const char *program;
	char *const *argv;
	const int *fds;
	size_t fd_count;
	int cgroup_fd;
	bool alone;
	const struct subids *ids;
};

struct err;

/*
 * spawn_call_fn - what spawn_call() calls
 *
 * It sees all memory as it was, but what it changes is lost; descriptors are shared.
 *
 * Return: a number, or -errno with a message.
 */
typedef int spawn_call_fn(void *arg, struct err *err);

/*
 * spawn_call() - call a function in a process that is born in a control group, and wait for its end
 *
 * What it uses is counted for the group: so are a file's writes, for ever, if it makes the file.
 *
 * Return: as @fn.
 */
int spawn_call(int cgroup_fd, spawn_call_fn *fn, void *arg, struct err *err);

/*
 * spawn_start() - start it, in a session of its own, with no signal blocked or ignored
 *
 * Context: one thread. It returns when the program is executed.
 * Return: its process ID or -errno; -EUSERS: with @ids, the user namespace can't be had.
 */
pid_t spawn_start(const struct spawn *spawn);
