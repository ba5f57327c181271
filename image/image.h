// SPDX-License-Identifier: Apache-2.0
// The public face of the image library: a reference becomes a read-only ext4 image and its config.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;
struct store;

/*
 * Theory of operation
 *
 *   reference --parse--> OCI layout (given, or fetched by skopeo into the store)
 *                           |  index.json: tag, platform        (every blob's size and digest
 *                           v  manifest, config, layers          are checked as it is read)
 *                    merged tree in memory; file contents stream to their final place
 *                           |
 *                           v
 *   store/rootfs/<manifest digest>.ext4     built once, then shared read-only by every VM
 *
 * Nothing of an image is ever unpacked onto the host's file system, and no privilege is needed.
 * References, layouts and archives are hostile; the store belongs to its user and is trusted.
 */

/* "sha512:", 128 hex digits and a NUL: the longest digest that is accepted. */
#define IMAGE_DIGEST_SIZE 136

/*
 * struct image_config - what the image says about the command to run
 * @entrypoint, @cmd, @env:	NULL-terminated arrays, never NULL themselves, maybe empty;
 *				each of @env is NAME=VALUE with a non-empty NAME
 * @user:		"", or "user[:group]" by names or numbers, to be resolved inside the image
 * @working_dir:	"", or an absolute path
 * @stop_signal:	"", or a name or a number such as "SIGTERM", "15"
 *
 * The strings are owned by the struct. They hold no NUL, no strings but those of @entrypoint,
 * @cmd and @env hold control characters, and their number and size are bounded
 * (IMAGE_CONFIG_STRINGS_MAX, IMAGE_CONFIG_BYTES_MAX); beyond that they are untrusted text.
 */
struct image_config {
	char **entrypoint;
	char **cmd;
	char **env;
	char *user;
	char *working_dir;
	char *stop_signal;
};

/* Strings of a config in all: beyond what the guest's execve takes it would be of no use. */
#define IMAGE_CONFIG_STRINGS_MAX 4096
/* Bytes of these strings: they travel in one agent frame, with room left for the user's own. */
#define IMAGE_CONFIG_BYTES_MAX (128 * 1024)

/*
 * struct image - an image that is ready to boot
 * @digest:	of its manifest, "sha256:<hex>"
 * @rootfs_fd:	O_RDONLY, close-on-exec: the ext4 image, to be attached read-only
 *
 * Owned by the caller, image_fini() releases it.
 */
struct image {
	char digest[IMAGE_DIGEST_SIZE];
	int rootfs_fd;
	struct image_config config;
};

#define IMAGE_INIT ((struct image){.rootfs_fd = -1})

/*
 * store_open() - open the image store, making it if needed
 * @path:	its directory; NULL for $HULL_STORE, else /var/lib/hull for root, else
 *		$XDG_DATA_HOME/hull or ~/.local/share/hull
 *
 * What a killed builder left behind is removed on the way.
 *
 * Return: 0 or -errno. On success the caller owns *ret_store until store_close().
 */
int store_open(const char *path, struct store **ret_store, struct err *err);

/* store_close() - NULL is fine. Prepared images stay valid. */
void store_close(struct store *store);

/*
 * image_prepare() - find or fetch the image and have its ext4 image built
 * @reference:	untrusted text, see image/reference.h for its forms
 * @ret_image:	written only on success
 *
 * With the ext4 image in the store already this reads three small files; otherwise it takes
 * seconds, or as long as the download does. When two callers want the same image one builds and
 * the other waits. On failure nothing is left in the store.
 *
 * Return: 0 or -errno with one line in @err.
 * Context: any; starts skopeo as a child process for images that aren't local layouts.
 */
int image_prepare(
	struct store *store, const char *reference, struct image *ret_image, struct err *err);

/* image_fini() - close and free; harmless on IMAGE_INIT and when called twice. */
void image_fini(struct image *image);

/*
 * rootfs_make_empty() - make an empty ext4 file system for a writable layer
 * @fd:		O_RDWR, an empty regular file; stays the caller's
 * @size:	bytes, at least ROOTFS_EMPTY_MIN and at most ROOTFS_EMPTY_MAX; rounded down to 4 KiB
 *
 * The file is sparse: 10 GiB occupy 48 KiB until they are written to. There is no journal:
 * it is scratch space.
 *
 * Return: 0, -ERANGE for the size, or -errno.
 */
int rootfs_make_empty(int fd, uint64_t size, struct err *err);

#define ROOTFS_EMPTY_MIN (UINT64_C(1) << 20)
#define ROOTFS_EMPTY_MAX (UINT64_C(4) << 40)
