// SPDX-License-Identifier: Apache-2.0
// The image store's folders, its locks, and files that appear whole or not at all.
#pragma once

#include "image/image.h"

#include <linux/limits.h>
#include <stdbool.h>

/*
 * Theory of operation
 *
 *   STORE/rootfs/<algorithm>-<hex>.vN.ext4    finished images; N is ROOTFS_FORMAT
 *   STORE/pulled/<key>/                       OCI layouts that skopeo made, with a file "source"
 *   STORE/locks/<name>                        empty; whoever builds <name> holds its flock
 *   STORE/tmp/<random>                        what is being built; its builder holds its flock
 *
 * Everything is made in tmp/, synced and renamed, so that a reader sees it whole or not at all.
 * flocks vanish with their holder: an entry of tmp/ that can be locked has lost its builder and is
 * removed by the next store_open(). An entry is created and locked under the shared lock
 * "locks/tmp", which store_open() takes exclusively, without waiting, for its clean-up; so it never
 * meets an entry between the two steps.
 *
 * Two builders of one image meet at its lock: the second waits, looks again, and finds the image.
 */

struct store {
	int tmp_fd;
	int rootfs_fd;
	int pulled_fd;
	int locks_fd;
};

/* A name in tmp/ */
#define STORE_NAME_SIZE 24

/*
 * struct store_temp - an entry of tmp/ that is being built
 * @fd:		the file or folder itself, locked; -1 when there is none
 */
struct store_temp {
	struct store *store;
	int fd;
	char name[STORE_NAME_SIZE];
};

#define STORE_TEMP_INIT ((struct store_temp){.fd = -1})

/* store_default_path() - where it is unless the user says. Return: 0 or -errno with a message. */
int store_default_path(char ret_path[PATH_MAX], struct err *err);

/*
 * store_lock() - wait for and take the exclusive lock @name
 * @name:	a file name
 *
 * Return: 0 and a descriptor whose closing releases the lock, or -errno (-EINTR when a signal
 * handler ran).
 */
int store_lock(struct store *store, const char *name, int *ret_fd, struct err *err);

/*
 * store_temp_file() / store_temp_dir() - make an empty file or folder in tmp/
 *
 * store_temp_discard() removes it and all in it; harmless on STORE_TEMP_INIT and after
 * store_temp_publish().
 */
int store_temp_file(struct store *store, struct store_temp *ret_temp, struct err *err);
int store_temp_dir(struct store *store, struct store_temp *ret_temp, struct err *err);
void store_temp_discard(struct store_temp *temp);

/*
 * store_temp_publish() - sync it and move it to @name in the folder @dirfd
 * @dirfd:	rootfs_fd or pulled_fd of the store
 * @name:	whatever has this name already is replaced
 *
 * On success the descriptor in @temp is the caller's to take, or closed by store_temp_discard().
 */
int store_temp_publish(struct store_temp *temp, int dirfd, const char *name, struct err *err);

/* store_remove() - remove a file or folder with all in it, never following a symlink. Return: 0 or
 * -errno. */
int store_remove(int dirfd, const char *name);
