// SPDX-License-Identifier: Apache-2.0
// PID 1's own file system, and in it the container's root: the image below, a writable layer above.
#pragma once

#include "guest-init/platform.h"
#include "protocol/agent.h"

/*
 * Theory of operation
 *
 * The kernel starts PID 1 in the initramfs, which can't be the old root of a pivot_root. So a tmpfs
 * is laid over it at once, and it all happens there:
 *
 *      /dev         devtmpfs
 *      /image       the image, read-only
 *      /upper /work     writable layer of AGENT_ROOT_TMPFS and AGENT_ROOT_READONLY
 *      /disk        writable layer of AGENT_ROOT_DISK: the disk, with upper and work in it
 *      /container   overlay of the two: what the container's namespace pivots into
 *      /cgroup      cgroup2
 *      /further0... what the specification mounts beside the root
 *
 * A read-only root has the overlay as well: mount points and the files in /etc are made in it
 * before it is closed.
 */

#define ROOTFS_CONTAINER "/container"

/* rootfs_enter() - lay the tmpfs over the initramfs, move into it, mount /dev. Return: 0 or -errno.
 */
int rootfs_enter(struct err *err);

/* rootfs_mount_image() - mount the image, which needs no word from the host. Return: 0 or -errno.
 */
int rootfs_mount_image(const struct platform *platform, struct err *err);

/*
 * rootfs_mount() - mount the writable layer, the container's root, and its further file systems
 *
 * The latter only get ready here, at rootfs_further(): the container's namespace moves its copies
 * of them into place.
 *
 * Return: 0 or -errno.
 */
int rootfs_mount(const struct platform *platform, const struct agent_spec *spec, struct err *err);

#define ROOTFS_FURTHER_SIZE 24

/* rootfs_further() - where in PID 1's own file system mount @i of the specification is. */
void rootfs_further(size_t i, char ret[ROOTFS_FURTHER_SIZE]);

/* rootfs_close() - before power-off, with the container gone: leave all disks clean. */
void rootfs_close(const struct agent_spec *spec);
