// SPDX-License-Identifier: Apache-2.0
// Tests of image/layers.h and tree.h: what an entry may say, and what becomes of it in the tree.
#include "image/layers.h"

#include "image/limits.h"
#include "image/tree.h"
#include "tests/lib/image_fixture.h"
#include "tests/lib/layers_fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

START_TEST(attributes_survive)
{
	struct tree_inode *inode;

	start();
	tar_add(&tar, &(struct tar_entry){.path = "./bin/su",
			      .mode = S_IFREG | 04755,
			      .uid = 1,
			      .gid = 3000000000u,
			      .mtime = 1700000000,
			      .mtime_ns = 5,
			      .contents = "su",
			      .size = 2,
			      .xattr = "security.capability",
			      .xattr_value = "\1\0\0\2",
			      .xattr_size = 4});
	tar_add(&tar, &(struct tar_entry){
			      .path = "dev/null", .mode = S_IFCHR | 0666, .major = 1, .minor = 3});
	tar_add(&tar, &(struct tar_entry){.path = "pipe", .mode = S_IFIFO | 0600});
	tar_add(&tar, &(struct tar_entry){.path = "old", .mode = S_IFDIR | 01777, .mtime = -5});
	tar_symlink(&tar, "out", "../../../etc/passwd");
	APPLY();
	check_text("bin/su", "su");
	inode = at("/bin/su");
	ck_assert_uint_eq(inode->mode, S_IFREG | 04755);
	ck_assert_uint_eq(inode->uid, 1);
	ck_assert_uint_eq(inode->gid, 3000000000u);
	ck_assert_int_eq(inode->mtime, 1700000000);
	ck_assert_uint_eq(inode->mtime_ns, 5);
	ck_assert_str_eq(inode->xattrs->name, "security.capability");
	ck_assert_uint_eq(inode->xattrs->size, 4);
	ck_assert_mem_eq(inode->xattrs->value, "\1\0\0\2", 4);
	/* A parent that no entry describes. */
	ck_assert_uint_eq(at("bin")->mode, S_IFDIR | 0755);
	ck_assert_uint_eq(at("dev/null")->rdev_minor, 3);
	ck_assert_uint_eq(at("pipe")->mode, S_IFIFO | 0600);
	ck_assert_int_eq(at("old")->mtime, -5);
	/* Only text: it is followed in the guest. */
	ck_assert_str_eq(at("out")->target, "../../../etc/passwd");
	finish();
}
END_TEST

START_TEST(xattrs_are_filtered)
{
	start();
	tar_add(&tar, &(struct tar_entry){.path = "a",
			      .mode = S_IFDIR | 0755,
			      .xattr = "trusted.overlay.opaque",
			      .xattr_value = "y",
			      .xattr_size = 1});
	tar_add(&tar, &(struct tar_entry){.path = "b",
			      .mode = S_IFDIR | 0755,
			      .xattr = "user.x",
			      .xattr_value = "y",
			      .xattr_size = 1});
	APPLY();
	ck_assert_ptr_null(at("a")->xattrs);
	ck_assert_str_eq(at("b")->xattrs->name, "user.x");
	finish();
}
END_TEST

START_TEST(large_xattr_is_refused)
{
	static char value[XATTR_BYTES_MAX];

	start();
	tar_add(&tar, &(struct tar_entry){.path = "b",
			      .mode = S_IFDIR | 0755,
			      .xattr = "user.x",
			      .xattr_value = value,
			      .xattr_size = sizeof(value)});
	check_refused("extended attributes");
}
END_TEST

START_TEST(names_are_bytes)
{
	start();
	tar_file(&tar, "caf\xc3\xa9", "utf-8");
	tar_file(&tar, "cafe\xcc\x81", "decomposed");
	tar_file(&tar, "caf\xe9", "latin-1");
	APPLY();
	check_text("caf\xc3\xa9", "utf-8");
	check_text("cafe\xcc\x81", "decomposed");
	check_text("caf\xe9", "latin-1");
	finish();
}
END_TEST

START_TEST(paths_are_normalised)
{
	start();
	tar_dir(&tar, "./");
	tar_file(&tar, "/abs/x", "1");
	tar_file(&tar, "./a/./b//c", "2");
	tar_file(&tar, "//d", "3");
	APPLY();
	check_text("abs/x", "1");
	check_text("a/b/c", "2");
	check_text("d", "3");
	ck_assert_uint_eq(tree.root->nchildren, 3);
	finish();
}
END_TEST

START_TEST(root_entry_sets_the_root)
{
	start();
	tar_add(&tar, &(struct tar_entry){.path = "./", .mode = S_IFDIR | 0700, .uid = 7});
	APPLY();
	ck_assert_uint_eq(tree.root->mode, S_IFDIR | 0700);
	ck_assert_uint_eq(tree.root->uid, 7);
	tar_file(&tar, "./.", "x");
	check_refused("not possible for a folder");
}
END_TEST

START_TEST(dot_dot_is_refused)
{
	static const char *const paths[] = {"../x", "a/../../x", "a/..", "/../x", "./../x"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		start();
		tar_dir(&tar, "a");
		tar_file(&tar, paths[i], "x");
		check_refused("\"..\"");
	}
	start();
	tar_file(&tar, "..x/...", "fine");
	APPLY();
	check_text("..x/...", "fine");
	finish();
}
END_TEST

START_TEST(depth_is_bounded)
{
	char path[TREE_PATH_MAX] = "";

	start();
	for (int i = 0; i < TREE_DEPTH_MAX; i++)
		strcat(path, "d/");
	tar_dir(&tar, path);
	APPLY();
	tar_dir(&tar, "x");
	strcat(path, "d/");
	tar_dir(&tar, path);
	check_refused("too deep");
}
END_TEST

START_TEST(names_are_bounded)
{
	char path[TREE_PATH_MAX + 10];

	memset(path, 'n', sizeof(path));
	path[TREE_NAME_MAX] = '\0';
	start();
	tar_file(&tar, path, "1");
	APPLY();
	path[TREE_NAME_MAX] = 'n';
	path[TREE_NAME_MAX + 1] = '\0';
	tar_file(&tar, path, "1");
	check_refused("too long");
	start();
	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 4 == 3 ? '/' : 'n';
	path[TREE_PATH_MAX] = '\0';
	tar_file(&tar, path, "1");
	check_refused("too long");
}
END_TEST

START_TEST(owner_is_checked)
{
	start();
	tar_add(&tar, &(struct tar_entry){.path = "a", .mode = S_IFDIR, .uid = UINT32_MAX});
	check_refused("owner");
}
END_TEST

START_TEST(device_number_is_checked)
{
	start();
	tar_add(&tar, &(struct tar_entry){.path = "a", .mode = S_IFBLK, .major = 0x1000});
	check_refused("device number");
}
END_TEST

START_TEST(memory_is_bounded)
{
	start();
	tree.memory = TREE_MEMORY_MAX - 300;
	tar_file(&tar, "a/b/c/d/e/f", "1");
	ck_assert_int_eq(apply(), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(err.msg, "too many files"));
	finish();
}
END_TEST

SUITE("image_layers", attributes_survive, xattrs_are_filtered, large_xattr_is_refused,
	names_are_bytes, paths_are_normalised, root_entry_sets_the_root, dot_dot_is_refused,
	depth_is_bounded, names_are_bounded, owner_is_checked, device_number_is_checked,
	memory_is_bounded)
