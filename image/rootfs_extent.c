// SPDX-License-Identifier: Apache-2.0
// Extent trees of the ext4 image, written bottom-up.
#include "image/rootfs.h"

#include "base/cleanup.h"
#include "base/le.h"
#include "image/file_data.h"

#include <errno.h>
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext3_extents.h>
#include <string.h>

/*
 * Each node of the tree, in the inode (60 bytes) or a block, is a header of 12 bytes and items of
 * 12 bytes: extents in a leaf, pointers to nodes above. All numbers are little-endian.
 *
 *   header   0 le16 magic  2 le16 items  4 le16 room for items  6 le16 levels below  8 le32 0
 *   extent   0 le32 logical block  4 le16 count  6 le16 0  8 le32 physical block
 *   pointer  0 le32 logical block  4 le32 block of the node  8 le16 0  10 le16 0
 */
#define ITEM_SIZE 12u
#define ROOT_ITEMS 4u
#define BLOCK_ITEMS ((ROOTFS_BLOCK_SIZE - ITEM_SIZE) / ITEM_SIZE)

/* struct item - an extent (count > 0) or a pointer */
struct item {
	uint32_t logical;
	uint32_t block;
	uint32_t count;
};

/* Extents on disk, which are at most EXT_INIT_MAX_LEN long. */
static size_t count_items(const struct extent *extents, size_t n)
{
	size_t items = 0;

	for (size_t i = 0; i < n; i++)
		items += (extents[i].count + EXT_INIT_MAX_LEN - 1) / EXT_INIT_MAX_LEN;
	return items;
}

uint32_t rootfs_extent_blocks(const struct extent *extents, size_t n)
{
	size_t items = count_items(extents, n);
	size_t blocks = 0;

	while (items > ROOT_ITEMS) {
		items = (items + BLOCK_ITEMS - 1) / BLOCK_ITEMS;
		blocks += items;
	}
	return (uint32_t)blocks;
}

static void put_node(uint8_t *node, const struct item *items, size_t n, size_t room, uint16_t depth)
{
	le16_store(node, EXT3_EXT_MAGIC);
	le16_store(node + 2, (uint16_t)n);
	le16_store(node + 4, (uint16_t)room);
	le16_store(node + 6, depth);
	for (size_t i = 0; i < n; i++) {
		uint8_t *at = node + ITEM_SIZE * (i + 1);

		le32_store(at, items[i].logical);
		if (depth) {
			le32_store(at + 4, items[i].block);
		} else {
			le16_store(at + 4, (uint16_t)items[i].count);
			le32_store(at + 8, items[i].block);
		}
	}
}

static void split(const struct extent *extents, size_t n, struct item *items)
{
	for (size_t i = 0; i < n; i++) {
		struct extent rest = extents[i];

		while (rest.count) {
			uint32_t part = rest.count < EXT_INIT_MAX_LEN ? rest.count
								      : (uint32_t)EXT_INIT_MAX_LEN;

			*items++ = (struct item){rest.logical, rest.physical, part};
			rest.logical += part;
			rest.physical += part;
			rest.count -= part;
		}
	}
}

int rootfs_extent_write(const struct rootfs *rootfs, const struct extent *extents, size_t n,
	uint32_t first_block, void *ret_root)
{
	size_t count = count_items(extents, n);
	struct item CLEANUP_FREE *items = malloc((count + 1) * sizeof(*items));
	uint16_t depth = 0;

	if (!items)
		return -ENOMEM;
	split(extents, n, items);
	/* Each round writes one level and leaves the pointers to it in place of its items. */
	for (; count > ROOT_ITEMS; depth++) {
		size_t nodes = 0;

		for (size_t i = 0; i < count; i += BLOCK_ITEMS) {
			size_t part = count - i < BLOCK_ITEMS ? count - i : BLOCK_ITEMS;
			uint8_t node[ROOTFS_BLOCK_SIZE] = {0};
			int r;

			put_node(node, items + i, part, BLOCK_ITEMS, depth);
			r = rootfs_block_write(rootfs, first_block, node);
			if (r)
				return r;
			items[nodes++] = (struct item){items[i].logical, first_block++, 0};
		}
		count = nodes;
	}
	memset(ret_root, 0, ITEM_SIZE * (ROOT_ITEMS + 1));
	put_node(ret_root, items, count, ROOT_ITEMS, depth);
	return 0;
}
