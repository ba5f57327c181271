// SPDX-License-Identifier: Apache-2.0
// Folders of the ext4 image: packing entries into blocks.
#include "image/rootfs.h"

#include "image/file_data.h"

#include "base/le.h"

#include <errno.h>
#include <ext2fs/ext2_fs.h>
#include <string.h>
#include <sys/stat.h>

/*
 * An entry, in little-endian:
 *
 *   offset 0  le32 inode    4  le16 length of this entry    6  u8 length of the name
 *          7  u8 type       8  the name, without NUL, padded to four bytes
 *
 * The last entry of a block reaches to its end.
 */
#define ENTRY_HEADER 8u

/*
 * struct packer - a folder being packed
 * @used:	bytes of the block at hand
 * @last:	offset of its last entry
 * @rootfs:	NULL to count blocks only
 */
struct packer {
	const struct rootfs *rootfs;
	uint32_t block;
	uint32_t blocks;
	uint32_t used;
	uint32_t last;
	int error;
	uint8_t data[ROOTFS_BLOCK_SIZE];
};

static uint8_t entry_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return EXT2_FT_REG_FILE;
	case S_IFDIR:
		return EXT2_FT_DIR;
	case S_IFLNK:
		return EXT2_FT_SYMLINK;
	case S_IFCHR:
		return EXT2_FT_CHRDEV;
	case S_IFBLK:
		return EXT2_FT_BLKDEV;
	case S_IFIFO:
		return EXT2_FT_FIFO;
	default:
		return EXT2_FT_UNKNOWN;
	}
}

static void end_block(struct packer *packer)
{
	if (packer->rootfs && !packer->error) {
		le16_store(packer->data + packer->last + 4,
			(uint16_t)(ROOTFS_BLOCK_SIZE - packer->last));
		packer->error = rootfs_block_write(
			packer->rootfs, packer->block + packer->blocks, packer->data);
		memset(packer->data, 0, packer->used);
	}
	packer->blocks++;
	packer->used = 0;
}

static void add_entry(
	struct packer *packer, const char *name, uint32_t len, const struct tree_inode *inode)
{
	uint32_t size = (ENTRY_HEADER + len + 3) & ~3u;
	uint8_t *entry;

	if (packer->used + size > ROOTFS_BLOCK_SIZE)
		end_block(packer);
	packer->last = packer->used;
	packer->used += size;
	if (!packer->rootfs)
		return;
	entry = packer->data + packer->last;
	le32_store(entry, inode->ino);
	le16_store(entry + 4, (uint16_t)size);
	entry[6] = (uint8_t)len;
	entry[7] = entry_type(inode->mode);
	memcpy(entry + ENTRY_HEADER, name, len);
}

static void pack(struct packer *packer, const struct tree_inode *dir)
{
	add_entry(packer, ".", 1, dir);
	add_entry(packer, "..", 2, dir->node ? dir->node->parent : dir);
	for (const struct tree_node *node = dir->children; node; node = node->next)
		add_entry(packer, node->name, node->name_len, node->inode);
	end_block(packer);
}

uint32_t rootfs_dir_blocks(const struct tree_inode *dir)
{
	struct packer packer = {.rootfs = NULL};

	pack(&packer, dir);
	return packer.blocks;
}

int rootfs_dir_write(const struct rootfs *rootfs, const struct tree_inode *dir)
{
	struct packer packer = {.rootfs = rootfs, .block = dir->aux};

	pack(&packer, dir);
	return packer.error;
}
