// SPDX-License-Identifier: Apache-2.0
// A disk in a raw file or block device, read and written synchronously.
#pragma once

#include <stdbool.h>

struct disk;
struct err;

/*
 * disk_file_open() - open and lock a disk by name
 * @path:	regular file or block device; the format is raw, whatever its bytes say
 * @read_only:	open it read-only and share it with other readers; else it is locked against all
 *		other users that lock
 * @ret:	owned by the caller, free with disk_free(); set only on success
 *
 * Return: 0, or -errno with @err set: missing, a directory or other odd thing, empty, not a
 * multiple of 512 bytes, in use.
 */
int disk_file_open(const char *path, bool read_only, struct disk **ret, struct err *err);

/*
 * disk_file_from_fd() - the same for an inherited descriptor
 * @fd:		taken over, also on failure; open for reading, and for writing unless @read_only
 * @name:	for messages, such as "fd=5"
 *
 * Return: as disk_file_open().
 */
int disk_file_from_fd(int fd, const char *name, bool read_only, struct disk **ret, struct err *err);
