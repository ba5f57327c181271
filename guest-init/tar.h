// SPDX-License-Identifier: Apache-2.0
// What an entry of a tar archive says, and the layout of its header.
#pragma once

#include "protocol/agent.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/*
 * Theory of operation
 *
 * An archive is a sequence of 512-byte blocks. An entry is a header block, then its data, padded to
 * a block; two blocks of zeros end the archive:
 *
 *      0     100   108  116  124   136    148     156   157   257    263      265    297    329
 *      +-----+-----+----+----+-----+------+-------+-----+-----+------+--------+------+------+---
 *      |name |mode |uid |gid |size |mtime |chksum |type |link |magic |version |uname |gname |
 *      +-----+-----+----+----+-----+------+-------+-----+-----+------+--------+------+------+---
 *         329      337      345     500
 *      ---+--------+--------+-------+----+      numbers: octal text; GNU: or binary, with the
 *         |devmajor|devminor|prefix |    |      first bit set
 *      ---+--------+--------+-------+----+
 *
 * What doesn't fit comes before in an entry of type x (pax), whose data is a sequence of
 * "LENGTH KEYWORD=VALUE\n", or, from GNU tar, in entries of type L (name) and K (link).
 *
 * Spec: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Interchange Format"
 */

#define TAR_BLOCK 512u

/* PATH_MAX less its NUL: no file can be opened by a longer name. */
#define TAR_NAME_MAX 4095u

/* Extended attributes of one entry, names and values: what a kernel's ext4 holds at most. */
#define TAR_XATTRS_SIZE (64u * 1024)

/* The types that both ends know; '\0' and '7' are read as TAR_FILE. */
enum tar_type {
	TAR_FILE = '0',
	TAR_HARDLINK = '1',
	TAR_SYMLINK = '2',
	TAR_CHAR = '3',
	TAR_BLOCK_DEVICE = '4',
	TAR_DIR = '5',
	TAR_FIFO = '6',
};

/*
 * struct tar_entry - one file
 * @size:	of the data that follows; 0 but for TAR_FILE
 * @mtime:	tv_nsec from 0 to 999999999
 * @major, @minor:	of a device
 * @name:	when read: relative, without "." or ".." in it or a slash at its end; "" = the
 *		directory itself. When written: as it shall be, without a directory's slash
 * @target:	of a hard link, as @name; of a symlink, any text
 * @xattrs:	pairs of NUL-terminated name, 4 bytes length in this machine's order, value
 */
struct tar_entry {
	enum tar_type type;
	uint32_t mode;
	uint32_t uid, gid;
	uint64_t size;
	struct timespec mtime;
	uint32_t major, minor;
	char name[TAR_NAME_MAX + 1];
	char target[TAR_NAME_MAX + 1];
	uint8_t xattrs[TAR_XATTRS_SIZE];
	size_t xattrs_len;
};

/*
 * tar_xattr_add() - append one extended attribute
 *
 * Return: 0 or -E2BIG.
 */
int tar_xattr_add(struct tar_entry *entry, const char *name, const void *value, size_t len);

/*
 * tar_xattr_next() - walk through them
 * @pos:	0 at first
 *
 * Return: false after the last.
 */
bool tar_xattr_next(const struct tar_entry *entry, size_t *pos, const char **ret_name,
	const void **ret_value, size_t *ret_len);

/* struct tar_header - a header block; no field need be NUL-terminated */
struct tar_header {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[6];
	char version[2];
	char uname[32];
	char gname[32];
	char major[8];
	char minor[8];
	char prefix[155];
	char pad[12];
};

_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a block");

/* tar_checksum() - of a header, its own field counted as spaces. */
uint32_t tar_checksum(const struct tar_header *header);

/* tar_padding() - bytes between the end of @size bytes of data and the next block. */
static inline size_t tar_padding(uint64_t size)
{
	return (size_t)(-size % TAR_BLOCK);
}
