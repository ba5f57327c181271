// SPDX-License-Identifier: Apache-2.0
// Tests of image/file_data.h and layer_stream.h: files' contents, and the archives they come in.
#include "image/file_data.h"

#include "image/layer_stream.h"
#include "image/limits.h"
#include "tests/lib/image_fixture.h"
#include "tests/lib/layers_fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

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

/* Archives */

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

	digest_of("sha256:", tar.data, tar.size, digest);
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

SUITE("image_layers_data", zeros_become_holes, replaced_contents_are_released,
	file_data_order_and_size, compressions_are_told_apart, empty_layers_are_fine,
	digests_are_compared, damage_is_blamed_on_the_digest, truncation_is_seen)
