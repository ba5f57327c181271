// SPDX-License-Identifier: Apache-2.0
// Tests of image/rootfs.h and rootfs_make_empty(): what is written must satisfy e2fsck and
// libext2fs.
#include "image/rootfs.h"

#include "base/err.h"
#include "image/file_data.h"
#include "image/image.h"
#include "image/layer_stream.h"
#include "image/layers.h"
#include "image/limits.h"
#include "tests/lib/image_fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[FIXTURE_PATH_SIZE];
static char path[FIXTURE_PATH_SIZE * 2];
static struct tree tree;
static struct file_data data;
static struct tar tar;
static struct err err;
static ext2_filsys fs;
static int fd = -1;

static void open_image(void)
{
	snprintf(path, sizeof(path), "%s/image", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
}

static void start(void)
{
	fixture_make(dir);
	open_image();
	ck_assert_int_eq(tree_init(&tree), 0);
	ck_assert_int_eq(file_data_init(&data, fd), 0);
	tree.released = file_data_released;
	tree.released_arg = &data;
	tar_begin(&tar, "none");
}

static void apply(void)
{
	struct layers layers = {.tree = &tree, .data = &data};
	struct layer_stream stream = {.name = "layer"};

	tar_end(&tar);
	stream.data = tar.data;
	stream.data_left = tar.size;
	ck_assert_msg(!layer_stream_open(&stream, &err), "%s", err.msg);
	ck_assert_msg(!layers_apply(&layers, &stream, &err), "%s", err.msg);
	layer_stream_close(&stream);
	tar_fini(&tar);
}

static int write_image(void)
{
	int r = rootfs_write(fd, &tree, data.next_block, "identity", &err);

	tree_fini(&tree);
	file_data_fini(&data);
	return r;
}

/* e2fsck must find nothing to complain about. */
static void check_fsck(void)
{
	char command[FIXTURE_PATH_SIZE * 4];
	int status;

	snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin:/sbin e2fsck -fn %s >%s/fsck 2>&1",
		path, dir);
	status = system(command);
	if (status) {
		char *text;

		fixture_read(dir, "fsck", &text);
		ck_abort_msg("e2fsck: status %d: %s", status, text);
	}
}

static void open_fs(void)
{
	ck_assert_int_eq(ext2fs_open(path, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs), 0);
}

static void end(void)
{
	if (fs)
		ext2fs_close_free(&fs);
	close(fd);
	fixture_remove(dir);
}

static void finish(void)
{
	apply();
	ck_assert_msg(!write_image(), "%s", err.msg);
	check_fsck();
	open_fs();
}

static ext2_ino_t find(const char *name)
{
	ext2_ino_t ino = 0;

	ck_assert_msg(!ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, name, &ino), "%s isn't there",
		name);
	return ino;
}

static struct ext2_inode_large read_inode(const char *name)
{
	struct ext2_inode_large inode;

	ck_assert_int_eq(ext2fs_read_inode_full(fs, find(name), (struct ext2_inode *)(void *)&inode,
				 sizeof(inode)),
		0);
	return inode;
}

static size_t read_file(const char *name, uint64_t offset, void *buf, unsigned int n)
{
	ext2_file_t file;
	unsigned int got = 0;

	ck_assert_int_eq(ext2fs_file_open(fs, find(name), 0, &file), 0);
	ck_assert_int_eq(ext2fs_file_llseek(file, offset, EXT2_SEEK_SET, NULL), 0);
	ck_assert_int_eq(ext2fs_file_read(file, buf, n, &got), 0);
	ext2fs_file_close(file);
	return got;
}

START_TEST(empty_tree)
{
	start();
	finish();
	ck_assert_uint_eq(
		fs->super->s_free_inodes_count, fs->super->s_inodes_count - (ROOTFS_FIRST_INO - 1));
	end();
}
END_TEST

