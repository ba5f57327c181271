// SPDX-License-Identifier: Apache-2.0
// A file or a directory with all below it, sent as a tar archive.
#pragma once

#include "base/err.h"

/*
 * pack_tree() - write @path and everything below it to @out
 * @path:	absolute, in the current root; links in it are followed
 *
 * All names begin with the last part of @path; with "." where it has none. Nothing below it is
 * followed. Left out are sockets, what vanishes meanwhile, and what is in file systems that only
 * show the kernel's state (proc, sysfs...). A file that shrinks while it is read is filled up with
 * zeros. Extended attributes of files and directories are sent if they are user's or capabilities.
 *
 * Return: 0, or -errno with the archive cut.
 */
int pack_tree(const char *path, int out, struct err *err);
