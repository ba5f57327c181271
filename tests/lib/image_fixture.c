// SPDX-License-Identifier: Apache-2.0
// For tests of image/: archives in memory, OCI layouts and stores in a temporary folder.
#include "tests/lib/image_fixture.h"

#include "image/digest.h"
#include "image/store.h"

#include <archive.h>
#include <archive_entry.h>
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static la_ssize_t tar_bytes(struct archive *archive, void *arg, const void *data, size_t n)
{
	struct tar *tar = arg;

	if (tar->used + n > tar->size) {
		tar->size = (tar->used + n) * 2;
		tar->data = realloc(tar->data, tar->size);
		ck_assert_ptr_nonnull(tar->data);
	}
	memcpy(tar->data + tar->used, data, n);
	tar->used += n;
	return (la_ssize_t)n;
}

void tar_begin(struct tar *tar, const char *filter)
{
	*tar = (struct tar){.archive = archive_write_new()};
	ck_assert_int_eq(archive_write_set_format_pax(tar->archive), ARCHIVE_OK);
	/* By their own functions: by name all that the library has would be linked in. */
	if (!strcmp(filter, "gzip"))
		ck_assert_int_eq(archive_write_add_filter_gzip(tar->archive), ARCHIVE_OK);
	else if (!strcmp(filter, "zstd"))
		ck_assert_int_eq(archive_write_add_filter_zstd(tar->archive), ARCHIVE_OK);
	else
		ck_assert_str_eq(filter, "none");
	/* No padding: not all decompressors ignore it. */
	ck_assert_int_eq(archive_write_set_bytes_in_last_block(tar->archive, 1), ARCHIVE_OK);
	ck_assert_int_eq(archive_write_open(tar->archive, tar, NULL, tar_bytes, NULL), ARCHIVE_OK);
}

void tar_add(struct tar *tar, const struct tar_entry *from)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, from->path);
	archive_entry_set_mode(entry, from->mode);
	archive_entry_set_uid(entry, from->uid);
	archive_entry_set_gid(entry, from->gid);
	archive_entry_set_mtime(entry, from->mtime, from->mtime_ns);
	archive_entry_set_size(entry, (la_int64_t)from->size);
	if (from->target)
		archive_entry_set_symlink(entry, from->target);
	if (from->hardlink)
		archive_entry_set_hardlink(entry, from->hardlink);
	archive_entry_set_rdevmajor(entry, from->major);
	archive_entry_set_rdevminor(entry, from->minor);
	if (from->xattr)
		archive_entry_xattr_add_entry(
			entry, from->xattr, from->xattr_value, from->xattr_size);
	ck_assert_int_ge(archive_write_header(tar->archive, entry), ARCHIVE_WARN);
	if (from->size)
		ck_assert_int_eq(
			archive_write_data(tar->archive, from->contents, from->size), from->size);
	archive_entry_free(entry);
}

void tar_dir(struct tar *tar, const char *path)
{
	tar_add(tar, &(struct tar_entry){.path = path, .mode = S_IFDIR | 0755});
}

void tar_file(struct tar *tar, const char *path, const char *contents)
{
	tar_add(tar, &(struct tar_entry){.path = path,
			     .mode = S_IFREG | 0644,
			     .contents = contents,
			     .size = strlen(contents)});
}

void tar_symlink(struct tar *tar, const char *path, const char *target)
{
	tar_add(tar, &(struct tar_entry){.path = path, .mode = S_IFLNK | 0777, .target = target});
}

void tar_hardlink(struct tar *tar, const char *path, const char *target)
{
	tar_add(tar, &(struct tar_entry){.path = path, .mode = S_IFREG | 0644, .hardlink = target});
}

void tar_end(struct tar *tar)
{
	ck_assert_int_eq(archive_write_close(tar->archive), ARCHIVE_OK);
	archive_write_free(tar->archive);
	tar->archive = NULL;
	tar->size = tar->used;
}

void tar_fini(struct tar *tar)
{
	free(tar->data);
	*tar = (struct tar){0};
}

