// SPDX-License-Identifier: Apache-2.0
// The VM's directories: BASE/PROGRAM/ID/root, and what is in it.
#pragma once

#include "jailer/dir.h"
#include "jailer/ledger.h"

struct options;

/*
 * struct tree
 * @uid, @gid:		the VM's
 * @base .. @run:	from --chroot-base-dir down; those in @root are dev, dev/net and run
 * @pid_fd:		of the file PROGRAM.pid, or -1
 * @ledger:		also of what isn't in the tree
 *
 * It is never freed: the process becomes the program, or ends.
 */
struct tree {
	uid_t uid;
	gid_t gid;
	struct dir base, program, id, root, dev, net, run;
	int pid_fd;
	struct ledger ledger;
};

/*
 * tree_make() - make the directories, the copy of the program, the devices and an empty .pid file
 * @options:	checked
 * @program:	descriptor of program_open()
 *
 * A root directory that is there already may hold files for the VM, but nothing that is made here.
 * In the end what is in it is the VM's user's.
 *
 * Return: 0 or -errno with @err set; on failure ledger_undo() removes what was made.
 */
int tree_make(struct tree *tree, const struct options *options, int program, struct err *err);
