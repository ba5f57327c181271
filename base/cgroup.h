// SPDX-License-Identifier: Apache-2.0
// A cgroup v2 directory: found, made, written to, removed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;

/*
 * Theory of operation
 *
 * Every group is a directory, and all is done on descriptors of directories: names are single
 * components or paths that lead nowhere but below, and no symbolic link is ever followed.
 *
 * Two rules of the kernel shape what callers do:
 *
 *   A group has the files of a controller (memory.max and so on) only if its parent has the
 *   controller in cgroup.subtree_control, which it may have only if its own parent has it there.
 *
 *   No internal processes: but for the root of the hierarchy, a group that has controllers in
 *   cgroup.subtree_control has no processes of its own, only in groups below. Who is in a group and
 *   wants limited ones beneath it has to move all that is in it into one of them first, a leaf:
 *   cgroup_evacuate().
 */

/* The longest path of a mount or of a group, with its NUL. */
#define CGROUP_PATH_MAX 4096
/* The longest name of a group, with its NUL. */
#define CGROUP_NAME_MAX 256

/* Bits are 1u << CGROUP_x. */
enum cgroup_controller {
	CGROUP_CPU,
	CGROUP_CPUSET,
	CGROUP_HUGETLB,
	CGROUP_IO,
	CGROUP_MEMORY,
	CGROUP_MISC,
	CGROUP_PIDS,
	CGROUP_RDMA,
	CGROUP_CONTROLLERS,
};

extern const char *const cgroup_controller_names[CGROUP_CONTROLLERS];

/*
 * cgroup_controller_of() - whose is a file of a group, such as "memory.max"?
 *
 * Return: the controller, or -1 if none is known by that name.
 */
int cgroup_controller_of(const char *file);

/*
 * struct cgroup_host - the hierarchy, as this process sees it
 * @top_fd:	its uppermost directory that is seen: the root, unless in a container
 * @mount:	the path of that
 * @own:	the group of this process, relative to @top_fd: "" or "a/b"
 */
struct cgroup_host {
	int top_fd;
	char mount[CGROUP_PATH_MAX];
	char own[CGROUP_PATH_MAX];
};

#define CGROUP_HOST_INIT ((struct cgroup_host){.top_fd = -1})

/*
 * cgroup_host_open() - find them
 * @proc:	descriptor of /proc/self
 * @ret:	to be released by cgroup_host_close() in any case
 *
 * Return: 0; -ENOTSUP if there is no cgroup v2 to be seen, or not the own group; other -errno; with
 * a message.
 */
int cgroup_host_open(struct cgroup_host *ret, int proc, struct err *err);

void cgroup_host_close(struct cgroup_host *host);

/* cgroup_open() - open a group. @path: below @dir, or "". Return: a descriptor or -errno. */
int cgroup_open(int dir, const char *path);

/* cgroup_make() - make a group and open it. @name: one component. Return: a descriptor or -errno,
 * -EEXIST if it is there. */
int cgroup_make(int parent, const char *name);

/* cgroup_is_root() - is it the root of the whole hierarchy, which may have processes and children
 * with controllers? */
bool cgroup_is_root(int dir);

/*
 * cgroup_read() - read a file of a group as text, without its last newline
 *
 * Return: 0, or -errno; -EMSGSIZE if it doesn't fit.
 */
int cgroup_read(int dir, const char *file, char *ret, size_t size);

/* cgroup_write() - write @text into a file of a group. Return: 0 or -errno. */
int cgroup_write(int dir, const char *file, const char *text);

/*
 * cgroup_controllers() - which does a group have?
 * @file:	"cgroup.controllers": for itself; "cgroup.subtree_control": for its children
 * @ret:	bits
 *
 * Return: 0 or -errno.
 */
int cgroup_controllers(int dir, const char *file, unsigned int *ret);

/*
 * cgroup_enable() - let the children of a group have controllers
 * @wanted:	bits; those that are on already cost nothing, and others stay as they are
 *
 * Return: 0; -ENOENT if the group itself lacks one; -EBUSY if it has processes of its own; other
 * -errno.
 */
int cgroup_enable(int dir, unsigned int wanted);

/*
 * cgroup_evacuate() - move all processes of a group into another one
 *
 * A process that forks meanwhile may leave its child behind: call it again when cgroup_enable()
 * still says -EBUSY.
 *
 * Return: 0; -EPERM if one is not of this PID namespace and can't be named; other -errno.
 */
int cgroup_evacuate(int from, int into);

/*
 * cgroup_remove() - remove a group that has no children
 * @dir:	of the group itself, or -1 not to wait
 * @wait_ms:	how long its last processes may take to be gone, once they have ended
 *
 * Return: 0, also if it isn't there; -EBUSY; other -errno.
 */
int cgroup_remove(int parent, const char *name, int dir, int wait_ms);

/* cgroup_parse_device() - read "MAJOR:MINOR", perhaps the end of a line. Return: whether it is
 * that. */
bool cgroup_parse_device(const char *text, dev_t *ret);
