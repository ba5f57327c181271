// SPDX-License-Identifier: Apache-2.0
// Fetching images with skopeo, which knows all transports, credentials, mirrors and policies.
#pragma once

struct err;

/*
 * skopeo_copy() - copy an image for IMAGE_OS and IMAGE_ARCH into an OCI layout, tagged "latest"
 * @source:	in skopeo's words, passed as one argument; no shell is involved
 * @dirfd:	an empty folder that becomes the layout
 * @name:	of the image, for messages
 *
 * skopeo is looked for in PATH. It dies with this process, and may leave what it unpacked: that is
 * in the folder, too. On failure the folder may hold anything.
 *
 * Return: 0; -ENOENT without skopeo; -EIO with skopeo's own last words in @err.
 */
int skopeo_copy(const char *source, int dirfd, const char *name, struct err *err);
