// SPDX-License-Identifier: Apache-2.0
// Fuzzes the merge of layers: the input is a layer, applied twice (the second time its whiteouts
// meet its own files as lower ones), and whatever tree results must become a sound ext4 image.
#include "base/err.h"
#include "image/file_data.h"
#include "image/layer_stream.h"
#include "image/layers.h"
#include "image/rootfs.h"
#include "image/tree.h"

#include <assert.h>
#include <et/com_err.h>
#include <ext2fs/ext2fs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int apply(struct layers *layers, const uint8_t *data, size_t size)
{
	struct layer_stream stream = {.name = "layer"};
	struct err err = {0};
	int r;

	stream.data = data;
	stream.data_left = size;
	r = layer_stream_open(&stream, &err);
	if (!r)
		r = layers_apply(layers, &stream, &err);
	layer_stream_close(&stream);
	assert(!r || (err.code == r && err.msg[0]));
	return r;
}

/* Every inode that is in use can be read, and folders can be walked. */
static void check_image(int fd)
{
	struct ext2_inode_large inode;
	char name[32];
	ext2_filsys fs;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	assert(!ext2fs_open(name, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs));
	assert(!ext2fs_read_bitmaps(fs));
	for (ext2_ino_t ino = ROOTFS_FIRST_INO; ino <= fs->super->s_inodes_count; ino++) {
		if (!ext2fs_test_inode_bitmap2(fs->inode_map, ino))
			continue;
		assert(!ext2fs_read_inode_full(
			fs, ino, (struct ext2_inode *)(void *)&inode, sizeof(inode)));
		assert(inode.i_mode && inode.i_links_count);
		if (LINUX_S_ISDIR(inode.i_mode))
			assert(!ext2fs_check_directory(fs, ino));
	}
	ext2fs_close_free(&fs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct file_data file_data;
	struct tree tree;
	struct layers layers = {.tree = &tree, .data = &file_data};
	struct err err = {0};
	int fd = memfd_create("image", MFD_CLOEXEC);
	int r;

	assert(fd >= 0);
	assert(!tree_init(&tree) && !file_data_init(&file_data, fd));
	tree.released = file_data_released;
	tree.released_arg = &file_data;
	r = apply(&layers, data, size);
	if (!r)
		r = apply(&layers, data, size);
	if (!r) {
		r = rootfs_write(fd, &tree, file_data.next_block, "fuzz", &err);
		if (!r)
			check_image(fd);
		else
			assert(err.msg[0]);
	}
	tree_fini(&tree);
	file_data_fini(&file_data);
	close(fd);
	return 0;
}
