// SPDX-License-Identifier: Apache-2.0
// Archives that are written by the test and applied as layers, and the tree that comes of it; for
// one test program.
#pragma once

#include "base/err.h"
#include "image/file_data.h"
#include "image/layer_stream.h"
#include "image/layers.h"
#include "image/limits.h"
#include "image/tree.h"
#include "tests/lib/image_fixture.h"

#include <check.h>
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

static inline void start(void)
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

static inline void end(void)
{
	tree_fini(&tree);
	file_data_fini(&data);
	close(image_fd);
}

static inline int apply_with(const char *blob_digest, const char *diff_id)
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
static inline int apply(void)
{
	int r;

	tar_end(&tar);
	r = apply_with(NULL, NULL);
	tar_begin(&tar, "none");
	return r;
}

#define APPLY() ck_assert_msg(!apply(), "%s", err.msg)

static inline void finish(void)
{
	tar_end(&tar);
	tar_fini(&tar);
	end();
}

/* The layer must be refused, with @word in the message. */
static inline void check_refused(const char *word)
{
	ck_assert_int_lt(apply(), 0);
	ck_assert_msg(strstr(err.msg, word), "message without %s: %s", word, err.msg);
	finish();
}

static inline struct tree_inode *look(const char *path)
{
	struct tree_place place;

	if (tree_resolve(&tree, path, false, 0, &place))
		return NULL;
	return place.node ? place.node->inode : NULL;
}

static inline struct tree_inode *at(const char *path)
{
	struct tree_inode *inode = look(path);

	if (!inode)
		ck_abort_msg("%s isn't there", path);
	return inode;
}

static inline void check_text(const char *path, const char *text)
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