START_TEST(everything_comes_back)
{
	char target[200], buf[64] = {0};
	struct ext2_inode_large inode;
	ext2_ino_t ino;

	memset(target, 't', sizeof(target) - 1);
	target[sizeof(target) - 1] = '\0';
	start();
	tar_add(&tar, &(struct tar_entry){.path = "bin/su",
			      .mode = S_IFREG | 04755,
			      .uid = 70000,
			      .gid = 5,
			      .mtime = 5000000000,
			      .mtime_ns = 123456789,
			      .contents = "contents",
			      .size = 8});
	tar_hardlink(&tar, "bin/sudo", "bin/su");
	tar_symlink(&tar, "short", "bin/su");
	tar_symlink(&tar, "long", target);
	target[59] = '\0';
	tar_symlink(&tar, "fits", target);
	tar_add(&tar, &(struct tar_entry){
			      .path = "null", .mode = S_IFCHR | 0666, .major = 1, .minor = 3});
	tar_add(&tar,
		&(struct tar_entry){
			.path = "disk", .mode = S_IFBLK | 0660, .major = 259, .minor = 70000});
	tar_add(&tar, &(struct tar_entry){.path = "pipe", .mode = S_IFIFO | 0600});
	tar_add(&tar, &(struct tar_entry){.path = "tmp", .mode = S_IFDIR | 01777, .mtime = -7});
	tar_file(&tar, "empty", "");
	finish();

	ck_assert_uint_eq(read_file("bin/su", 0, buf, sizeof(buf)), 8);
	ck_assert_str_eq(buf, "contents");
	inode = read_inode("bin/su");
	ck_assert_uint_eq(inode.i_mode, S_IFREG | 04755);
	ck_assert_uint_eq(inode_uid(inode), 70000);
	ck_assert_uint_eq(inode_gid(inode), 5);
	ck_assert_uint_eq(inode.i_links_count, 2);
	ck_assert_uint_eq(inode.i_mtime, (uint32_t)5000000000);
	ck_assert_uint_eq(inode.i_mtime_extra, 123456789u << 2 | 1);
	ck_assert_uint_eq(find("bin/sudo"), find("bin/su"));
	ck_assert_int_eq(ext2fs_namei_follow(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, "short", &ino), 0);
	ck_assert_uint_eq(ino, find("bin/su"));
	ck_assert_uint_eq(read_inode("long").i_size, 199);
	ck_assert_uint_eq(read_inode("fits").i_size, 59);
	ck_assert_uint_eq(read_inode("null").i_block[0], 0x103);
	ck_assert_uint_eq(read_inode("disk").i_block[1], 0x11110370);
	ck_assert_uint_eq(read_inode("pipe").i_mode, S_IFIFO | 0600);
	inode = read_inode("tmp");
	ck_assert_uint_eq(inode.i_mode, S_IFDIR | 01777);
	ck_assert_int_eq((int32_t)inode.i_mtime, -7);
	ck_assert_uint_eq(inode.i_mtime_extra, 0);
	ck_assert_uint_eq(read_inode("empty").i_size, 0);
	end();
}
END_TEST

static void check_xattr(const char *file, const char *name, const void *value, size_t size)
{
	struct ext2_xattr_handle *handle;
	size_t got = 0;
	void *read = NULL;

	ck_assert_int_eq(ext2fs_xattrs_open(fs, find(file), &handle), 0);
	ck_assert_int_eq(ext2fs_xattrs_read(handle), 0);
	ck_assert_msg(!ext2fs_xattr_get(handle, name, &read, &got), "%s: no %s", file, name);
	ck_assert_uint_eq(got, size);
	ck_assert_mem_eq(read, value, size);
	ext2fs_free_mem(&read);
	ext2fs_xattrs_close(&handle);
}

