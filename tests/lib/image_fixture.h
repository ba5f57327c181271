// SPDX-License-Identifier: Apache-2.0
// For tests of image/: archives in memory, OCI layouts and stores in a temporary folder.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct archive;

#define FIXTURE_PATH_SIZE 256
#define FIXTURE_LAYERS_MAX 4

/*
 * struct tar - an archive being written to memory
 * @data, @size:	complete after tar_end(); freed by tar_fini()
 *
 * All functions abort the test on failure.
 */
struct tar {
	struct archive *archive;
	uint8_t *data;
	size_t size;
	size_t used;
};

/* struct tar_entry - what an entry may say beyond path and type; zero gives root's, 1970 */
struct tar_entry {
	const char *path;
	uint32_t mode; /* type and permissions */
	uint32_t uid, gid;
	int64_t mtime;
	long mtime_ns;
	const char *target;   /* of a symlink */
	const char *hardlink; /* makes it a hard link */
	const void *contents;
	size_t size;
	unsigned int major, minor;
	const char *xattr; /* name of one attribute */
	const void *xattr_value;
	size_t xattr_size;
};

/* @filter: "none", "gzip", "zstd" */
void tar_begin(struct tar *tar, const char *filter);
void tar_add(struct tar *tar, const struct tar_entry *entry);
void tar_dir(struct tar *tar, const char *path);
void tar_file(struct tar *tar, const char *path, const char *contents);
void tar_symlink(struct tar *tar, const char *path, const char *target);
void tar_hardlink(struct tar *tar, const char *path, const char *target);
void tar_end(struct tar *tar);
void tar_fini(struct tar *tar);

/* A new folder, removed by fixture_remove(). */
void fixture_make(char ret_path[FIXTURE_PATH_SIZE]);
void fixture_remove(const char *path);
/* How many entries the folder @path/@sub has. */
int fixture_count(const char *path, const char *sub);
/* Write, or read whole into *ret_data (with a NUL; to be freed) - both relative to the folder. */
void fixture_write(const char *dir, const char *name, const void *data, size_t n);
size_t fixture_read(const char *dir, const char *name, char **ret_data);

/*
 * struct layout_maker - what a layout is to be like; zero gives a good one for this machine
 * @architecture, @tag:	NULL for this machine's and "latest"; "" for a manifest without tag
 * @config:	the value of the field "config", NULL for one that runs "sh"
 * @no_diff_ids:	leave these out of the config
 * @digests:	filled in: of the layers, the config and the manifest
 */
struct layout_maker {
	const struct tar *layers[FIXTURE_LAYERS_MAX];
	const char *architecture;
	const char *tag;
	const char *config;
	int no_diff_ids;
	char layer_digests[FIXTURE_LAYERS_MAX][80];
	char config_digest[80];
	char manifest_digest[80];
};

/* layout_make() - write an OCI layout into the folder @dir, which must exist */
void layout_make(const char *dir, struct layout_maker *maker);
/* layout_blob() - add a blob; its digest comes back */
void layout_blob(const char *dir, const void *data, size_t n, char ret_digest[80]);
/* layout_blob_path() - "blobs/sha256/..." of a digest */
const char *layout_blob_path(const char *digest);
