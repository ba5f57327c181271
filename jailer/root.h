// SPDX-License-Identifier: Apache-2.0
// The mount namespace in which the VM's directory is the root.
#pragma once

struct err;

/*
 * root_separate() - have mounts of this process's own; those that the host makes and unmounts
 * still come and go
 *
 * Return: 0 or -errno with @err set.
 */
int root_separate(struct err *err);

/*
 * root_change() - make a directory the root, and see nothing else any more
 * @dir:	opened after root_separate(); what is mounted in it stays
 *
 * Descriptors of what was seen before go on being of use. Return: 0 or -errno with @err set.
 */
int root_change(int dir, struct err *err);

/*
 * root_process() - a descriptor of this process's own directory in /proc, and of nothing else there
 *
 * It is a mount of its own, so that ".." leads nowhere. Return: it, or -errno with @err set.
 */
int root_process(struct err *err);
