// SPDX-License-Identifier: Apache-2.0
// Attempts: what the host's file system would give.
#include "tests/jail/attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Files. */

static long open_passwd(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long open_above(void)
{
	return open("../../../../../../../../etc/passwd", O_RDONLY);
}

static long open_environ(void)
{
	return open("/proc/self/environ", O_RDONLY);
}

static long open_kvm(void)
{
	return open("/dev/kvm", O_RDWR);
}

static long open_root(void)
{
	return open("/", O_RDONLY | O_DIRECTORY);
}

static long create_file(void)
{
	return open("/left-behind-by-probe", O_WRONLY | O_CREAT | O_EXCL, 0600);
}

static long open_below_kept(void)
{
	return openat(attempts_target.host_root, "etc/passwd", O_RDONLY);
}

static long open_kept_root(void)
{
	return fchdir(attempts_target.host_root) < 0 ? -1 : open("etc/passwd", O_RDONLY);
}

static long do_openat2(void)
{
	const struct open_how how = {.flags = O_RDONLY};

	return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how));
}

static long open_by_handle(void)
{
	struct {
		struct file_handle head;
		unsigned char bytes[8];
	} handle = {.head = {.handle_bytes = 8, .handle_type = 1}};

	return open_by_handle_at(attempts_target.host_root, &handle.head, O_RDONLY);
}

static long do_unlink(void)
{
	return syscall(SYS_unlink, attempts_target.file);
}

static long make_device(void)
{
	return mknod("/probe-device", S_IFBLK | 0600, makedev(7, 0));
}

static long make_fifo(void)
{
	return mknod("/probe-fifo", S_IFIFO | 0600, 0);
}

/* Roots, mounts, namespaces. */

static long do_chroot(void)
{
	return chroot("/");
}

static long chroot_kept(void)
{
	return fchdir(attempts_target.host_root) < 0 ? -1 : chroot(".");
}

static long do_pivot_root(void)
{
	return syscall(SYS_pivot_root, ".", ".");
}

static long do_mount(void)
{
	return mount("none", "/", "tmpfs", 0, NULL);
}

static long mount_bind(void)
{
	return mount("/", "/", NULL, MS_BIND, NULL);
}

static long make_writable(void)
{
	struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};

	return syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof(attr));
}

static long do_fsopen(void)
{
	return syscall(SYS_fsopen, "proc", 0);
}

static long clone_tree(void)
{
	return syscall(
		SYS_open_tree, attempts_target.host_root, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
}

static long do_umount(void)
{
	return umount2("/", MNT_DETACH);
}

static long unshare_mount(void)
{
	return unshare(CLONE_NEWNS);
}

static long unshare_user(void)
{
	return unshare(CLONE_NEWUSER);
}

/* In there it has every capability again. */
static long unshare_user_and_mount(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -1;
	return mount("none", "/", "tmpfs", 0, NULL);
}

static long setns_mount(void)
{
	return setns(attempts_target.host_mnt, CLONE_NEWNS);
}

static long setns_net(void)
{
	return setns(attempts_target.host_net, CLONE_NEWNET);
}

static long setns_user(void)
{
	return setns(attempts_target.host_user, CLONE_NEWUSER);
}

static long set_host_name(void)
{
	return sethostname("probe", 5);
}

static const struct attempt rows[] = {
	{"open /etc/passwd", open_passwd, CALL(openat), LOOP_TOO(NOT(ENOENT)), BARE},
	{"open ../../etc/passwd", open_above, CALL(openat), LOOP_TOO(NOT(ENOENT)), BARE},
	{"open /proc/self/environ", open_environ, CALL(openat), LOOP_TOO(NOT(ENOENT)), BARE},
	{"open /dev/kvm", open_kvm, CALL(openat), LOOP_TOO(NOT(ENOENT)), .bare_root = true},
	{"list /", open_root, CALL(openat), LOOP_TOO(NOT(EACCES)), BARE},
	{"create a file", create_file, CALL(openat), LOOP_TOO(NOT(EROFS, EACCES))},
	{"open below a descriptor", open_below_kept, CALL(openat), LOOP_TOO(NOT(EACCES)), BARE},
	{"open below a kept root", open_kept_root, CALL(fchdir), WITHOUT(NOT(EACCES)), BARE},
	{"openat2", do_openat2, CALL(openat2), WITHOUT(NOT(ENOENT)), BARE},
	{"open by handle", open_by_handle, CALL(open_by_handle_at), WITHOUT(NOT(EPERM))},
	{"unlink", do_unlink, CALL(unlink), LOOP_TOO(NOT(ENOENT)), BARE},
	{"make a device", make_device, CALL(mknodat), WITHOUT(NOT(EPERM, EROFS, EACCES))},
	{"make a FIFO", make_fifo, CALL(mknodat), WITHOUT(NOT(EROFS, EACCES))},

	{"chroot", do_chroot, CALL(chroot), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"chroot to a kept root", chroot_kept, CALL(fchdir), WITHOUT(NOT(EPERM)),
		.bare_root = true},
	{"pivot_root", do_pivot_root, CALL(pivot_root), WITHOUT(NOT(EPERM))},
	{"mount", do_mount, CALL(mount), WITHOUT(NOT(EPERM))},
	{"bind mount", mount_bind, CALL(mount), WITHOUT(NOT(EPERM))},
	{"a writable root", make_writable, CALL(mount_setattr), WITHOUT(NOT(EPERM))},
	{"fsopen", do_fsopen, CALL(fsopen), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"open_tree", clone_tree, CALL(open_tree), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"umount", do_umount, CALL(umount2), WITHOUT(NOT(EPERM))},
	{"unshare mounts", unshare_mount, CALL(unshare), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"unshare users", unshare_user, CALL(unshare), WITHOUT(DONE), BARE},
	{"unshare users to mount", unshare_user_and_mount, CALL(unshare), WITHOUT(NOT(EPERM)),
		BARE},
	{"setns mnt", setns_mount, CALL(setns), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"setns net", setns_net, CALL(setns), WITHOUT(NOT(EPERM)), .bare_root = true},
	{"setns user", setns_user, CALL(setns), WITHOUT(NOT(EPERM))},
	{"sethostname", set_host_name, CALL(sethostname), WITHOUT(NOT(EPERM))},
};

const struct attempts attempts_files = {rows, sizeof(rows) / sizeof(rows[0])};
