// SPDX-License-Identifier: Apache-2.0
// OCI layouts.
#include "image/layout.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "image/digest.h"
#include "image/json.h"
#include "image/limits.h"
#include "image/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Open a regular file; a FIFO in its place must not block. Return: -EINVAL for what is none. */
static int open_regular(int dirfd, const char *path, int *ret_fd, struct stat *st)
{
	int CLEANUP_FD fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, st))
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Read one of the two files that have no digest. */
static int read_file(const struct layout *layout, const char *file, char **ret_data, size_t *ret_n,
	struct err *err)
{
	char CLEANUP_FREE *data = NULL;
	int CLEANUP_FD fd = -1;
	struct stat st;
	int r = open_regular(layout->fd, file, &fd, &st);

	if (r == -ENOENT)
		return err_set(
			err, -EBADMSG, "%s: not an OCI layout: no file %s", layout->name, file);
	if (r == -EINVAL)
		return err_set(err, -EINVAL, "%s: %s is not a regular file", layout->name, file);
	if (r)
		return err_errno(err, -r, "%s: open %s", layout->name, file);
	if (st.st_size > JSON_SIZE_MAX)
		return err_set(err, -EBADMSG, "%s: %s: larger than %d bytes", layout->name, file,
			JSON_SIZE_MAX);
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return err_set(err, -ENOMEM, "%s: out of memory", layout->name);
	r = io_read_full(fd, data, (size_t)st.st_size);
	if (r)
		return err_errno(err, -r, "%s: read %s", layout->name, file);
	data[st.st_size] = '\0';
	*ret_n = (size_t)st.st_size;
	*ret_data = TAKE_PTR(data);
	return 0;
}

static int check_version(const struct layout *layout, struct err *err)
{
	char CLEANUP_FREE *data = NULL;
	struct json_doc doc = {0};
	const char *version;
	char name[512];
	size_t n;
	int r = read_file(layout, "oci-layout", &data, &n, err);

	if (r)
		return r;
	snprintf(name, sizeof(name), "%s: oci-layout", layout->name);
	r = json_doc_parse(name, data, n, &doc, err);
	if (!r)
		r = json_get_string(&doc, doc.root, "imageLayoutVersion", &version, err);
	if (!r && (!version || strncmp(version, "1.", 2)))
		r = err_set(err, -EBADMSG, "%s: imageLayoutVersion is not 1.x but %.20s", name,
			version ? version : "(none)");
	json_doc_fini(&doc);
	return r;
}

int layout_open(
	int dirfd, const char *path, const char *name, struct layout *ret_layout, struct err *err)
{
	struct layout layout = {.name = name};
	int r;

	layout.fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layout.fd < 0 && errno == ENOTDIR)
		return err_set(err, -EBADMSG,
			"%s: not an OCI layout: not a folder (an archive needs oci-archive: or "
			"docker-archive: before its name, an image of a registry docker://)",
			name);
	if (layout.fd < 0)
		return err_errno(err, errno, "%s", name);
	r = check_version(&layout, err);
	if (r)
		layout_close(&layout);
	else
		*ret_layout = layout;
	return r;
}

void layout_close(struct layout *layout)
{
	cleanup_fd(&layout->fd);
	layout->fd = -1;
}

int layout_open_blob(const struct layout *layout, const struct descriptor *desc, const char *what,
	int *ret_fd, struct err *err)
{
	char path[IMAGE_DIGEST_SIZE + 8] = "blobs/";
	struct stat st;
	int r;

	digest_path(desc->digest, path + strlen(path));
	r = open_regular(layout->fd, path, ret_fd, &st);
	if (r == -ENOENT)
		return err_set(
			err, -ENOENT, "%s: %s %s is missing", layout->name, what, desc->digest);
	if (r == -EINVAL)
		return err_set(err, -EINVAL, "%s: %s %s is not a regular file", layout->name, what,
			desc->digest);
	if (r)
		return err_errno(err, -r, "%s: open %s %s", layout->name, what, desc->digest);
	if ((uint64_t)st.st_size != desc->size) {
		close(*ret_fd);
		*ret_fd = -1;
		return err_set(err, -EBADMSG, "%s: %s %s has %lld bytes where %llu are promised%s",
			layout->name, what, desc->digest, (long long)st.st_size,
			(unsigned long long)desc->size,
			(uint64_t)st.st_size < desc->size ? ": truncated" : "");
	}
	return 0;
}

int layout_read(const struct layout *layout, const struct descriptor *desc, const char *what,
	char **ret_data, struct err *err)
{
	char CLEANUP_FREE *data = NULL;
	char digest[IMAGE_DIGEST_SIZE];
	int CLEANUP_FD fd = -1;
	int r;

	if (desc->size > JSON_SIZE_MAX)
		return err_set(err, -EBADMSG, "%s: %s %s: %llu bytes, more than %d", layout->name,
			what, desc->digest, (unsigned long long)desc->size, JSON_SIZE_MAX);
	r = layout_open_blob(layout, desc, what, &fd, err);
	if (r)
		return r;
	data = malloc(desc->size + 1);
	if (!data)
		return err_set(err, -ENOMEM, "%s: out of memory", layout->name);
	r = io_read_full(fd, data, desc->size);
	if (r)
		return err_errno(err, -r, "%s: read %s %s", layout->name, what, desc->digest);
	data[desc->size] = '\0';
	digest_of(desc->digest, data, desc->size, digest);
	if (strcmp(digest, desc->digest))
		return err_set(err, -EBADMSG, "%s: wrong digest: %s %s holds %s", layout->name,
			what, desc->digest, digest);
	*ret_data = TAKE_PTR(data);
	return 0;
}

