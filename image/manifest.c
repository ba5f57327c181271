// SPDX-License-Identifier: Apache-2.0
// Index and manifest documents.
#include "image/manifest.h"

#include "base/err.h"
#include "image/digest.h"
#include "image/json.h"
#include "image/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAG_ANNOTATION "org.opencontainers.image.ref.name"

static const char *const index_types[] = {
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
};

static const char *const manifest_types[] = {
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json",
};

static const char *const config_types[] = {
	"application/vnd.oci.image.config.v1+json",
	"application/vnd.docker.container.image.v1+json",
};

/* How a layer is compressed is seen from its first bytes, so all of these are treated alike. */
static const char *const layer_types[] = {
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.v1.tar+gzip",
	"application/vnd.oci.image.layer.v1.tar+zstd",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
};

#define IS_ONE_OF(type, list) is_one_of(type, list, sizeof(list) / sizeof((list)[0]))

static bool is_one_of(const char *type, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(type, list[i]))
			return true;
	return false;
}

static int descriptor_parse(const struct json_doc *doc, const json_t *obj, const char *what,
	struct descriptor *ret, const char **ret_type, struct err *err)
{
	const char *digest;
	json_t *size;
	int r;

	if (!json_is_object(obj))
		return err_set(err, -EBADMSG, "%s: %s is not an object", doc->name, what);
	if ((r = json_get_string(doc, obj, "mediaType", ret_type, err)))
		return r;
	if (!*ret_type)
		return err_set(err, -EBADMSG, "%s: %s has no mediaType", doc->name, what);
	if ((r = json_get_string(doc, obj, "digest", &digest, err)))
		return r;
	if (!digest || !digest_is_valid(digest))
		return err_set(err, -EBADMSG, "%s: %s has no valid digest: %.80s", doc->name, what,
			digest ? digest : "(none)");
	size = json_object_get(obj, "size");
	if (!json_is_integer(size))
		return err_set(err, -EBADMSG, "%s: %s has no size", doc->name, what);
	if ((r = json_get_uint(doc, obj, "size", &ret->size, err)))
		return r;
	snprintf(ret->digest, sizeof(ret->digest), "%s", digest);
	return 0;
}

static int entry_parse(const struct json_doc *doc, const json_t *obj, struct index_entry *entry,
	bool *ret_known, struct err *err)
{
	json_t *platform, *annotations;
	const char *type;
	int r = descriptor_parse(doc, obj, "a manifest", &entry->desc, &type, err);

	if (r)
		return r;
	entry->is_index = IS_ONE_OF(type, index_types);
	*ret_known = entry->is_index || IS_ONE_OF(type, manifest_types);
	if ((r = json_get_object(doc, obj, "platform", &platform, err)))
		return r;
	if (platform) {
		if ((r = json_get_string(doc, platform, "architecture", &entry->architecture, err)))
			return r;
		if ((r = json_get_string(doc, platform, "os", &entry->os, err)))
			return r;
	}
	if ((r = json_get_object(doc, obj, "annotations", &annotations, err)))
		return r;
	return annotations ? json_get_string(doc, annotations, TAG_ANNOTATION, &entry->tag, err)
			   : 0;
}

int index_parse(
	const char *name, const void *data, size_t n, struct index *ret_index, struct err *err)
{
	struct index index = {0};
	struct json_doc doc;
	json_t *array, *obj;
	size_t i;
	int r = json_doc_parse(name, data, n, &doc, err);

	if (r)
		return r;
	index.root = doc.root;
	r = json_get_array(&doc, doc.root, "manifests", &array, err);
	if (!r && !array)
		r = err_set(err, -EBADMSG, "%s: no field manifests", name);
	if (!r && json_array_size(array) > IMAGE_MANIFESTS_MAX)
		r = err_set(err, -EBADMSG, "%s: field manifests has %zu entries, more than %d",
			name, json_array_size(array), IMAGE_MANIFESTS_MAX);
	if (!r) {
		index.entries = calloc(json_array_size(array) + 1, sizeof(*index.entries));
		if (!index.entries)
			r = err_set(err, -ENOMEM, "%s: out of memory", name);
	}
	if (r)
		goto fail;
	json_array_foreach(array, i, obj)
	{
		struct index_entry entry = {0};
		bool known = false;

		r = entry_parse(&doc, obj, &entry, &known, err);
		if (r)
			goto fail;
		if (known)
			index.entries[index.count++] = entry;
	}
	*ret_index = index;
	return 0;
fail:
	index_fini(&index);
	return r;
}

void index_fini(struct index *index)
{
	json_decref(index->root);
	free(index->entries);
	*index = (struct index){0};
}

void manifest_fini(struct manifest *manifest)
{
	free(manifest->layers);
	*manifest = (struct manifest){0};
}

static int layers_parse(
	const struct json_doc *doc, json_t *array, struct manifest *manifest, struct err *err)
{
	size_t count = json_array_size(array);

	if (count > IMAGE_LAYERS_MAX)
		return err_set(err, -EBADMSG, "%s: %zu layers, more than %d", doc->name, count,
			IMAGE_LAYERS_MAX);
	manifest->layers = calloc(count + 1, sizeof(*manifest->layers));
	if (!manifest->layers)
		return err_set(err, -ENOMEM, "%s: out of memory", doc->name);
	for (size_t i = 0; i < count; i++) {
		char what[32];
		const char *type;
		int r;

		snprintf(what, sizeof(what), "layers[%zu]", i);
		r = descriptor_parse(
			doc, json_array_get(array, i), what, &manifest->layers[i], &type, err);
		if (r)
			return r;
		if (!IS_ONE_OF(type, layer_types))
			return err_set(err, -EBADMSG, "%s: %s: unknown mediaType %.80s", doc->name,
				what, type);
		manifest->nlayers++;
	}
	return 0;
}

static int manifest_read(const struct json_doc *doc, struct manifest *manifest, struct err *err)
{
	json_t *config, *layers;
	const char *type;
	int r;

	if ((r = json_get_object(doc, doc->root, "config", &config, err)))
		return r;
	if (!config)
		return err_set(err, -EBADMSG, "%s: no config", doc->name);
	if ((r = descriptor_parse(doc, config, "config", &manifest->config, &type, err)))
		return r;
	if (!IS_ONE_OF(type, config_types))
		return err_set(err, -EBADMSG, "%s: not a container image: config is of type %.80s",
			doc->name, type);
	if ((r = json_get_array(doc, doc->root, "layers", &layers, err)))
		return r;
	if (!layers)
		return err_set(err, -EBADMSG, "%s: no field layers", doc->name);
	return layers_parse(doc, layers, manifest, err);
}

int manifest_parse(const char *name, const void *data, size_t n, struct manifest *ret_manifest,
	struct err *err)
{
	struct manifest manifest = {0};
	struct json_doc doc;
	int r = json_doc_parse(name, data, n, &doc, err);

	if (r)
		return r;
	r = manifest_read(&doc, &manifest, err);
	json_doc_fini(&doc);
	if (r)
		manifest_fini(&manifest);
	else
		*ret_manifest = manifest;
	return r;
}
