// SPDX-License-Identifier: Apache-2.0
// A tar archive that is received, unpacked into a directory. The archive is hostile.
#pragma once

#include "base/err.h"

/*
 * unpack_tree() - make what the archive from @in holds in the directory @path
 * @path:	absolute, in the current root; links in it are followed
 *
 * Nothing outside of @path is touched: a link that leads out of it, of the archive or there before,
 * isn't followed. Files are replaced, never written to; a directory stays as it is but for what the
 * archive says of it, and isn't replaced by anything else. Missing directories are made, as root's
 * with mode 755. Context: umask 0.
 *
 * Return: 0 at the archive's end, or -errno with some of it unpacked.
 */
int unpack_tree(const char *path, int in, struct err *err);
