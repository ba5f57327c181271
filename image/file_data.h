// SPDX-License-Identifier: Apache-2.0
// Contents of files on their way from an archive to their final blocks in the image.
#pragma once

#include "image/tree.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 * The image file begins with room for the superblock and the group descriptors of the largest
 * image. Contents follow in the order in which they arrive, each file in one run, and all other
 * metadata comes after them once the tree is complete: so every byte is written once, to where
 * the guest will read it, before the size of the image is known.
 *
 *   block 0     1 .. 63         64 ...                      data end ...
 *   [ super | descriptors | contents, as they arrive | folders, inodes, bitmaps ]
 *
 * A file is gathered in windows of FILE_WINDOW bytes. A window of nothing but zeros becomes a
 * hole. Contents of files that a later layer removes are punched out of the image file.
 */

#define ROOTFS_BLOCK_SIZE 4096u
/* Descriptors of 32 bytes for groups of 128 MiB: enough for 1 TiB, above all limits. */
#define ROOTFS_DATA_START 65u

#define FILE_WINDOW (128u * 1024)

/*
 * struct file_data - the writer, and the file being written
 * @fd:		the image file; not owned
 * @next_block:	the first block not yet used
 * @pos:	end of what has been added of the current file
 */
struct file_data {
	int fd;
	uint32_t next_block;
	uint64_t pos;
	uint64_t window_start;
	size_t window_used;
	uint8_t *window;
};

/* file_data_init() - Return: 0 or -ENOMEM. file_data_fini() frees; harmless on a zeroed struct. */
int file_data_init(struct file_data *data, int fd);
void file_data_fini(struct file_data *data);

/* file_data_begin() - start a new file */
void file_data_begin(struct file_data *data);

/*
 * file_data_add() - append @n bytes at @offset, at or after the end of what was added before
 * @inode:	gets the extents
 *
 * Return: 0; -EPROTO if @offset goes backwards; -EFBIG beyond IMAGE_DATA_MAX; -ENOMEM; -errno of
 * the write.
 */
int file_data_add(struct file_data *data, struct tree *tree, struct tree_inode *inode,
	uint64_t offset, const void *bytes, size_t n);

/* file_data_end() - write what is still gathered. Return: as file_data_add(). */
int file_data_end(struct file_data *data, struct tree *tree, struct tree_inode *inode);

/* file_data_released() - for struct tree: the blocks are not needed any more. */
void file_data_released(void *arg, const struct extent *extents, size_t n);
