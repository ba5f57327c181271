// SPDX-License-Identifier: Apache-2.0
// From a reference to a bootable image: finds or makes the parts in the right order.
#include "image/image.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "image/config.h"
#include "image/digest.h"
#include "image/file_data.h"
#include "image/layer_stream.h"
#include "image/layers.h"
#include "image/layout.h"
#include "image/reference.h"
#include "image/rootfs.h"
#include "image/skopeo.h"
#include "image/store.h"
#include "image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The file that says what a pulled layout was made from. */
#define SOURCE_FILE "source"
#define SOURCE_SIZE (REFERENCE_MAX * 2)

/* The name of an image's file in the store, and of its lock. */
#define ROOTFS_NAME_SIZE (IMAGE_DIGEST_SIZE + 24)

#define STRINGIFY(x) #x
#define EXPAND_STRING(x) STRINGIFY(x)

/*
 * struct preparation - an image being prepared
 * @name:	how to call it in messages
 */
struct preparation {
	struct store *store;
	const char *name;
	struct layout layout;
	struct manifest manifest;
	struct image_spec spec;
	char rootfs_name[ROOTFS_NAME_SIZE];
};

void image_fini(struct image *image)
{
	cleanup_fd(&image->rootfs_fd);
	image->rootfs_fd = -1;
	image_config_fini(&image->config);
}

static int check_platform(const struct preparation *prep, struct err *err)
{
	const struct image_spec *spec = &prep->spec;

	if (!spec->architecture[0] || !spec->os[0])
		return err_set(err, -EBADMSG, "%s: its config doesn't say for which %s it is",
			prep->name, spec->os[0] ? "architecture" : "os");
	if (strcmp(spec->architecture, IMAGE_ARCH) != 0 || strcmp(spec->os, IMAGE_OS) != 0)
		return err_set(err, -ENOEXEC, "%s: image is for %.30s/%.30s, this machine runs %s",
			prep->name, spec->os, spec->architecture, IMAGE_OS "/" IMAGE_ARCH);
	if (spec->ndiff_ids && spec->ndiff_ids != prep->manifest.nlayers)
		return err_set(err, -EBADMSG, "%s: manifest has %zu layers, config has %zu",
			prep->name, prep->manifest.nlayers, spec->ndiff_ids);
	return 0;
}

static int read_documents(struct preparation *prep, const char *tag, struct err *err)
{
	char CLEANUP_FREE *data = NULL;
	char name[512];
	char *colon;
	int r = layout_manifest(&prep->layout, tag, &prep->manifest, err);

	if (!r)
		r = layout_read(&prep->layout, &prep->manifest.config, "config", &data, err);
	if (r)
		return r;
	snprintf(name, sizeof(name), "%s: config %s", prep->name, prep->manifest.config.digest);
	r = image_spec_parse(name, data, prep->manifest.config.size, &prep->spec, err);
	if (!r)
		r = check_platform(prep, err);
	if (r)
		return r;
	snprintf(prep->rootfs_name, sizeof(prep->rootfs_name),
		"%s.v" EXPAND_STRING(ROOTFS_FORMAT) ".ext4", prep->manifest.digest);
	colon = strchr(prep->rootfs_name, ':');
	if (colon)
		*colon = '-';
	return 0;
}

static int apply_layer(struct preparation *prep, struct layers *layers, size_t i, struct err *err)
{
	const struct descriptor *desc = &prep->manifest.layers[i];
	struct layer_stream stream = {.blob_digest = desc->digest};
	char name[512];
	int CLEANUP_FD fd = -1;
	int r = layout_open_blob(&prep->layout, desc, "layer", &fd, err);

	if (r)
		return r;
	snprintf(name, sizeof(name), "%s: layer %s", prep->name, desc->digest);
	stream.fd = fd;
	stream.name = name;
	if (prep->spec.ndiff_ids)
		stream.diff_id = prep->spec.diff_ids[i];
	r = layer_stream_open(&stream, err);
	if (!r)
		r = layers_apply(layers, &stream, err);
	layer_stream_close(&stream);
	return r;
}

