// SPDX-License-Identifier: Apache-2.0
// How large an image may be, and why. A hostile image runs into one of these, a real one doesn't.
#pragma once

#include <stdint.h>

/* Layers of one image: Docker stops at 127; other tools go a little further. */
#define IMAGE_LAYERS_MAX 512
/* Manifests listed in one index: a tag has one for each platform, a layout may hold many tags. */
#define IMAGE_MANIFESTS_MAX 4096
/* An index may point to an index; two are common (layout, platforms), more are not. */
#define IMAGE_INDEX_DEPTH_MAX 4

/* One component of a path: what ext4 can store. */
#define TREE_NAME_MAX 255
/* A whole path, and the target of a symlink: PATH_MAX of the guest, with the NUL. */
#define TREE_PATH_MAX 4096
/* Folders inside folders: a path of PATH_MAX bytes could name 2048, the deepest of real ones 100;
 * walks of the tree recurse this far. */
#define TREE_DEPTH_MAX 1000
/* Symlinks followed while finding a parent: the limit of the guest kernel. */
#define TREE_SYMLINKS_MAX 40
/* Hard links to one file: what ext4 can count. */
#define TREE_LINKS_MAX 65000
/* Host memory for names and attributes: about 3 million files, ten times the largest image known
 * to us. */
#define TREE_MEMORY_MAX (UINT64_C(768) << 20)

/* Extended attributes of one file: ext4 has one block for them beside the inode's own space. */
#define XATTR_BYTES_MAX 4000
#define XATTR_NAME_MAX 255
/* Their number: more don't fit in the block; some archivers write each twice. */
#define XATTR_COUNT_MAX 512

/* One file's length, holes included: far below what an extent tree of 32-bit block numbers can
 * address. */
#define FILE_SIZE_MAX (UINT64_C(1) << 40)
/* All contents of an image: several times the largest machine-learning images. */
#define IMAGE_DATA_MAX (UINT64_C(256) << 30)
/* Unpacked bytes of one layer: bounds the time a layer of nothing but zeros can take. */
#define LAYER_STREAM_MAX (UINT64_C(512) << 30)
