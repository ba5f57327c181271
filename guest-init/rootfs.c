// SPDX-License-Identifier: Apache-2.0
// PID 1's own file system and the container's root.
#include "guest-init/rootfs.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define IMAGE "/image"
#define DISK "/disk"

/* The second disk: /dev/vdb. */
#define ROOT_DISK 1

/* The one directory that an initramfs is sure to have. */
#define FIRST_MOUNT "/dev"

static int dir_make(const char *path, mode_t mode, struct err *err)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return err_errno(err, errno, "mkdir %s", path);
	return 0;
}

int rootfs_enter(struct err *err)
{
	int r;

	if (mount("tmpfs", FIRST_MOUNT, "tmpfs", MS_NOSUID, "mode=755") < 0)
		return err_errno(err, errno, "mount tmpfs");
	if (chdir(FIRST_MOUNT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return err_errno(err, errno, "entering the tmpfs");
	r = dir_make("/dev", 0755, err);
	if (r < 0)
		return r;
	if (mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, NULL) < 0)
		return err_errno(err, errno, "mount devtmpfs");
	return 0;
}

int rootfs_mount_image(const struct platform *platform, struct err *err)
{
	int r = dir_make(IMAGE, 0755, err);

	return r < 0 ? r : platform->mount_image(IMAGE, err);
}

/* The overlay's root takes its owner and mode from the upper directory: pass on the image's. */
static int upper_make(const char *upper, const char *work, struct err *err)
{
	struct stat st;
	int r;

	if (mkdir(upper, 0755) < 0)
		/* There already: a disk that was used before. */
		return errno == EEXIST ? 0 : err_errno(err, errno, "mkdir %s", upper);
	r = dir_make(work, 0700, err);
	if (r < 0)
		return r;
	if (stat(IMAGE, &st) < 0)
		return err_errno(err, errno, "stat %s", IMAGE);
	if (chown(upper, st.st_uid, st.st_gid) < 0 || chmod(upper, st.st_mode & 07777) < 0)
		return err_errno(err, errno, "%s", upper);
	return 0;
}

/* The container's further file systems, where its namespace will find them. */
static int further_mount(
	const struct platform *platform, const struct agent_spec *spec, struct err *err)
{
	char target[ROOTFS_FURTHER_SIZE], options[48];
	int r = 0;

	for (size_t i = 0; i < spec->n_mounts && r == 0; i++) {
		const struct agent_mount *mount_spec = &spec->mounts[i];
		unsigned long flags = MS_NOSUID | MS_NODEV;

		if (mount_spec->flags & AGENT_MOUNT_READONLY)
			flags |= MS_RDONLY;
		if (mount_spec->flags & AGENT_MOUNT_NOEXEC)
			flags |= MS_NOEXEC;
		rootfs_further(i, target);
		r = dir_make(target, 0755, err);
		if (r < 0)
			return r;
		if (mount_spec->kind == AGENT_MOUNT_DISK) {
			r = platform->mount_disk(mount_spec->disk, target, flags, err);
			continue;
		}
		snprintf(options, sizeof(options), "mode=1777,size=%" PRIu64, mount_spec->size);
		/* No size: the kernel's default. */
		if (!mount_spec->size)
			*strchr(options, ',') = '\0';
		if (mount("tmpfs", target, "tmpfs", flags, options) < 0)
			r = err_errno(err, errno, "%s: tmpfs", mount_spec->path);
	}
	return r;
}

static int root_mount(const struct platform *platform, enum agent_root kind, struct err *err)
{
	const char *upper = "/upper", *work = "/work";
	/* redirect_dir: a directory of the image can be renamed. volatile: a tmpfs needs no syncs.
	 */
	const char *options =
		"lowerdir=" IMAGE ",upperdir=/upper,workdir=/work,redirect_dir=on,volatile";
	int r;

	if (kind == AGENT_ROOT_DISK) {
		upper = DISK "/upper";
		work = DISK "/work";
		options = "lowerdir=" IMAGE ",upperdir=" DISK "/upper,workdir=" DISK
			  "/work,redirect_dir=on";
		r = dir_make(DISK, 0700, err);
		if (r == 0)
			r = platform->mount_disk(ROOT_DISK, DISK, 0, err);
		if (r < 0)
			return r;
	}
	r = upper_make(upper, work, err);
	if (r == 0)
		r = dir_make(ROOTFS_CONTAINER, 0755, err);
	if (r < 0)
		return r;
	if (mount("overlay", ROOTFS_CONTAINER, "overlay", 0, options) < 0)
		return err_errno(err, errno, "mount overlay");
	return 0;
}

int rootfs_mount(const struct platform *platform, const struct agent_spec *spec, struct err *err)
{
	int r = root_mount(platform, spec->root, err);

	return r < 0 ? r : further_mount(platform, spec, err);
}

void rootfs_further(size_t i, char ret[ROOTFS_FURTHER_SIZE])
{
	snprintf(ret, ROOTFS_FURTHER_SIZE, "/further%u", (unsigned int)i);
}

void rootfs_close(const struct agent_spec *spec)
{
	char target[ROOTFS_FURTHER_SIZE];
	bool busy = false;

	/* Busy only if something of the container refused to die: then at least its data is
	 * written. */
	for (size_t i = 0; i < spec->n_mounts; i++) {
		rootfs_further(i, target);
		if (spec->mounts[i].kind == AGENT_MOUNT_DISK && umount2(target, 0) < 0)
			busy = true;
	}
	if (spec->root == AGENT_ROOT_DISK) {
		umount2(ROOTFS_CONTAINER, MNT_DETACH);
		if (umount2(DISK, 0) < 0)
			busy = true;
	}
	if (busy)
		sync();
}
