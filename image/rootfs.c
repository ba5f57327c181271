// SPDX-License-Identifier: Apache-2.0
// The read-only ext4 image: superblock, groups and inodes.
#include "image/rootfs.h"

#include "base/err.h"
#include "base/le.h"
#include "image/digest.h"
#include "image/file_data.h"
#include "image/limits.h"

#include <errno.h>
#include <et/com_err.h>
#include <ext2fs/ext2fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Any fixed time: the images must not depend on the clock. Zero would mean "now". */
#define ROOTFS_TIME 1

#define SECTORS_PER_BLOCK (ROOTFS_BLOCK_SIZE / 512)

int rootfs_block_write(const struct rootfs *rootfs, uint32_t block, const void *data)
{
	const uint8_t *bytes = data;
	size_t n = ROOTFS_BLOCK_SIZE;
	off_t offset = (off_t)block * ROOTFS_BLOCK_SIZE;

	while (n) {
		ssize_t r = pwrite(rootfs->fd, bytes, n, offset);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		bytes += r;
		n -= (size_t)r;
		offset += r;
	}
	return 0;
}

/* The library's codes are errno values or its own, which have texts. */
static int ext2_error(struct err *err, errcode_t code, const char *what)
{
	return err_set(err, code > 0 && code < 256 ? -(int)code : -EIO, "root file system: %s: %s",
		what, error_message(code));
}

static int create(struct rootfs *rootfs, const char *identity, struct err *err)
{
	struct ext2_super_block param = {
		.s_blocks_count = rootfs->blocks,
		.s_inodes_count = rootfs->inodes_per_group * rootfs->groups,
		.s_log_block_size = 2,
		.s_log_cluster_size = 2,
		.s_rev_level = EXT2_DYNAMIC_REV,
		.s_inode_size = ROOTFS_INODE_SIZE,
		.s_log_groups_per_flex = 4,
		/* No backups of superblock and descriptors: they would sit among the contents. */
		.s_feature_compat =
			EXT2_FEATURE_COMPAT_EXT_ATTR | EXT4_FEATURE_COMPAT_SPARSE_SUPER2,
		.s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE |
				      EXT3_FEATURE_INCOMPAT_EXTENTS | EXT4_FEATURE_INCOMPAT_FLEX_BG,
		.s_feature_ro_compat =
			EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
			EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE,
	};
	char name[16], digest[IMAGE_DIGEST_SIZE];
	ext2_filsys fs;
	errcode_t code;
	int fd;

	digest_of("sha256:", identity, strlen(identity), digest);
	/* The library closes its descriptor. */
	fd = dup(rootfs->fd);
	if (fd < 0)
		return err_errno(err, errno, "root file system: dup");
	snprintf(name, sizeof(name), "%d", fd);
	code = ext2fs_initialize(name, EXT2_FLAG_64BITS, &param, unixfd_io_manager, &fs);
	if (code) {
		close(fd);
		return ext2_error(err, code, "create");
	}
	rootfs->fs = fs;
	fs->now = ROOTFS_TIME;
	fs->super->s_lastcheck = ROOTFS_TIME;
	fs->super->s_mkfs_time = ROOTFS_TIME;
	fs->super->s_max_mnt_count = -1;
	fs->super->s_creator_os = EXT2_OS_LINUX;
	fs->super->s_state = EXT2_VALID_FS;
	/* Hex digits are as good as the bytes they stand for. */
	memcpy(fs->super->s_uuid, digest + 7, sizeof(fs->super->s_uuid));
	memcpy(fs->super->s_hash_seed, digest + 23, sizeof(fs->super->s_hash_seed));
	if (ext2fs_blocks_count(fs->super) != rootfs->blocks ||
		fs->group_desc_count != rootfs->groups ||
		fs->super->s_inodes_per_group != rootfs->inodes_per_group ||
		fs->super->s_first_ino != ROOTFS_FIRST_INO ||
		fs->desc_blocks + 1 > ROOTFS_DATA_START)
		return err_set(err, -EIO, "root file system: not laid out as planned");
	return 0;
}

static void use_blocks(struct rootfs *rootfs, uint32_t first, uint32_t count)
{
	if (count)
		ext2fs_block_alloc_stats_range(rootfs->fs, first, count, +1);
}

