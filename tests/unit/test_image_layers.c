// SPDX-License-Identifier: Apache-2.0
// Tests of image/layers.h, layer_stream.h, file_data.h and tree.h: archives in, merged tree out.
#include "image/layers.h"

#include "base/err.h"
#include "image/file_data.h"
#include "image/layer_stream.h"
#include "image/limits.h"
#include "image/tree.h"
#include "tests/lib/image_fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tree tree;
static struct file_data data;
static struct layers layers;
static struct tar tar;
static struct err err;
static int image_fd = -1;

static void start(void)
{
	image_fd = memfd_create("image", MFD_CLOEXEC);
	ck_assert_int_ge(image_fd, 0);
	ck_assert_int_eq(tree_init(&tree), 0);
	ck_assert_int_eq(file_data_init(&data, image_fd), 0);
	tree.released = file_data_released;
	tree.released_arg = &data;
	layers = (struct layers){.tree = &tree, .data = &data};
	tar_begin(&tar, "none");
}

static void end(void)
{
	tree_fini(&tree);
	file_data_fini(&data);
	close(image_fd);
}

static int apply_with(const char *blob_digest, const char *diff_id)
{
	struct layer_stream stream = {
		.name = "layer", .blob_digest = blob_digest, .diff_id = diff_id};
	int r;

	stream.data = tar.data;
	stream.data_left = tar.size;
	memset(&err, 0, sizeof(err));
	r = layer_stream_open(&stream, &err);
	if (!r)
		r = layers_apply(&layers, &stream, &err);
	layer_stream_close(&stream);
	tar_fini(&tar);
	return r;
}

/* Apply what was written so far as one layer and begin the next. */
static int apply(void)
{
	int r;

	tar_end(&tar);
	r = apply_with(NULL, NULL);
	tar_begin(&tar, "none");
	return r;
}

#define APPLY() ck_assert_msg(!apply(), "%s", err.msg)

static void finish(void)
{
	tar_end(&tar);
	tar_fini(&tar);
	end();
}

/* The layer must be refused, with @word in the message. */
static void check_refused(const char *word)
{
	ck_assert_int_lt(apply(), 0);
	ck_assert_msg(strstr(err.msg, word), "message without %s: %s", word, err.msg);
	finish();
}

static struct tree_inode *look(const char *path)
{
	struct tree_place place;

	if (tree_resolve(&tree, path, false, 0, &place))
		return NULL;
	return place.node ? place.node->inode : NULL;
}

static struct tree_inode *at(const char *path)
{
	struct tree_inode *inode = look(path);

	if (!inode)
		ck_abort_msg("%s isn't there", path);
	return inode;
}

static void check_text(const char *path, const char *text)
{
	struct tree_inode *inode = at(path);
	char buf[4096] = {0};

	ck_assert_msg(S_ISREG(inode->mode), "%s isn't a file", path);
	ck_assert_uint_eq(inode->size, strlen(text));
	ck_assert_uint_eq(inode->nextents, 1);
	ck_assert_int_eq(pread(image_fd, buf, sizeof(buf),
				 (off_t)inode->extents[0].physical * ROOTFS_BLOCK_SIZE),
		sizeof(buf));
	ck_assert_str_eq(buf, text);
}

#define CHECK_GONE(path) ck_assert_msg(!look(path), "%s is still there", path)

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

START_TEST(hard_links_share)
{
	start();
	tar_file(&tar, "a", "one");
	tar_hardlink(&tar, "b/c", "./a");
	APPLY();
	ck_assert_ptr_eq(at("a"), at("b/c"));
	ck_assert_uint_eq(at("a")->links, 2);
	/* Across layers, and over what is there. */
	tar_hardlink(&tar, "d", "b/c");
	tar_hardlink(&tar, "a", "b/c");
	tar_file(&tar, "b/c", "two");
	APPLY();
	check_text("a", "one");
	check_text("d", "one");
	check_text("b/c", "two");
	ck_assert_uint_eq(at("a")->links, 2);
	/* Over the folder its target is in. */
	tar_hardlink(&tar, "b", "b/c");
	APPLY();
	check_text("b", "two");
	ck_assert_uint_eq(at("b")->links, 1);
	finish();
}
END_TEST

