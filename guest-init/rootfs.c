// SPDX-License-Identifier: Apache-2.0
// PID 1's own file system and the container's root.
#include "guest-init/rootfs.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define IMAGE "/image"
#define DISK "/disk"
#define CGROUP "/cgroup"
#define CGROUP_CONTAINER CGROUP "/container"

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

int rootfs_mount(const struct platform *platform, enum agent_root kind, struct err *err)
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
			r = platform->mount_disk(DISK, err);
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

void rootfs_close(enum agent_root kind)
{
	if (kind != AGENT_ROOT_DISK)
		return;
	umount2(ROOTFS_CONTAINER, MNT_DETACH);
	/* Busy only if something of the container refused to die: then at least its data is
	 * written. */
	if (umount2(DISK, 0) < 0)
		sync();
}

int rootfs_cgroup(void)
{
	int fd;

	if (dir_make(CGROUP, 0755, NULL) < 0)
		return -errno;
	if (mount("cgroup2", CGROUP, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	if (mkdir(CGROUP_CONTAINER, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(CGROUP_CONTAINER, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