static bool entry_fits(const struct index_entry *entry)
{
	return (!entry->architecture || !strcmp(entry->architecture, IMAGE_ARCH)) &&
	       (!entry->os || !strcmp(entry->os, IMAGE_OS));
}

static bool entry_has_tag(const struct index_entry *entry, const char *tag)
{
	return tag ? entry->tag && !strcmp(entry->tag, tag) : !entry->tag;
}

/* Names in messages: enough to recognise, never a flood. */
#define LIST_SIZE 200

static void list_add(char list[LIST_SIZE], const char *word)
{
	size_t n = strlen(list);

	snprintf(list + n, LIST_SIZE - n, "%s%.60s", n ? ", " : "", word);
}

static int no_such_tag(
	const struct layout *layout, const struct index *index, const char *tag, struct err *err)
{
	char list[LIST_SIZE] = "";

	for (size_t i = 0; i < index->count; i++)
		list_add(list, index->entries[i].tag ? index->entries[i].tag : "(untagged)");
	if (!list[0])
		return err_set(err, -ENOENT, "%s: holds no image", layout->name);
	return err_set(err, -ENOENT, "%s: no tag %.60s; there is: %s", layout->name, tag, list);
}

/* One of the entries with @tag (NULL: without a tag), or all when @any_tag, that is for us. */
static const struct index_entry *choose(
	const struct index *index, const char *tag, bool any_tag, char ret_others[LIST_SIZE])
{
	const struct index_entry *chosen = NULL;

	ret_others[0] = '\0';
	for (size_t i = 0; i < index->count; i++) {
		const struct index_entry *entry = &index->entries[i];
		bool said = entry->architecture;

		if (!any_tag && !entry_has_tag(entry, tag))
			continue;
		/* One that names the platform is better than one that names none. */
		if (entry_fits(entry) && (!chosen || (said && !chosen->architecture)))
			chosen = entry;
		if (!entry_fits(entry) && said && strcmp(entry->architecture, "unknown")) {
			char platform[64];

			snprintf(platform, sizeof(platform), "%.30s/%.30s",
				entry->os ? entry->os : "?", entry->architecture);
			list_add(ret_others, platform);
		}
	}
	return chosen;
}

static int other_cpu(const struct layout *layout, const char *others, struct err *err)
{
	if (!others[0])
		return err_set(err, -ENOENT, "%s: an index holds no image", layout->name);
	return err_set(err, -ENOEXEC, "%s: image is for %s, this machine runs %s", layout->name,
		others, IMAGE_OS "/" IMAGE_ARCH);
}

/* Follow indexes down to a manifest. */
static int descend(const struct layout *layout, const struct index_entry *top,
	struct descriptor *ret_desc, struct err *err)
{
	struct index_entry entry = *top;

	for (int depth = 0; entry.is_index; depth++) {
		char CLEANUP_FREE *data = NULL;
		const struct index_entry *next;
		char others[LIST_SIZE], name[512];
		struct index index = {0};
		int r;

		if (depth >= IMAGE_INDEX_DEPTH_MAX)
			return err_set(err, -EBADMSG, "%s: indexes nested deeper than %d",
				layout->name, IMAGE_INDEX_DEPTH_MAX);
		r = layout_read(layout, &entry.desc, "index", &data, err);
		if (r)
			return r;
		snprintf(name, sizeof(name), "%s: index %s", layout->name, entry.desc.digest);
		r = index_parse(name, data, entry.desc.size, &index, err);
		if (r)
			return r;
		next = choose(&index, NULL, true, others);
		if (!next)
			r = other_cpu(layout, others, err);
		else
			entry = *next;
		/* The names go with the index; only the descriptor is used from here. */
		index_fini(&index);
		if (r)
			return r;
	}
	*ret_desc = entry.desc;
	return 0;
}

static int find(
	const struct layout *layout, const char *tag, struct descriptor *ret_desc, struct err *err)
{
	char CLEANUP_FREE *data = NULL;
	const struct index_entry *entry;
	char others[LIST_SIZE], name[512];
	struct index index = {0};
	size_t n;
	int r = read_file(layout, "index.json", &data, &n, err);

	if (r)
		return r;
	snprintf(name, sizeof(name), "%s: index.json", layout->name);
	r = index_parse(name, data, n, &index, err);
	if (r)
		return r;
	entry = choose(&index, tag, false, others);
	if (!entry && !others[0] && !strcmp(tag, "latest"))
		entry = choose(&index, NULL, false, others);
	if (entry)
		r = descend(layout, entry, ret_desc, err);
	else if (others[0])
		r = other_cpu(layout, others, err);
	else
		r = no_such_tag(layout, &index, tag, err);
	index_fini(&index);
	return r;
}

int layout_manifest(const struct layout *layout, const char *tag, struct manifest *ret_manifest,
	struct err *err)
{
	char CLEANUP_FREE *data = NULL;
	struct descriptor desc;
	char name[512];
	int r = find(layout, tag, &desc, err);

	if (!r)
		r = layout_read(layout, &desc, "manifest", &data, err);
	if (r)
		return r;
	snprintf(name, sizeof(name), "%s: manifest %s", layout->name, desc.digest);
	r = manifest_parse(name, data, desc.size, ret_manifest, err);
	if (!r)
		memcpy(ret_manifest->digest, desc.digest, sizeof(ret_manifest->digest));
	return r;
}