START_TEST(xattrs_come_back)
{
	/* Version 2; owner rwx, user 5 r--, group r--, mask r--, others none. */
	uint8_t acl[] = {2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 4, 0, 5, 0, 0, 0, 4, 0,
		4, 0, 255, 255, 255, 255, 16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255,
		255, 255};
	static char large[3000];

	memset(large, 'L', sizeof(large));
	start();
	tar_add(&tar, &(struct tar_entry){.path = "cap",
			      .mode = S_IFREG | 0755,
			      .xattr = "security.capability",
			      .xattr_value = "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0",
			      .xattr_size = 20});
	tar_add(&tar, &(struct tar_entry){.path = "large",
			      .mode = S_IFDIR | 0755,
			      .xattr = "user.large",
			      .xattr_value = large,
			      .xattr_size = sizeof(large)});
	tar_add(&tar, &(struct tar_entry){.path = "acl",
			      .mode = S_IFREG | 0740,
			      .xattr = "system.posix_acl_access",
			      .xattr_value = acl,
			      .xattr_size = sizeof(acl)});
	finish();
	check_xattr("cap", "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	check_xattr("large", "user.large", large, sizeof(large));
	/* The disk has no number where none is meant, and the library reads that as 0. */
	for (size_t i = 0; i < sizeof(acl); i++)
		if (acl[i] == 255)
			acl[i] = 0;
	check_xattr("acl", "system.posix_acl_access", acl, sizeof(acl));
	end();
}
END_TEST

START_TEST(malformed_acl_is_an_error)
{
	start();
	tar_add(&tar, &(struct tar_entry){.path = "acl",
			      .mode = S_IFREG | 0740,
			      .xattr = "system.posix_acl_access",
			      .xattr_value = "\2\0\0\0\1",
			      .xattr_size = 5});
	apply();
	ck_assert_int_lt(write_image(), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "posix_acl_access"));
	end();
}
END_TEST

START_TEST(large_folders)
{
	enum { COUNT = 10000 };
	char name[64];

	start();
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "big/a-name-of-some-length-%d", i);
		tar_file(&tar, name, "x");
	}
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "dirs/%d/sub", i);
		tar_dir(&tar, name);
	}
	finish();
	for (int i = 0; i < COUNT; i += 1111) {
		snprintf(name, sizeof(name), "big/a-name-of-some-length-%d", i);
		find(name);
	}
	ck_assert_uint_eq(read_inode("dirs").i_links_count, 302);
	end();
}
END_TEST

START_TEST(large_sparse_file)
{
	struct tree_place place;
	struct ext2_inode_large raw;
	struct tree_inode *inode;
	uint8_t byte = 0;

	/* 3 GiB with a byte here and there: an extent tree of two levels, physically apart. */
	start();
	apply();
	inode = tree_inode_new(&tree, S_IFREG | 0644);
	inode->size = UINT64_C(3) << 30;
	file_data_begin(&data);
	for (uint64_t at = 0; at < inode->size; at += 2 * FILE_WINDOW)
		ck_assert_int_eq(file_data_add(&data, &tree, inode, at, "x", 1), 0);
	ck_assert_int_eq(file_data_end(&data, &tree, inode), 0);
	ck_assert_uint_gt(inode->nextents, 4 * 340);
	ck_assert_int_eq(tree_resolve(&tree, "huge", false, 0, &place), 0);
	ck_assert_int_eq(tree_put(&tree, &place, inode), 0);
	ck_assert_msg(!write_image(), "%s", err.msg);
	check_fsck();
	open_fs();
	raw = read_inode("huge");
	ck_assert_uint_eq((uint64_t)raw.i_size_high << 32 | raw.i_size, UINT64_C(3) << 30);
	ck_assert_uint_eq(read_file("huge", (UINT64_C(3) << 30) - 2 * FILE_WINDOW, &byte, 1), 1);
	ck_assert_uint_eq(byte, 'x');
	ck_assert_uint_eq(read_file("huge", FILE_WINDOW, &byte, 1), 1);
	ck_assert_uint_eq(byte, 0);
	end();
}
END_TEST

START_TEST(several_groups)
{
	/* More than 128 MiB in one run: two extents on disk, and groups without a superblock. */
	const uint64_t size = UINT64_C(300) << 20;
	struct extent extent = {0, ROOTFS_DATA_START, 76800};
	struct tree_place place;
	struct tree_inode *inode;
	uint8_t byte = 0;

	start();
	apply();
	inode = tree_inode_new(&tree, S_IFREG | 0644);
	inode->size = size;
	ck_assert_int_eq(tree_add_extent(&tree, inode, &extent), 0);
	data.next_block += extent.count;
	ck_assert_int_eq(tree_resolve(&tree, "big", false, 0, &place), 0);
	ck_assert_int_eq(tree_put(&tree, &place, inode), 0);
	ck_assert_int_eq(pwrite(fd, "z", 1, (off_t)(ROOTFS_DATA_START * 4096ull + size - 1)), 1);
	ck_assert_msg(!write_image(), "%s", err.msg);
	check_fsck();
	open_fs();
	ck_assert_uint_eq(fs->group_desc_count, 3);
	ck_assert_uint_eq(read_file("big", size - 1, &byte, 1), 1);
	ck_assert_uint_eq(byte, 'z');
	end();
}
END_TEST