static void use_inode_blocks(struct rootfs *rootfs, const struct tree_inode *inode)
{
	use_blocks(rootfs, inode->aux, rootfs_own_blocks(inode));
	for (size_t i = 0; i < inode->nextents; i++)
		use_blocks(rootfs, inode->extents[i].physical, inode->extents[i].count);
}

/* All must be marked before the library allocates its first block, for extended attributes. */
static void mark_used(struct rootfs *rootfs)
{
	ext2_filsys fs = rootfs->fs;
	uint32_t groups = rootfs->groups;
	uint32_t table = rootfs->inodes_per_group / ROOTFS_INODES_PER_BLOCK;
	uint32_t first = rootfs->tables;

	for (uint32_t g = 0; g < groups; g++) {
		ext2fs_block_bitmap_loc_set(fs, g, first + g);
		ext2fs_inode_bitmap_loc_set(fs, g, first + groups + g);
		ext2fs_inode_table_loc_set(fs, g, first + 2 * groups + g * table);
	}
	use_blocks(rootfs, first, groups * (2 + table));
	use_inode_blocks(rootfs, rootfs->tree->root);
	for (size_t i = 0; i < rootfs->ninodes; i++)
		use_inode_blocks(rootfs, rootfs->inodes[i]);
	for (uint32_t ino = 1; ino < ROOTFS_FIRST_INO; ino++)
		ext2fs_inode_alloc_stats2(fs, ino, +1, ino == EXT2_ROOT_INO);
	for (size_t i = 0; i < rootfs->ninodes; i++)
		ext2fs_inode_alloc_stats2(
			fs, rootfs->inodes[i]->ino, +1, S_ISDIR(rootfs->inodes[i]->mode));
}

/* Seconds are 32 bits, signed, plus two bits above them, beside 30 bits of nanoseconds. */
static uint32_t time_extra(const struct tree_inode *inode)
{
	int64_t epoch = (inode->mtime - (int32_t)inode->mtime) >> 32;

	return ((uint32_t)epoch & 3) | inode->mtime_ns << 2;
}

static uint16_t count_links(const struct tree_inode *inode)
{
	uint32_t links = 2;

	if (!S_ISDIR(inode->mode))
		return (uint16_t)inode->links;
	for (const struct tree_node *node = inode->children; node; node = node->next)
		links += S_ISDIR(node->inode->mode) != 0;
	/* One means "too many to count". */
	return links > TREE_LINKS_MAX ? 1 : (uint16_t)links;
}

static int fill_symlink(
	struct rootfs *rootfs, const struct tree_inode *inode, struct ext2_inode_large *raw)
{
	struct extent extent = {0, inode->aux, 1};
	char block[ROOTFS_BLOCK_SIZE] = {0};
	size_t n = strlen(inode->target);
	int r;

	if (!rootfs_own_blocks(inode)) {
		memcpy(raw->i_block, inode->target, n);
		return 0;
	}
	memcpy(block, inode->target, n);
	r = rootfs_block_write(rootfs, inode->aux, block);
	if (r)
		return r;
	raw->i_flags = EXT4_EXTENTS_FL;
	raw->i_blocks = SECTORS_PER_BLOCK;
	return rootfs_extent_write(rootfs, &extent, 1, 0, raw->i_block);
}

static int fill_dir(
	struct rootfs *rootfs, const struct tree_inode *inode, struct ext2_inode_large *raw)
{
	uint32_t blocks = rootfs_own_blocks(inode);
	struct extent extent = {0, inode->aux, blocks};
	int r = rootfs_dir_write(rootfs, inode);

	if (r)
		return r;
	raw->i_flags = EXT4_EXTENTS_FL;
	raw->i_blocks = blocks * SECTORS_PER_BLOCK;
	return rootfs_extent_write(rootfs, &extent, 1, 0, raw->i_block);
}

static int fill_file(
	struct rootfs *rootfs, const struct tree_inode *inode, struct ext2_inode_large *raw)
{
	uint32_t blocks = rootfs_own_blocks(inode);

	for (size_t i = 0; i < inode->nextents; i++)
		blocks += inode->extents[i].count;
	raw->i_flags = EXT4_EXTENTS_FL;
	raw->i_blocks = blocks * SECTORS_PER_BLOCK;
	return rootfs_extent_write(
		rootfs, inode->extents, inode->nextents, inode->aux, raw->i_block);
}

