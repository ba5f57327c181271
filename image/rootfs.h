// SPDX-License-Identifier: Apache-2.0
// Writing a merged tree as a read-only ext4 image around the contents that are in place already.
#pragma once

#include "image/tree.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct struct_ext2_filsys;

/* Part of the name of images in the store: to be raised when the same input gives other bytes. */
#define ROOTFS_FORMAT 1

/*
 * rootfs_write() - complete the image
 * @fd:		O_RDWR; contents were written to it through a struct file_data
 * @tree:	complete; its order, numbers and sizes of folders are changed
 * @data_end:	the first block behind the contents
 * @identity:	what the file system's UUID is made from
 *
 * The same tree, contents and identity give the same bytes: no clock and no random number enters.
 * Nothing is synced.
 *
 * Return: 0 or -errno.
 */
int rootfs_write(
	int fd, struct tree *tree, uint32_t data_end, const char *identity, struct err *err);

/*
 * struct rootfs - an image being completed
 * @inodes:	in the order of their numbers, from ROOTFS_FIRST_INO; the root isn't among them
 * @next_block:	first block not planned for
 * @spare:	blocks to be left for extended attributes
 */
struct rootfs {
	int fd;
	struct tree *tree;
	struct struct_ext2_filsys *fs;
	struct tree_inode **inodes;
	size_t ninodes;
	uint32_t next_block;
	uint32_t spare;
	uint32_t groups;
	uint32_t inodes_per_group;
	uint32_t blocks;
	uint32_t tables;
};

#define ROOTFS_FIRST_INO 11u
#define ROOTFS_BLOCKS_PER_GROUP 32768u
#define ROOTFS_INODE_SIZE 256u
#define ROOTFS_INODES_PER_BLOCK (4096u / ROOTFS_INODE_SIZE)

/*
 * rootfs_plan() - number the inodes and give blocks to all that isn't contents
 *
 * Folders are sorted by name. Sets each inode's ino, its first own block in aux, the size of
 * folders, and all of @rootfs from inodes on. The caller frees rootfs->inodes.
 *
 * Return: 0, -ENOMEM or -EFBIG.
 */
int rootfs_plan(struct rootfs *rootfs, uint32_t data_end, struct err *err);

/* rootfs_own_blocks() - blocks of an inode apart from a file's contents: a folder's entries, a long
 * symlink's target, an extent tree */
uint32_t rootfs_own_blocks(const struct tree_inode *inode);

/*
 * rootfs_dir_blocks() - how many blocks the sorted entries of a folder take
 * rootfs_dir_write() - write them to its blocks. Return: 0 or -errno.
 */
uint32_t rootfs_dir_blocks(const struct tree_inode *dir);
int rootfs_dir_write(const struct rootfs *rootfs, const struct tree_inode *dir);

/*
 * rootfs_extent_blocks() - blocks of the extent tree beside what fits in the inode
 * rootfs_extent_write() - write them, and the root of the tree
 * @ret_root:	60 bytes, the i_block of the inode
 *
 * Return: 0, -ENOMEM or -errno.
 */
uint32_t rootfs_extent_blocks(const struct extent *extents, size_t n);
int rootfs_extent_write(const struct rootfs *rootfs, const struct extent *extents, size_t n,
	uint32_t first_block, void *ret_root);

/* rootfs_block_write() - write one block. Return: 0 or -errno. */
int rootfs_block_write(const struct rootfs *rootfs, uint32_t block, const void *data);