START_TEST(group_boundaries)
{
	/* The metadata begins just before, at and behind the end of a group. */
	for (uint32_t used = 32768 - 200; used <= 32768 + 10; used += 30) {
		start();
		apply();
		data.next_block = used;
		ck_assert_msg(!write_image(), "%u: %s", used, err.msg);
		check_fsck();
		end();
	}
}
END_TEST

START_TEST(many_links)
{
	struct tree_place place, target;
	char name[32];

	start();
	tar_file(&tar, "file", "x");
	apply();
	ck_assert_int_eq(tree_resolve(&tree, "file", false, 0, &target), 0);
	for (int i = 1; i <= TREE_LINKS_MAX; i++) {
		snprintf(name, sizeof(name), "link%d", i);
		ck_assert_int_eq(tree_resolve(&tree, name, false, 0, &place), 0);
		ck_assert_int_eq(
			tree_link(&tree, &place, target.node), i < TREE_LINKS_MAX ? 0 : -EMLINK);
	}
	ck_assert_msg(!write_image(), "%s", err.msg);
	check_fsck();
	open_fs();
	ck_assert_uint_eq(read_inode("file").i_links_count, TREE_LINKS_MAX);
	end();
}
END_TEST

static void make_one(const char *name, char **ret_bytes, size_t *ret_n)
{
	open_image();
	ck_assert_int_eq(tree_init(&tree), 0);
	ck_assert_int_eq(file_data_init(&data, fd), 0);
	tar_begin(&tar, "none");
	tar_file(&tar, "z/b", "1");
	tar_file(&tar, "z/a", "2");
	tar_add(&tar, &(struct tar_entry){.path = "c",
			      .mode = S_IFREG | 0644,
			      .xattr = "user.x",
			      .xattr_value = path,
			      .xattr_size = 200});
	apply();
	ck_assert_msg(!write_image(), "%s", err.msg);
	*ret_n = fixture_read(dir, name, ret_bytes);
	close(fd);
}

START_TEST(same_input_same_bytes)
{
	char *a, *b;
	size_t n, m;

	fixture_make(dir);
	make_one("image", &a, &n);
	sleep(1);
	make_one("image", &b, &m);
	ck_assert_uint_eq(n, m);
	ck_assert_mem_eq(a, b, n);
	free(a);
	free(b);
	fixture_remove(dir);
}
END_TEST

START_TEST(empty_disk)
{
	static const uint64_t sizes[] = {ROOTFS_EMPTY_MIN, (UINT64_C(1) << 20) + 5,
		UINT64_C(64) << 20, (UINT64_C(128) << 20) + 4096, UINT64_C(10) << 30};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct stat st;

		fixture_make(dir);
		open_image();
		ck_assert_msg(!rootfs_make_empty(fd, sizes[i], &err), "%s", err.msg);
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_int_eq(st.st_size, (off_t)(sizes[i] & ~4095ull));
		ck_assert_int_lt(st.st_blocks * 512, 1 << 20);
		check_fsck();
		open_fs();
		ck_assert_uint_ne(find("."), 0);
		end();
	}
}
END_TEST

START_TEST(empty_disk_sizes)
{
	fixture_make(dir);
	open_image();
	ck_assert_int_eq(rootfs_make_empty(fd, ROOTFS_EMPTY_MIN - 1, &err), -ERANGE);
	ck_assert_int_eq(rootfs_make_empty(fd, ROOTFS_EMPTY_MAX + 1, &err), -ERANGE);
	end();
}
END_TEST

SUITE("image_rootfs", empty_tree, everything_comes_back, xattrs_come_back,
	malformed_acl_is_an_error, large_folders, large_sparse_file, several_groups,
	group_boundaries, many_links, same_input_same_bytes, empty_disk, empty_disk_sizes)