void fixture_make(char ret_path[FIXTURE_PATH_SIZE])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(ret_path, FIXTURE_PATH_SIZE, "%s/hull-test-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(ret_path));
}

void fixture_remove(const char *path)
{
	ck_assert_int_eq(store_remove(AT_FDCWD, path), 0);
}

int fixture_count(const char *path, const char *sub)
{
	char full[FIXTURE_PATH_SIZE * 2];
	struct dirent *entry;
	int n = 0;
	DIR *dir;

	snprintf(full, sizeof(full), "%s/%s", path, sub);
	dir = opendir(full);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(dir);
	return n;
}

void fixture_write(const char *dir, const char *name, const void *data, size_t n)
{
	char path[FIXTURE_PATH_SIZE * 2];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
}

size_t fixture_read(const char *dir, const char *name, char **ret_data)
{
	char path[FIXTURE_PATH_SIZE * 2];
	struct stat st;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fstat(fileno(f), &st), 0);
	n = (size_t)st.st_size;
	*ret_data = calloc(1, n + 1);
	ck_assert_ptr_nonnull(*ret_data);
	ck_assert_uint_eq(fread(*ret_data, 1, n, f), n);
	fclose(f);
	return n;
}

const char *layout_blob_path(const char *digest)
{
	static char path[IMAGE_DIGEST_SIZE + 8];

	memcpy(path, "blobs/", 7);
	digest_path(digest, path + 6);
	return path;
}

void layout_blob(const char *dir, const void *data, size_t n, char ret_digest[80])
{
	char digest[IMAGE_DIGEST_SIZE];

	digest_of("sha256:", data, n, digest);
	memcpy(ret_digest, digest, 72);
	fixture_write(dir, layout_blob_path(digest), data, n);
}

static void make_config(const char *dir, struct layout_maker *maker, size_t *ret_size)
{
	char text[4096];
	int n = snprintf(text, sizeof(text),
		"{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":%s,"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[",
		maker->architecture ? maker->architecture : IMAGE_ARCH,
		maker->config ? maker->config : "{\"Cmd\":[\"sh\"]}");

	/* Layers are not compressed where this is used, so both digests are the same. */
	for (int i = 0; i < FIXTURE_LAYERS_MAX && maker->layers[i] && !maker->no_diff_ids; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s\"%s\"", i ? "," : "",
			maker->layer_digests[i]);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "]}}");
	layout_blob(dir, text, (size_t)n, maker->config_digest);
	*ret_size = (size_t)n;
}

void layout_make(const char *dir, struct layout_maker *maker)
{
	static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	char path[FIXTURE_PATH_SIZE * 2], text[8192], tag[200] = "";
	size_t config_size;
	int n;

	snprintf(path, sizeof(path), "%s/blobs", dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/blobs/sha256", dir);
	mkdir(path, 0755);
	fixture_write(dir, "oci-layout", version, strlen(version));
	for (int i = 0; i < FIXTURE_LAYERS_MAX && maker->layers[i]; i++)
		layout_blob(dir, maker->layers[i]->data, maker->layers[i]->size,
			maker->layer_digests[i]);
	make_config(dir, maker, &config_size);
	n = snprintf(text, sizeof(text),
		"{\"schemaVersion\":2,\"config\":{\"mediaType\":"
		"\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%zu},"
		"\"layers\":[",
		maker->config_digest, config_size);
	for (int i = 0; i < FIXTURE_LAYERS_MAX && maker->layers[i]; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			"%s{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
			"\"digest\":\"%s\",\"size\":%zu}",
			i ? "," : "", maker->layer_digests[i], maker->layers[i]->size);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "]}");
	layout_blob(dir, text, (size_t)n, maker->manifest_digest);
	if (!maker->tag || maker->tag[0])
		snprintf(tag, sizeof(tag),
			",\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s\"}",
			maker->tag ? maker->tag : "latest");
	n = snprintf(text, sizeof(text),
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":"
		"\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":%d%s}]}",
		maker->manifest_digest, n, tag);
	fixture_write(dir, "index.json", text, (size_t)n);
}
