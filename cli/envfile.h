// SPDX-License-Identifier: Apache-2.0
// Environment entries: NAME=VALUE or NAME from the command line, and files of them.
#pragma once

struct err;
struct strlist;

/* Bytes of one file: more than the guest's execve takes. */
#define ENVFILE_MAX (1 << 20)

/*
 * env_entry_add() - put one entry into a list
 * @entry:	NAME=VALUE, or NAME alone: then the value is hull's own; if it has none, nothing
 *		is added
 *
 * Return: 0, -EINVAL without a name, -E2BIG or -ENOMEM, with a message.
 */
int env_entry_add(struct strlist *list, const char *entry, struct err *err);

/*
 * envfile_read() - put the entries of a file into a list
 *
 * One entry a line, as for env_entry_add(). White space before it, lines that are empty or begin
 * with '#', a byte order mark and a carriage return at the end of a line are dropped; values are
 * taken as they are, without any quoting.
 *
 * Return: 0 or -errno with a message that names the file and line.
 */
int envfile_read(struct strlist *list, const char *path, struct err *err);
