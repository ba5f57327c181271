// SPDX-License-Identifier: Apache-2.0
// The program that is run: checked, and copied into the VM's root directory.
#pragma once

struct err;
struct tree;

/*
 * program_open() - open --exec-file
 * @path:	may be a symbolic link
 *
 * Return: a descriptor of a regular file that can be executed, or -errno with @err set.
 */
int program_open(const char *path, struct err *err);

/*
 * program_copy() - put a copy into the tree's root
 * @fd:		of program_open()
 * @name:	the copy's; there must be nothing of that name
 *
 * The copy is root's and for all to read and execute. A link would let VMs share its pages.
 *
 * Return: 0 or -errno with @err set.
 */
int program_copy(int fd, struct tree *tree, const char *name, struct err *err);
