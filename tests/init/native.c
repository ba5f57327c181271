// SPDX-License-Identifier: Apache-2.0
// hull-init without a virtual machine: namespaces instead of a guest, a socket pair instead of
// vsock.
#include "base/cleanup.h"
#include "base/io.h"
#include "base/le.h"
#include "base/log.h"
#include "guest-init/agent.h"
#include "guest-init/network.h"
#include "guest-init/platform.h"
#include "guest-init/rootfs.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/*
 * init-native IMAGE DISK FD [DISK...]
 *
 * IMAGE and each DISK are directories that stand for block devices; FD is one end of a
 * SOCK_SEQPACKET pair that carries connections as hull-vmm's "--vsock fd=N" does: a message of four
 * bytes, the port, with one end of a stream socket. Needs root, but leaves nothing behind: all
 * happens in new namespaces.
 */

/* As many as the tests need. */
#define DISKS 3

/* A directory that is there on all machines. */
#define CGROUP_MOUNT "/sys"

static char cgroup_path[64];
static int vsock_fd, image_tree, disk_trees[DISKS + 1] = {-1, -1, -1, -1};

static int native_dial(uint32_t port, struct err *err)
{
	uint8_t message[4];
	int fds[2];
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_errno(err, errno, "socketpair");
	le32_store(message, port);
	n = io_send_fd(vsock_fd, message, sizeof(message), fds[1]);
	close(fds[1]);
	if (n < 0) {
		close(fds[0]);
		return err_errno(err, (int)-n, "port %u", port);
	}
	return fds[0];
}

static int tree_open(const char *path)
{
	return open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

static int tree_mount(int tree, const char *target, unsigned long flags, struct err *err)
{
	if (move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(err, errno, "move_mount %s", target);
	if (mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | flags, NULL) < 0)
		return err_errno(err, errno, "remount %s", target);
	return 0;
}

static int native_image(const char *target, struct err *err)
{
	return tree_mount(image_tree, target, MS_RDONLY, err);
}

static int native_disk(unsigned int disk, const char *target, unsigned long flags, struct err *err)
{
	if (disk == 0 || disk > DISKS || disk_trees[disk] < 0)
		return err_set(err, -ENOENT, "disk %u", disk);
	return tree_mount(disk_trees[disk], target, flags, err);
}

static void native_power_off(void)
{
	_exit(0);
}

/*
 * A control group of its own, as a guest has: what is called "container" there must not be that of
 * another run. Where there is no cgroup2, tests that need it say so.
 */
static void cgroup_make_own(void)
{
	if (mount("cgroup2", CGROUP_MOUNT, "cgroup2", 0, NULL) < 0)
		return;
	snprintf(cgroup_path, sizeof(cgroup_path), CGROUP_MOUNT "/hull-init-%d", getpid());
	mkdir(cgroup_path, 0755);
}

static void cgroup_join(void)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup_path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) == 1)
		unshare(CLONE_NEWCGROUP);
	close(fd);
}

static void cgroup_leave(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/container", cgroup_path);
	rmdir(path);
	rmdir(cgroup_path);
}

static void run(void)
{
	static const struct platform native = {
		.dial = native_dial,
		.mount_image = native_image,
		.mount_disk = native_disk,
		.network = network_setup,
		.power_off = native_power_off,
	};
	struct err err;

	cgroup_join();
	if (rootfs_enter(&err) == 0)
		agent_run(&native, 0);
	log_error("%s", err.msg);
	_exit(1);
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	log_setup("init-native", LOG_WARN);
	if (argc < 4 || argc > 3 + DISKS)
		return 1;
	vsock_fd = atoi(argv[3]);
	image_tree = tree_open(argv[1]);
	disk_trees[1] = tree_open(argv[2]);
	for (int i = 4; i < argc; i++)
		disk_trees[i - 2] = tree_open(argv[i]);
	if (image_tree < 0 || fcntl(vsock_fd, F_SETFD, FD_CLOEXEC) < 0 ||
		unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) < 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		log_error("%s", strerror(errno));
		return 1;
	}
	cgroup_make_own();
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run();
	}
	close(vsock_fd);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 1;
	cgroup_leave();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
