// SPDX-License-Identifier: Apache-2.0
// The headers of a tar archive that is written: ustar, with pax records for what that can't hold.
#pragma once

#include "base/buf.h"
#include "guest-init/tar.h"

/* Two headers, a pax entry of two long names, numbers, and extended attributes. */
#define TAR_WRITE_MAX (TAR_XATTRS_SIZE * 2 + 4 * TAR_NAME_MAX)

/*
 * tar_write_header() - append the header of @entry to @out
 *
 * @entry->size bytes of data and tar_padding() of them must follow.
 *
 * Return: 0; -EINVAL for an empty name; -EMSGSIZE or -ENOMEM from the buffer. On error @out is as
 * it was.
 */
int tar_write_header(struct buf *out, const struct tar_entry *entry);

/* tar_write_end() - append what ends the archive. Return: as buf_add(). */
int tar_write_end(struct buf *out);