static void fill_device(const struct tree_inode *inode, struct ext2_inode_large *raw)
{
	uint32_t major = inode->rdev_major, minor = inode->rdev_minor;

	if (major < 256 && minor < 256)
		raw->i_block[0] = major << 8 | minor;
	else
		raw->i_block[1] = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static int write_xattrs(struct rootfs *rootfs, const struct tree_inode *inode, struct err *err)
{
	struct ext2_xattr_handle *handle;
	errcode_t code = ext2fs_xattrs_open(rootfs->fs, inode->ino, &handle);

	if (code)
		return ext2_error(err, code, "extended attributes");
	for (const struct tree_xattr *xattr = inode->xattrs; xattr && !code; xattr = xattr->next) {
		code = ext2fs_xattr_set(handle, xattr->name, xattr->value, xattr->size);
		if (code) {
			char what[XATTR_NAME_MAX + 32];

			snprintf(what, sizeof(what), "extended attribute %s", xattr->name);
			ext2_error(err, code, what);
		}
	}
	ext2fs_xattrs_close(&handle);
	return code ? -EIO : 0;
}

static int write_inode(struct rootfs *rootfs, const struct tree_inode *inode, struct err *err)
{
	struct ext2_inode_large raw = {
		.i_mode = (uint16_t)inode->mode,
		.i_uid = (uint16_t)inode->uid,
		.i_gid = (uint16_t)inode->gid,
		.i_size = (uint32_t)inode->size,
		.i_size_high = (uint32_t)(inode->size >> 32),
		.i_atime = (uint32_t)inode->mtime,
		.i_ctime = (uint32_t)inode->mtime,
		.i_mtime = (uint32_t)inode->mtime,
		.i_links_count = count_links(inode),
		.i_extra_isize = sizeof(raw) - EXT2_GOOD_OLD_INODE_SIZE,
		.i_atime_extra = time_extra(inode),
		.i_ctime_extra = time_extra(inode),
		.i_mtime_extra = time_extra(inode),
	};
	errcode_t code;
	int r = 0;

	raw.osd2.linux2.l_i_uid_high = (uint16_t)(inode->uid >> 16);
	raw.osd2.linux2.l_i_gid_high = (uint16_t)(inode->gid >> 16);
	if (S_ISDIR(inode->mode))
		r = fill_dir(rootfs, inode, &raw);
	else if (S_ISREG(inode->mode))
		r = fill_file(rootfs, inode, &raw);
	else if (S_ISLNK(inode->mode))
		r = fill_symlink(rootfs, inode, &raw);
	else if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
		fill_device(inode, &raw);
	if (r)
		return err_errno(err, -r, "root file system: write");
	code = ext2fs_write_inode_full(
		rootfs->fs, inode->ino, (struct ext2_inode *)(void *)&raw, sizeof(raw));
	if (code)
		return ext2_error(err, code, "write an inode");
	return inode->xattrs ? write_xattrs(rootfs, inode, err) : 0;
}

static int write_inodes(struct rootfs *rootfs, struct err *err)
{
	int r = write_inode(rootfs, rootfs->tree->root, err);

	for (size_t i = 0; i < rootfs->ninodes && !r; i++)
		r = write_inode(rootfs, rootfs->inodes[i], err);
	return r;
}

int rootfs_write(
	int fd, struct tree *tree, uint32_t data_end, const char *identity, struct err *err)
{
	struct rootfs rootfs = {.fd = fd, .tree = tree};
	errcode_t code;
	int r;

	initialize_ext2_error_table();
	r = rootfs_plan(&rootfs, data_end, err);
	if (!r && ftruncate(fd, (off_t)rootfs.blocks * ROOTFS_BLOCK_SIZE))
		r = err_errno(err, errno, "root file system: resize");
	if (!r)
		r = create(&rootfs, identity, err);
	if (!r) {
		mark_used(&rootfs);
		r = write_inodes(&rootfs, err);
	}
	if (rootfs.fs && r) {
		ext2fs_free(rootfs.fs);
	} else if (rootfs.fs) {
		code = ext2fs_close_free(&rootfs.fs);
		if (code)
			r = ext2_error(err, code, "finish");
	}
	free(rootfs.inodes);
	return r;
}
