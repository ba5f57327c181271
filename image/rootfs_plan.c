// SPDX-License-Identifier: Apache-2.0
// Where everything goes in the ext4 image: numbers of inodes, blocks, groups.
#include "image/rootfs.h"

#include "base/err.h"
#include "image/file_data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Blocks that libext2fs wants in the last group beyond its tables, and some. */
#define LAST_GROUP_SPARE 64u

/* The largest image: what the descriptors' place before the contents allows for. */
#define GROUPS_MAX ((ROOTFS_DATA_START - 1) * (ROOTFS_BLOCK_SIZE / 32))

static int by_name(const void *a, const void *b)
{
	const struct tree_node *x = *(struct tree_node *const *)a;
	const struct tree_node *y = *(struct tree_node *const *)b;

	return strcmp(x->name, y->name);
}

static int sort_children(struct tree_inode *dir)
{
	struct tree_node **nodes, *node = dir->children;
	uint32_t n = dir->nchildren;

	if (n < 2)
		return 0;
	nodes = malloc(n * sizeof(struct tree_node *));
	if (!nodes)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++, node = node->next)
		nodes[i] = node;
	qsort(nodes, n, sizeof(struct tree_node *), by_name);
	for (uint32_t i = 0; i < n; i++) {
		nodes[i]->prev = i ? nodes[i - 1] : NULL;
		nodes[i]->next = i + 1 < n ? nodes[i + 1] : NULL;
	}
	dir->children = nodes[0];
	free(nodes);
	return 0;
}

/* Number a folder's contents in a row, then go down; the depth is bounded by TREE_DEPTH_MAX. */
static int number(struct rootfs *rootfs, struct tree_inode *dir)
{
	int r = sort_children(dir);

	if (r)
		return r;
	for (struct tree_node *node = dir->children; node; node = node->next) {
		if (node->inode->ino)
			continue;
		node->inode->ino = ROOTFS_FIRST_INO + (uint32_t)rootfs->ninodes;
		rootfs->inodes[rootfs->ninodes++] = node->inode;
	}
	for (struct tree_node *node = dir->children; node && !r; node = node->next)
		if (S_ISDIR(node->inode->mode))
			r = number(rootfs, node->inode);
	return r;
}

uint32_t rootfs_own_blocks(const struct tree_inode *inode)
{
	if (S_ISDIR(inode->mode))
		return (uint32_t)(inode->size / ROOTFS_BLOCK_SIZE);
	if (S_ISREG(inode->mode))
		return rootfs_extent_blocks(inode->extents, inode->nextents);
	/* A shorter target fits in the inode. */
	if (S_ISLNK(inode->mode))
		return strlen(inode->target) >= 60;
	return 0;
}

static int place(struct rootfs *rootfs, struct tree_inode *inode)
{
	uint32_t n;

	if (S_ISDIR(inode->mode)) {
		n = rootfs_dir_blocks(inode);
		/* The inode has room for four extents of a group's size. */
		if (n > 4 * ROOTFS_BLOCKS_PER_GROUP)
			return -EFBIG;
		inode->size = (uint64_t)n * ROOTFS_BLOCK_SIZE;
	} else if (S_ISLNK(inode->mode)) {
		inode->size = strlen(inode->target);
	}
	n = rootfs_own_blocks(inode);
	if (n > UINT32_MAX / 2 - rootfs->next_block)
		return -EFBIG;
	inode->aux = rootfs->next_block;
	rootfs->next_block += n;
	if (inode->xattrs)
		rootfs->spare++;
	return 0;
}

static uint32_t div_up(uint64_t n, uint32_t by)
{
	return (uint32_t)((n + by - 1) / by);
}

static int plan_groups(struct rootfs *rootfs, struct err *err)
{
	uint64_t inodes = ROOTFS_FIRST_INO - 1 + rootfs->ninodes;
	/* A bitmap of one block counts the inodes of a group. */
	uint32_t groups = div_up(inodes, ROOTFS_BLOCKS_PER_GROUP);

	for (;; groups++) {
		uint32_t per_group = div_up(div_up(inodes, groups), ROOTFS_INODES_PER_BLOCK) *
				     ROOTFS_INODES_PER_BLOCK;
		uint32_t table = per_group / ROOTFS_INODES_PER_BLOCK;
		uint32_t last_min =
			table + 3 + div_up(groups * 32ull, ROOTFS_BLOCK_SIZE) + LAST_GROUP_SPARE;
		uint64_t blocks = (uint64_t)rootfs->next_block + rootfs->spare +
				  (uint64_t)groups * (2 + table);
		uint64_t least = (uint64_t)(groups - 1) * ROOTFS_BLOCKS_PER_GROUP + last_min;

		if (groups > GROUPS_MAX)
			return err_set(err, -EFBIG, "root file system: larger than %u GiB",
				GROUPS_MAX / 8);
		if (blocks < least)
			blocks = least;
		if (blocks > (uint64_t)groups * ROOTFS_BLOCKS_PER_GROUP)
			continue;
		rootfs->groups = groups;
		rootfs->inodes_per_group = per_group;
		rootfs->blocks = (uint32_t)blocks;
		rootfs->tables = rootfs->next_block;
		return 0;
	}
}

int rootfs_plan(struct rootfs *rootfs, uint32_t data_end, struct err *err)
{
	int r;

	/* Each inode but the root has a node. */
	rootfs->inodes = malloc((rootfs->tree->nnodes + 1) * sizeof(struct tree_inode *));
	if (!rootfs->inodes)
		return err_set(err, -ENOMEM, "root file system: out of memory");
	rootfs->ninodes = 0;
	rootfs->next_block = data_end;
	rootfs->spare = 0;
	rootfs->tree->root->ino = 2;
	r = number(rootfs, rootfs->tree->root);
	if (!r)
		r = place(rootfs, rootfs->tree->root);
	for (size_t i = 0; i < rootfs->ninodes && !r; i++)
		r = place(rootfs, rootfs->inodes[i]);
	if (r)
		return err_set(err, r, "root file system: %s",
			r == -EFBIG ? "a folder is too large" : "out of memory");
	return plan_groups(rootfs, err);
}