START_TEST(bad_hard_links_are_refused)
{
	start();
	tar_hardlink(&tar, "x", "../etc/passwd");
	check_refused("\"..\"");
	start();
	tar_hardlink(&tar, "x", "/etc/passwd");
	check_refused("isn't there");
	start();
	tar_dir(&tar, "a");
	tar_hardlink(&tar, "x", "a");
	check_refused("not possible for a folder");
	start();
	tar_hardlink(&tar, "x", "x");
	check_refused("isn't there");
	start();
	tar_file(&tar, "a", "1");
	tar_hardlink(&tar, "a", "a");
	APPLY();
	check_text("a", "1");
	finish();
}
END_TEST

START_TEST(parents_may_be_symlinks)
{
	start();
	tar_dir(&tar, "usr/lib");
	tar_symlink(&tar, "lib", "usr/lib");
	tar_symlink(&tar, "abs", "/usr");
	tar_symlink(&tar, "up", "../../../usr/../usr/./lib");
	tar_symlink(&tar, "hop", "abs/lib");
	APPLY();
	tar_file(&tar, "lib/a", "1");
	tar_file(&tar, "abs/lib/b", "2");
	tar_file(&tar, "up/c", "3");
	tar_file(&tar, "hop/d", "4");
	tar_hardlink(&tar, "lib/e", "hop/d");
	APPLY();
	check_text("usr/lib/a", "1");
	check_text("usr/lib/b", "2");
	check_text("usr/lib/c", "3");
	check_text("usr/lib/d", "4");
	ck_assert_ptr_eq(at("usr/lib/e"), at("usr/lib/d"));
	ck_assert(S_ISLNK(at("lib")->mode));
	finish();
}
END_TEST

START_TEST(symlinks_stay_inside)
{
	start();
	tar_symlink(&tar, "out", "/../../tmp");
	tar_file(&tar, "out/evil", "1");
	APPLY();
	check_text("tmp/evil", "1");
	ck_assert_int_ne(access("/tmp/evil", F_OK), 0);
	finish();
}
END_TEST

START_TEST(symlink_loops_end)
{
	start();
	tar_symlink(&tar, "a", "b");
	tar_symlink(&tar, "b", "a");
	tar_file(&tar, "a/x", "1");
	check_refused("symlinks");
	start();
	tar_symlink(&tar, "a", "a/a/a/a");
	tar_file(&tar, "a/x", "1");
	check_refused("symlinks");
}
END_TEST

START_TEST(types_replace_each_other)
{
	start();
	tar_file(&tar, "a/b", "1");
	tar_file(&tar, "c", "2");
	tar_symlink(&tar, "l", "a");
	tar_file(&tar, "keep/x", "3");
	APPLY();
	tar_file(&tar, "a", "file");
	tar_dir(&tar, "c");
	tar_file(&tar, "c/d", "4");
	tar_dir(&tar, "l");
	tar_dir(&tar, "keep");
	APPLY();
	check_text("a", "file");
	CHECK_GONE("a/b");
	check_text("c/d", "4");
	ck_assert(S_ISDIR(at("l")->mode));
	check_text("keep/x", "3");
	finish();
}
END_TEST

START_TEST(file_is_no_parent)
{
	start();
	tar_file(&tar, "a", "1");
	tar_file(&tar, "a/b", "2");
	check_refused("not a folder");
}
END_TEST

START_TEST(lower_file_gives_way_to_a_folder)
{
	start();
	tar_file(&tar, "a", "1");
	APPLY();
	tar_file(&tar, "a/b/c", "2");
	APPLY();
	ck_assert(S_ISDIR(at("a")->mode));
	check_text("a/b/c", "2");
	finish();
}
END_TEST

START_TEST(whiteout_removes_lower)
{
	start();
	tar_file(&tar, "a/b", "1");
	tar_file(&tar, "a/c", "2");
	tar_file(&tar, "d/e/f", "3");
	APPLY();
	tar_file(&tar, "a/.wh.b", "");
	tar_file(&tar, ".wh.d", "");
	tar_file(&tar, ".wh.absent", "");
	tar_file(&tar, "no/such/.wh.dir", "");
	APPLY();
	CHECK_GONE("a/b");
	CHECK_GONE("d");
	CHECK_GONE("no");
	check_text("a/c", "2");
	ck_assert_uint_eq(tree.nnodes, 2);
	finish();
}
END_TEST

