// SPDX-License-Identifier: Apache-2.0
// The records of a pax header: what they say of the file whose entry follows. They are hostile.
#pragma once

#include "guest-init/tar.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/*
 * struct tar_extra - what was said of a file before its header, and takes precedence over it
 * @any:	there was one
 * @pax:	one of them was a pax header
 * @name, @target:	told; the text stands in the entry
 * @size, @uid, @gid, @mtime:	told; each has its value below
 */
struct tar_extra {
	bool any, pax, name, target, size, uid, gid, mtime;
	uint64_t size_value;
	uint32_t uid_value, gid_value;
	struct timespec mtime_value;
};

/*
 * tar_pax_parse() - take in all records of a pax header
 * @entry:	gets name, target and extended attributes
 * @extra:	gets the rest
 * @data:	@len bytes, untrusted
 *
 * Records that say nothing about a file that is kept here are passed over. Both may have been
 * written to when it fails.
 *
 * Return: 0; -EINVAL; -EOPNOTSUPP for a sparse file; -E2BIG for too many attributes.
 */
int tar_pax_parse(struct tar_entry *entry, struct tar_extra *extra, const char *data, size_t len);