static int build_into(struct preparation *prep, int fd, struct err *err)
{
	struct file_data data = {0};
	struct tree tree = {0};
	struct layers layers = {.tree = &tree, .data = &data};
	int r = tree_init(&tree);

	if (!r)
		r = file_data_init(&data, fd);
	if (r)
		err_set(err, r, "%s: out of memory", prep->name);
	tree.released = file_data_released;
	tree.released_arg = &data;
	for (size_t i = 0; i < prep->manifest.nlayers && !r; i++)
		r = apply_layer(prep, &layers, i, err);
	if (!r)
		r = rootfs_write(fd, &tree, data.next_block, prep->manifest.digest, err);
	tree_fini(&tree);
	file_data_fini(&data);
	return r;
}

static int build(struct preparation *prep, struct err *err)
{
	struct store_temp temp = STORE_TEMP_INIT;
	int r = store_temp_file(prep->store, &temp, err);

	if (r)
		return r;
	log_info("building the root file system of %s", prep->name);
	r = build_into(prep, temp.fd, err);
	if (!r && fchmod(temp.fd, 0400))
		r = err_errno(err, errno, "image store: chmod");
	if (!r)
		r = store_temp_publish(&temp, prep->store->rootfs_fd, prep->rootfs_name, err);
	store_temp_discard(&temp);
	return r;
}