/* The same layer, its entries forwards and backwards, must give the same. */
static void whiteout_in_order(bool backwards)
{
	static const char *const entries[] = {".wh.d", "d/", "d/new", ".wh.f", "f",
		"o/.wh..wh..opq", "o/new", "o/sub/new", "p/q/.wh..wh..opq", "p/q/r/new"};
	const int n = sizeof(entries) / sizeof(entries[0]);

	start();
	tar_file(&tar, "d/old", "1");
	tar_file(&tar, "f", "old");
	tar_file(&tar, "o/old", "2");
	tar_file(&tar, "o/sub/old", "3");
	tar_file(&tar, "p/keep", "4");
	tar_file(&tar, "p/q/r/old", "5");
	APPLY();
	for (int i = 0; i < n; i++) {
		const char *path = entries[backwards ? n - 1 - i : i];

		if (path[strlen(path) - 1] == '/')
			tar_dir(&tar, path);
		else
			tar_file(&tar, path, "new");
	}
	APPLY();
	CHECK_GONE("d/old");
	check_text("d/new", "new");
	check_text("f", "new");
	CHECK_GONE("o/old");
	CHECK_GONE("o/sub/old");
	check_text("o/new", "new");
	check_text("o/sub/new", "new");
	check_text("p/keep", "4");
	CHECK_GONE("p/q/r/old");
	check_text("p/q/r/new", "new");
	finish();
}

START_TEST(whiteouts_spare_their_own_layer)
{
	whiteout_in_order(false);
	whiteout_in_order(true);
}
END_TEST

START_TEST(whiteouts_follow_symlinked_parents)
{
	start();
	tar_file(&tar, "usr/lib/a", "1");
	tar_symlink(&tar, "lib", "/usr/lib");
	tar_symlink(&tar, "x", "usr/lib");
	APPLY();
	tar_file(&tar, "lib/.wh.a", "");
	/* The link itself, not what it points to. */
	tar_file(&tar, ".wh.x", "");
	APPLY();
	CHECK_GONE("usr/lib/a");
	CHECK_GONE("x");
	ck_assert_ptr_nonnull(at("usr/lib"));
	finish();
}
END_TEST

