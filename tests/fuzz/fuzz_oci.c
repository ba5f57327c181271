// SPDX-License-Identifier: Apache-2.0
// Fuzzes the documents of an image and its name. The first byte says what the rest is: 'r'
// reference, 'i' index, 'm' manifest, 'c' config; 't' is a path through a small tree with symlinks.
#include "base/cleanup.h"
#include "base/err.h"
#include "image/config.h"
#include "image/limits.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "image/tree.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_reference(const char *text)
{
	struct reference ref = {0};
	struct err err = {0};

	if (reference_parse(text, &ref, &err)) {
		assert(err.code && err.msg[0]);
		return;
	}
	assert(ref.source && ref.source[0] != '-');
	reference_fini(&ref);
}

static void fuzz_config(const uint8_t *data, size_t size)
{
	struct image_spec spec = {0};
	struct err err = {0};

	if (image_spec_parse("config", data, size, &spec, &err)) {
		assert(err.code && err.msg[0]);
		return;
	}
	for (char **env = spec.config.env; *env; env++)
		assert(strchr(*env, '=') > *env);
	image_spec_fini(&spec);
}

static void fuzz_manifest(const uint8_t *data, size_t size)
{
	struct manifest manifest = {0};
	struct err err = {0};

	if (!manifest_parse("manifest", data, size, &manifest, &err))
		assert(manifest.nlayers <= IMAGE_LAYERS_MAX);
	else
		assert(err.code && err.msg[0]);
	manifest_fini(&manifest);
}

static void fuzz_index(const uint8_t *data, size_t size)
{
	struct index index = {0};
	struct err err = {0};

	if (!index_parse("index", data, size, &index, &err))
		assert(index.count <= IMAGE_MANIFESTS_MAX);
	else
		assert(err.code && err.msg[0]);
	index_fini(&index);
}

static void add_symlink(struct tree *tree, const char *path, const char *target)
{
	struct tree_inode *inode = tree_inode_new(tree, S_IFLNK | 0777);
	struct tree_place place;

	assert(inode && !tree_set_target(tree, inode, target));
	assert(!tree_resolve(tree, path, true, 0, &place));
	assert(!tree_put(tree, &place, inode));
}

static void fuzz_path(const char *path)
{
	struct tree_place place, again;
	struct tree tree;
	int r;

	assert(!tree_init(&tree));
	add_symlink(&tree, "lib", "usr/lib");
	add_symlink(&tree, "usr/up", "../../..//usr");
	add_symlink(&tree, "loop", "/loop");
	r = tree_resolve(&tree, path, true, 0, &place);
	if (!r) {
		assert(S_ISDIR(place.dir->mode) && place.dir->depth <= TREE_DEPTH_MAX);
		assert(!place.name || (place.name[0] && !strchr(place.name, '/')));
		/* With the parents made the same place is found without making any. */
		assert(!tree_resolve(&tree, path, false, 0, &again) && again.dir == place.dir);
	}
	tree_fini(&tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char CLEANUP_FREE *text = NULL;

	if (!size)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	assert(text);
	switch (data[0]) {
	case 'r':
		fuzz_reference(text);
		break;
	case 'i':
		fuzz_index(data + 1, size - 1);
		break;
	case 'm':
		fuzz_manifest(data + 1, size - 1);
		break;
	case 'c':
		fuzz_config(data + 1, size - 1);
		break;
	case 't':
		fuzz_path(text);
		break;
	default:
		break;
	}
	return 0;
}
