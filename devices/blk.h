// SPDX-License-Identifier: Apache-2.0
// virtio-blk.
#pragma once

struct disk;
struct virtio_dev;

/*
 * blk_new() - make a block device
 * @disk:	taken over on success: the device frees it
 * @id:		what GET_ID answers, at most 20 bytes of it; NULL for none; copied
 * @ret:	owned by the caller: (*ret)->ops->free(*ret) after its slot is gone
 *
 * Return: 0 or -ENOMEM.
 */
int blk_new(struct disk *disk, const char *id, struct virtio_dev **ret);