START_TEST(odd_whiteouts_are_refused)
{
	start();
	tar_file(&tar, ".wh.", "");
	check_refused("whiteout of nothing");
	start();
	tar_file(&tar, "a/.wh...", "");
	APPLY();
	tar_dir(&tar, "a");
	APPLY();
	tar_file(&tar, "a/.wh...", "");
	check_refused("whiteout of nothing");
	start();
	tar_file(&tar, "../.wh.x", "");
	check_refused("\"..\"");
	start();
	tar_file(&tar, "a", "1");
	tar_dir(&tar, ".wh..wh.plnk");
	APPLY();
	ck_assert_uint_eq(tree.nnodes, 1);
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

START_TEST(zeros_become_holes)
{
	static uint8_t bytes[6 * FILE_WINDOW];
	struct tree_inode *inode;

	bytes[0] = 1;
	bytes[FILE_WINDOW] = 1;
	bytes[4 * FILE_WINDOW + 5000] = 1;
	start();
	tar_add(&tar,
		&(struct tar_entry){
			.path = "a", .mode = S_IFREG, .contents = bytes, .size = sizeof(bytes)});
	APPLY();
	inode = at("a");
	ck_assert_uint_eq(inode->size, sizeof(bytes));
	ck_assert_uint_eq(inode->nextents, 2);
	ck_assert_uint_eq(inode->extents[0].count, 2 * FILE_WINDOW / ROOTFS_BLOCK_SIZE);
	ck_assert_uint_eq(inode->extents[1].logical, 4 * FILE_WINDOW / ROOTFS_BLOCK_SIZE);
	finish();
}
END_TEST

START_TEST(replaced_contents_are_released)
{
	static uint8_t bytes[FILE_WINDOW];
	struct stat st;
	blkcnt_t before;

	memset(bytes, 1, sizeof(bytes));
	start();
	tar_add(&tar,
		&(struct tar_entry){
			.path = "a", .mode = S_IFREG, .contents = bytes, .size = sizeof(bytes)});
	APPLY();
	ck_assert_int_eq(fstat(image_fd, &st), 0);
	before = st.st_blocks;
	tar_file(&tar, ".wh.a", "");
	APPLY();
	ck_assert_int_eq(fstat(image_fd, &st), 0);
	ck_assert_int_lt(st.st_blocks, before);
	ck_assert_uint_eq(tree.nnodes, 0);
	finish();
}
END_TEST

START_TEST(file_data_order_and_size)
{
	struct tree_inode *inode;

	start();
	inode = tree_inode_new(&tree, S_IFREG);
	file_data_begin(&data);
	ck_assert_int_eq(file_data_add(&data, &tree, inode, 100, "a", 1), 0);
	ck_assert_int_eq(file_data_add(&data, &tree, inode, 100, "a", 1), -EPROTO);
	ck_assert_int_eq(file_data_add(&data, &tree, inode, FILE_SIZE_MAX, "a", 1), -EFBIG);
	ck_assert_int_eq(file_data_add(&data, &tree, inode, UINT64_MAX, "a", 1), -EFBIG);
	ck_assert_int_eq(file_data_end(&data, &tree, inode), 0);
	ck_assert_uint_eq(inode->nextents, 1);
	data.next_block = (uint32_t)(IMAGE_DATA_MAX / ROOTFS_BLOCK_SIZE);
	file_data_begin(&data);
	ck_assert_int_eq(file_data_add(&data, &tree, inode, 0, "a", 1), 0);
	ck_assert_int_eq(file_data_end(&data, &tree, inode), -EFBIG);
	tree_inode_put(&tree, inode);
	finish();
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

START_TEST(compressions_are_told_apart)
{
	static const char *const filters[] = {"none", "gzip", "zstd"};

	for (size_t i = 0; i < 3; i++) {
		start();
		tar_end(&tar);
		tar_fini(&tar);
		tar_begin(&tar, filters[i]);
		tar_file(&tar, "a", "1");
		APPLY();
		check_text("a", "1");
		finish();
	}
}
END_TEST

START_TEST(empty_layers_are_fine)
{
	start();
	APPLY();
	tar_end(&tar);
	tar_fini(&tar);
	ck_assert_msg(!apply_with(NULL, NULL), "%s", err.msg);
	end();
}
END_TEST

static void digests_of(char blob[80])
{
	char digest[IMAGE_DIGEST_SIZE];

	ck_assert_int_eq(digest_of("sha256:", tar.data, tar.size, digest), 0);
	memcpy(blob, digest, 72);
}

START_TEST(digests_are_compared)
{
	static const char wrong[] =
		"sha256:0000000000000000000000000000000000000000000000000000000000000000";
	char right[80];

	start();
	tar_file(&tar, "a", "1");
	tar_end(&tar);
	digests_of(right);
	ck_assert_msg(!apply_with(right, right), "%s", err.msg);
	end();
	for (int i = 0; i < 2; i++) {
		start();
		tar_file(&tar, "a", "1");
		tar_end(&tar);
		ck_assert_int_eq(apply_with(i ? wrong : right, i ? right : wrong), -EBADMSG);
		ck_assert_ptr_nonnull(strstr(err.msg, "wrong digest"));
		end();
	}
}
END_TEST

START_TEST(damage_is_blamed_on_the_digest)
{
	char right[80];

	start();
	tar_file(&tar, "a", "1");
	tar_end(&tar);
	digests_of(right);
	memset(tar.data, 'x', 400);
	ck_assert_int_eq(apply_with(right, NULL), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "wrong digest"));
	end();
	start();
	tar_file(&tar, "a", "1");
	tar_end(&tar);
	memset(tar.data, 'x', 400);
	ck_assert_int_eq(apply_with(NULL, NULL), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "damaged"));
	end();
}
END_TEST

START_TEST(truncation_is_seen)
{
	static const char *const filters[] = {"none", "gzip", "zstd"};
	static uint8_t bytes[100000];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * i >> 3);
	for (size_t i = 0; i < 3; i++) {
		start();
		tar_end(&tar);
		tar_fini(&tar);
		tar_begin(&tar, filters[i]);
		tar_add(&tar, &(struct tar_entry){.path = "a",
				      .mode = S_IFREG,
				      .contents = bytes,
				      .size = sizeof(bytes)});
		tar_end(&tar);
		tar.size /= 2;
		ck_assert_int_eq(apply_with(NULL, NULL), -EBADMSG);
		end();
	}
}
END_TEST

SUITE("image_layers", attributes_survive, xattrs_are_filtered, large_xattr_is_refused,
	names_are_bytes, paths_are_normalised, root_entry_sets_the_root, dot_dot_is_refused,
	hard_links_share, bad_hard_links_are_refused, parents_may_be_symlinks, symlinks_stay_inside,
	symlink_loops_end, types_replace_each_other, file_is_no_parent,
	lower_file_gives_way_to_a_folder, whiteout_removes_lower, whiteouts_spare_their_own_layer,
	whiteouts_follow_symlinked_parents, odd_whiteouts_are_refused, depth_is_bounded,
	names_are_bounded, owner_is_checked, device_number_is_checked, zeros_become_holes,
	replaced_contents_are_released, file_data_order_and_size, memory_is_bounded,
	compressions_are_told_apart, empty_layers_are_fine, digests_are_compared,
	damage_is_blamed_on_the_digest, truncation_is_seen)
