// SPDX-License-Identifier: Apache-2.0
// The container's mounts. All of this runs in its new namespaces, before any of its own code.
#pragma once

#include "base/err.h"
#include "protocol/agent_spec.h"

#include <stdbool.h>

/* mounts_enter() - pivot into ROOTFS_CONTAINER and detach everything else. Return: 0 or -errno. */
int mounts_enter(struct err *err);

/* mounts_make() - /proc, /sys, /dev and below, device nodes and links. Return: 0 or -errno. */
int mounts_make(struct err *err);

/* mounts_mask() - hide and write-protect what Docker hides and write-protects. Return: 0 or -errno.
 */
int mounts_mask(struct err *err);

/*
 * mounts_seal() - make the root read-only, but for /tmp, /run and /var/tmp
 *
 * Those keep what the image has in them; writes go to the guest's memory.
 *
 * Return: 0 or -errno.
 */
int mounts_seal(struct err *err);

/* mounts_bind() - mount the file @source over the file @target, which is made. Return: 0 or -errno.
 */
int mounts_bind(const char *source, const char *target, struct err *err);

/*
 * mounts_mkdir() - make the directory @path, parents included, as root's with mode 755
 * @path:	absolute; links in it are followed, within the container's root
 *
 * Return: 0, also when it was there; -errno.
 */
int mounts_mkdir(const char *path, struct err *err);

/*
 * struct mounts_further - the specification's further file systems on their way into the container
 * @trees:	@count detached mounts, or -1
 */
struct mounts_further {
	size_t count;
	int trees[AGENT_MOUNTS_MAX];
};

/* mounts_take() - take copies of what rootfs_mount() has made ready, before mounts_enter(). Return:
 * 0 or -errno. */
int mounts_take(const struct agent_spec *spec, struct mounts_further *ret, struct err *err);

/*
 * mounts_prepare() - make the directories that they are mounted on
 *
 * Needed before mounts_seal() only; mounts_add() makes what is still missing.
 *
 * Return: 0 or -errno.
 */
int mounts_prepare(const struct agent_spec *spec, struct err *err);

/*
 * mounts_add() - put them in place, in their order, and close @further
 *
 * Links in a path are followed within the container's root, but for those of /proc that lead
 * anywhere.
 *
 * Return: 0 or -errno.
 */
int mounts_add(const struct agent_spec *spec, struct mounts_further *further, struct err *err);
