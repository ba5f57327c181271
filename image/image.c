// SPDX-License-Identifier: Apache-2.0
// From a reference to a bootable image.
#include "image/image.h"

#include "base/err.h"

#include <errno.h>

int store_open(const char *path, struct store **ret_store, struct err *err)
{
	return err_set(err, -ENOSYS, "store: not there yet");
}

void store_close(struct store *store)
{
}

int image_prepare(
	struct store *store, const char *reference, struct image *ret_image, struct err *err)
{
	return err_set(err, -ENOSYS, "image %s: not there yet", reference);
}

void image_fini(struct image *image)
{
}

int rootfs_make_empty(int fd, uint64_t size, struct err *err)
{
	return err_set(err, -ENOSYS, "disk: not there yet");
}
