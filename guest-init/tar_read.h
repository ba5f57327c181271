// SPDX-License-Identifier: Apache-2.0
// A tar archive that is read: ustar, pax, and GNU tar's long names. The archive is hostile.
#pragma once

#include "base/err.h"
#include "guest-init/tar.h"

#include <sys/types.h>

/* Of one pax header: the extended attributes that are taken, two names, and as much again. */
#define TAR_PAX_MAX (2 * TAR_XATTRS_SIZE)

/*
 * struct tar_reader - embedded in its owner
 * @read:	gives up to @n bytes, 0 at the end, or -errno
 * @left:	bytes of the current entry's data that were not read yet
 * @padding:	bytes after those
 */
struct tar_reader {
	ssize_t (*read)(struct tar_reader *reader, void *data, size_t n);
	uint64_t left;
	size_t padding;
};

/* tar_reader_init() - at the beginning of an archive. */
void tar_reader_init(struct tar_reader *reader,
	ssize_t (*read)(struct tar_reader *reader, void *data, size_t n));

/*
 * tar_read_next() - the next entry; what is left of the last one's data is passed over
 * @entry:	written also when it fails
 *
 * An archive may end without its blocks of zeros, but not inside an entry. Refused are: headers
 * with a wrong checksum or magic, numbers that don't fit, names with ".." in them or longer than
 * TAR_NAME_MAX, entries of other types, sparse files. Names that begin with a slash lose it.
 *
 * Return: 1; 0 at the end, when all has been read; -EINVAL, -EOPNOTSUPP, -E2BIG; -ENOMEM, or what
 * @read returned.
 */
int tar_read_next(struct tar_reader *reader, struct tar_entry *entry, struct err *err);

/* tar_read_data() - up to @n bytes of the entry's data. Return: bytes, 0 at its end, or -errno. */
ssize_t tar_read_data(struct tar_reader *reader, void *data, size_t n, struct err *err);
