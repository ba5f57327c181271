// SPDX-License-Identifier: Apache-2.0
// Contents of files on their way to the image.
#include "image/file_data.h"

#include "image/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int file_data_init(struct file_data *data, int fd)
{
	*data = (struct file_data){.fd = fd, .next_block = ROOTFS_DATA_START};
	data->window = calloc(1, FILE_WINDOW);
	return data->window ? 0 : -ENOMEM;
}

void file_data_fini(struct file_data *data)
{
	free(data->window);
	data->window = NULL;
}

void file_data_begin(struct file_data *data)
{
	memset(data->window, 0, data->window_used);
	data->window_used = 0;
	data->window_start = 0;
	data->pos = 0;
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
	return !n || (!bytes[0] && !memcmp(bytes, bytes + 1, n - 1));
}

static int write_at(int fd, const uint8_t *bytes, size_t n, off_t offset)
{
	while (n) {
		ssize_t r = pwrite(fd, bytes, n, offset);

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

static int flush_window(struct file_data *data, struct tree *tree, struct tree_inode *inode)
{
	uint32_t blocks =
		(uint32_t)((data->window_used + ROOTFS_BLOCK_SIZE - 1) / ROOTFS_BLOCK_SIZE);
	struct extent extent = {
		.logical = (uint32_t)(data->window_start / ROOTFS_BLOCK_SIZE),
		.physical = data->next_block,
		.count = blocks,
	};
	int r;

	if (is_zero(data->window, data->window_used)) {
		data->window_used = 0;
		return 0;
	}
	if ((uint64_t)(extent.physical + blocks) * ROOTFS_BLOCK_SIZE > IMAGE_DATA_MAX)
		return -EFBIG;
	/* The window is zero beyond what is used: the last block is filled up with that. */
	r = write_at(data->fd, data->window, (size_t)blocks * ROOTFS_BLOCK_SIZE,
		(off_t)extent.physical * ROOTFS_BLOCK_SIZE);
	if (!r)
		r = tree_add_extent(tree, inode, &extent);
	if (r)
		return r;
	data->next_block += blocks;
	memset(data->window, 0, data->window_used);
	data->window_used = 0;
	return 0;
}

int file_data_add(struct file_data *data, struct tree *tree, struct tree_inode *inode,
	uint64_t offset, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;

	if (offset < data->pos)
		return -EPROTO;
	if (offset > FILE_SIZE_MAX || n > FILE_SIZE_MAX - offset)
		return -EFBIG;
	while (n) {
		uint64_t start = offset - offset % FILE_WINDOW;
		size_t at = (size_t)(offset - start);
		size_t part = FILE_WINDOW - at < n ? FILE_WINDOW - at : n;

		if (start != data->window_start) {
			int r = flush_window(data, tree, inode);

			if (r)
				return r;
			data->window_start = start;
		}
		memcpy(data->window + at, from, part);
		data->window_used = at + part;
		from += part;
		offset += part;
		n -= part;
	}
	data->pos = offset;
	return 0;
}

int file_data_end(struct file_data *data, struct tree *tree, struct tree_inode *inode)
{
	return flush_window(data, tree, inode);
}

void file_data_released(void *arg, const struct extent *extents, size_t n)
{
	struct file_data *data = arg;

	/* Where holes can't be punched the image is only larger than it need be. */
	for (size_t i = 0; i < n; i++)
		(void)fallocate(data->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)extents[i].physical * ROOTFS_BLOCK_SIZE,
			(off_t)extents[i].count * ROOTFS_BLOCK_SIZE);
}
