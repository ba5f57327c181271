// SPDX-License-Identifier: Apache-2.0
// Reading OCI layouts: from a tag to the manifest for this machine's platform, and blobs.
#pragma once

#include "image/image.h"

#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * struct layout - an open OCI layout folder
 * @name:	how to call it in messages; not owned
 *
 * Spec: OCI image-spec 1.1 image-layout.md
 */
struct layout {
	const char *name;
	int fd;
};

/* struct descriptor - what points to a blob: a valid digest and the blob's exact size */
struct descriptor {
	char digest[IMAGE_DIGEST_SIZE];
	uint64_t size;
};

/*
 * struct manifest - an image manifest, OCI or Docker v2
 * @digest:	its own
 * @layers:	lowest first; owned
 */
struct manifest {
	char digest[IMAGE_DIGEST_SIZE];
	struct descriptor config;
	struct descriptor *layers;
	size_t nlayers;
};

/*
 * layout_open() - open a folder that must be an OCI layout of version 1
 * @path:	relative to @dirfd
 * @name:	kept by pointer
 *
 * Return: 0, -ENOENT if there is no such folder, -EBADMSG if it isn't a layout, or -errno.
 * layout_close() closes.
 */
int layout_open(
	int dirfd, const char *path, const char *name, struct layout *ret_layout, struct err *err);
void layout_close(struct layout *layout);

/*
 * layout_manifest() - find the manifest of @tag for IMAGE_OS and IMAGE_ARCH
 * @tag:	what a manifest's org.opencontainers.image.ref.name must be; for "latest" an
 *		untagged one will do where none has that name
 *
 * Return: 0; -ENOENT for an unknown tag (the message lists the known ones); -ENOEXEC when there
 * are images for other CPUs only; -EBADMSG; -errno. manifest_fini() frees.
 */
int layout_manifest(const struct layout *layout, const char *tag, struct manifest *ret_manifest,
	struct err *err);
void manifest_fini(struct manifest *manifest);

/*
 * layout_read() - read a small blob whole, checking size and digest
 * @what:	"manifest", "config": its name in messages
 * @ret_data:	@desc->size bytes (at most JSON_SIZE_MAX) and a NUL; the caller frees
 *
 * Return: 0, -ENOENT, -EBADMSG or -errno.
 */
int layout_read(const struct layout *layout, const struct descriptor *desc, const char *what,
	char **ret_data, struct err *err);

/*
 * layout_open_blob() - open a blob whose size is right; its digest is the reader's to check
 *
 * Return: 0, -ENOENT, -EBADMSG or -errno.
 */
int layout_open_blob(const struct layout *layout, const struct descriptor *desc, const char *what,
	int *ret_fd, struct err *err);

/* Images are Linux programs; IMAGE_ARCH comes from the build. */
#define IMAGE_OS "linux"