static int open_rootfs(struct preparation *prep)
{
	return openat(prep->store->rootfs_fd, prep->rootfs_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static int find_or_build(struct preparation *prep, int *ret_fd, struct err *err)
{
	int CLEANUP_FD lock = -1;
	int r;

	*ret_fd = open_rootfs(prep);
	if (*ret_fd >= 0)
		return 0;
	if (errno != ENOENT)
		return err_errno(err, errno, "image store: open %s", prep->rootfs_name);
	r = store_lock(prep->store, prep->rootfs_name, &lock, err);
	if (r)
		return r;
	*ret_fd = open_rootfs(prep);
	if (*ret_fd >= 0)
		return 0;
	r = build(prep, err);
	if (r)
		return r;
	*ret_fd = open_rootfs(prep);
	if (*ret_fd < 0)
		return err_errno(err, errno, "image store: open %s", prep->rootfs_name);
	return 0;
}

static void fill_image(struct preparation *prep, int rootfs_fd, struct image *ret_image)
{
	*ret_image = (struct image){.rootfs_fd = rootfs_fd, .config = prep->spec.config};
	memcpy(ret_image->digest, prep->manifest.digest, sizeof(ret_image->digest));
	prep->spec.config = (struct image_config){0};
}

/* The common end of all ways: there is a layout in the folder @path. */
static int prepare_layout(struct store *store, const char *name, int dirfd, const char *path,
	const char *tag, struct image *ret_image, struct err *err)
{
	struct preparation prep = {.store = store, .name = name};
	int fd;
	int r = layout_open(dirfd, path, name, &prep.layout, err);

	if (r)
		return r;
	r = read_documents(&prep, tag, err);
	if (!r)
		r = find_or_build(&prep, &fd, err);
	if (!r)
		fill_image(&prep, fd, ret_image);
	image_spec_fini(&prep.spec);
	manifest_fini(&prep.manifest);
	layout_close(&prep.layout);
	return r;
}

/*
 * struct pull - an image that skopeo fetches
 * @key:	the name of its folder in the store
 * @source:	what the folder must have been made from; for an archive also the file's state
 */
struct pull {
	struct store *store;
	const struct reference *ref;
	const char *name;
	char key[IMAGE_DIGEST_SIZE];
	char source[SOURCE_SIZE];
};

static int pull_init(struct pull *pull, struct err *err)
{
	const struct reference *ref = pull->ref;
	char digest[IMAGE_DIGEST_SIZE];
	struct stat st;

	digest_of("sha256:", ref->source, strlen(ref->source), digest);
	snprintf(pull->key, sizeof(pull->key), "%s", digest + strlen("sha256:"));
	if (ref->kind != REFERENCE_ARCHIVE) {
		snprintf(pull->source, sizeof(pull->source), "%s\n", ref->source);
		return 0;
	}
	if (stat(ref->path, &st))
		return err_errno(err, errno, "%s", pull->name);
	snprintf(pull->source, sizeof(pull->source), "%s\n%llu %llu %lld %lld.%09ld\n", ref->source,
		(unsigned long long)st.st_dev, (unsigned long long)st.st_ino, (long long)st.st_size,
		(long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	return 0;
}

static bool pull_is_there(const struct pull *pull)
{
	char path[IMAGE_DIGEST_SIZE + 16], text[SOURCE_SIZE];
	int CLEANUP_FD fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/" SOURCE_FILE, pull->key);
	fd = openat(pull->store->pulled_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text));
	return n == (ssize_t)strlen(pull->source) && !memcmp(text, pull->source, (size_t)n);
}

static int pull_use(const struct pull *pull, struct image *ret_image, struct err *err)
{
	return prepare_layout(pull->store, pull->name, pull->store->pulled_fd, pull->key, "latest",
		ret_image, err);
}

static int write_source(const struct pull *pull, int dirfd, struct err *err)
{
	int CLEANUP_FD fd =
		openat(dirfd, SOURCE_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : io_write_full(fd, pull->source, strlen(pull->source));

	return r ? err_errno(err, -r, "image store: write %s", SOURCE_FILE) : 0;
}

/* The layout goes into the store only once the image is known to be good. */
static int pull_new(const struct pull *pull, struct image *ret_image, struct err *err)
{
	struct store_temp temp = STORE_TEMP_INIT;
	struct image image = IMAGE_INIT;
	int r = store_temp_dir(pull->store, &temp, err);

	if (r)
		return r;
	log_info("fetching %s", pull->ref->source);
	r = skopeo_copy(pull->ref->source, temp.fd, pull->name, err);
	if (!r)
		r = write_source(pull, temp.fd, err);
	if (!r)
		r = prepare_layout(pull->store, pull->name, temp.fd, ".", "latest", &image, err);
	if (!r)
		r = store_temp_publish(&temp, pull->store->pulled_fd, pull->key, err);
	store_temp_discard(&temp);
	if (r)
		image_fini(&image);
	else
		*ret_image = image;
	return r;
}

static int prepare_pulled(struct store *store, const struct reference *ref, const char *name,
	struct image *ret_image, struct err *err)
{
	struct pull pull = {.store = store, .ref = ref, .name = name};
	int CLEANUP_FD lock = -1;
	char lock_name[IMAGE_DIGEST_SIZE + 8];
	int r = pull_init(&pull, err);

	if (r)
		return r;
	/* The usual case needs no lock. If another process replaces the folder just now this
	 * fails, and is tried again under the lock. */
	if (pull_is_there(&pull) && !pull_use(&pull, ret_image, NULL))
		return 0;
	snprintf(lock_name, sizeof(lock_name), "pull-%s", pull.key);
	r = store_lock(store, lock_name, &lock, err);
	if (r)
		return r;
	if (pull_is_there(&pull) && !pull_use(&pull, ret_image, err))
		return 0;
	return pull_new(&pull, ret_image, err);
}

int image_prepare(
	struct store *store, const char *reference, struct image *ret_image, struct err *err)
{
	struct reference ref = {0};
	char name[256];
	int r = reference_parse(reference, &ref, err);

	if (r)
		return r;
	snprintf(name, sizeof(name), "image %.240s", ref.text);
	if (ref.kind == REFERENCE_LAYOUT)
		r = prepare_layout(store, name, AT_FDCWD, ref.path, ref.tag, ret_image, err);
	else
		r = prepare_pulled(store, &ref, name, ret_image, err);
	reference_fini(&ref);
	return r;
}
