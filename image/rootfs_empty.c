// SPDX-License-Identifier: Apache-2.0
// An empty ext4 file system for a container's writable layer, in a sparse file.
#include "image/image.h"

#include "base/err.h"
#include "image/file_data.h"

#include <errno.h>
#include <et/com_err.h>
#include <ext2fs/ext2fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* One inode for this many bytes: as mke2fs does for file systems of any kind. */
#define BYTES_PER_INODE 16384u

static int ext2_error(struct err *err, errcode_t code, const char *what)
{
	return err_set(err, code > 0 && code < 256 ? -(int)code : -EIO, "disk: %s: %s", what,
		error_message(code));
}

/* The root folder and the reserved inodes; lost+found comes with the first repair. */
static errcode_t make_root(ext2_filsys fs)
{
	errcode_t code;

	for (ext2_ino_t ino = 1; ino < EXT2_FIRST_INODE(fs->super); ino++)
		if (ino != EXT2_ROOT_INO)
			ext2fs_inode_alloc_stats2(fs, ino, +1, 0);
	code = ext2fs_mkdir(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, NULL);
	return code;
}

/*
 * The file reads as zeros, which is all that inode tables and unused bitmaps need: groups are
 * marked so that the kernel neither reads the bitmaps nor zeroes the tables.
 */
static void mark_zeroed(ext2_filsys fs)
{
	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		ext2fs_bg_flags_set(fs, g, EXT2_BG_INODE_ZEROED);
		ext2fs_group_desc_csum_set(fs, g);
	}
}

int rootfs_make_empty(int fd, uint64_t size, struct err *err)
{
	struct ext2_super_block param = {
		.s_log_block_size = 2,
		.s_log_cluster_size = 2,
		.s_rev_level = EXT2_DYNAMIC_REV,
		.s_inode_size = 256,
		.s_log_groups_per_flex = 4,
		.s_feature_compat = EXT2_FEATURE_COMPAT_EXT_ATTR | EXT2_FEATURE_COMPAT_DIR_INDEX |
				    EXT4_FEATURE_COMPAT_SPARSE_SUPER2,
		.s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE |
				      EXT3_FEATURE_INCOMPAT_EXTENTS | EXT4_FEATURE_INCOMPAT_FLEX_BG,
		.s_feature_ro_compat =
			EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
			EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_GDT_CSUM |
			EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE,
	};
	char name[16];
	ext2_filsys fs;
	errcode_t code;
	int copy;

	if (size < ROOTFS_EMPTY_MIN || size > ROOTFS_EMPTY_MAX)
		return err_set(err, -ERANGE, "disk: size %llu is not between 1 MiB and 4 TiB",
			(unsigned long long)size);
	initialize_ext2_error_table();
	ext2fs_blocks_count_set(&param, size / ROOTFS_BLOCK_SIZE);
	param.s_inodes_count = (uint32_t)(size / BYTES_PER_INODE);
	if (ftruncate(fd, (off_t)(size / ROOTFS_BLOCK_SIZE * ROOTFS_BLOCK_SIZE)))
		return err_errno(err, errno, "disk: resize");
	copy = dup(fd);
	if (copy < 0)
		return err_errno(err, errno, "disk: dup");
	snprintf(name, sizeof(name), "%d", copy);
	code = ext2fs_initialize(name, EXT2_FLAG_64BITS, &param, unixfd_io_manager, &fs);
	if (code) {
		close(copy);
		return ext2_error(err, code, "create");
	}
	fs->super->s_max_mnt_count = -1;
	fs->super->s_creator_os = EXT2_OS_LINUX;
	fs->super->s_mkfs_time = (uint32_t)time(NULL);
	fs->super->s_def_hash_version = EXT2_HASH_HALF_MD4;
	if (getrandom(fs->super->s_uuid, sizeof(fs->super->s_uuid), 0) < 0 ||
		getrandom(fs->super->s_hash_seed, sizeof(fs->super->s_hash_seed), 0) < 0) {
		ext2fs_free(fs);
		return err_errno(err, errno, "disk: random number");
	}
	code = ext2fs_allocate_tables(fs);
	if (!code)
		code = make_root(fs);
	if (code) {
		ext2fs_free(fs);
		return ext2_error(err, code, "create");
	}
	mark_zeroed(fs);
	code = ext2fs_close_free(&fs);
	return code ? ext2_error(err, code, "finish") : 0;
}
