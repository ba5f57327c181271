// SPDX-License-Identifier: Apache-2.0
// Applying a layer's archive to the merged tree.
#pragma once

#include <stdint.h>

struct err;
struct file_data;
struct layer_stream;
struct tree;

/* Entries of all archives of one image: ten times what its tree may hold. */
#define LAYERS_ENTRIES_MAX 30000000u

/*
 * struct layers - layers being merged
 * @entries:	archive entries read so far
 *
 * @tree and @data are the caller's.
 */
struct layers {
	struct tree *tree;
	struct file_data *data;
	uint32_t entries;
};

/*
 * layers_apply() - read the archive and merge it over what is there; the lowest layer first
 * @stream:	open; untrusted. It is read to the end of the archive, and its digests are
 *		compared, so a wrong digest is the error that is reported.
 *
 * Return: 0, -EBADMSG for an archive that no image should hold, or -errno. After an error the
 * tree is good for nothing but tree_fini().
 * Spec: OCI image-spec 1.1 layer.md
 */
int layers_apply(struct layers *layers, struct layer_stream *stream, struct err *err);
