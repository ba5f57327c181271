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
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/*
 * init-native IMAGE DISK FD
 *
 * IMAGE and DISK are directories that stand for the two block devices; FD is one end of a
 * SOCK_SEQPACKET pair that carries connections as hull-vmm's "--vsock fd=N" does: a message of four
 * bytes, the port, with one end of a stream socket. Needs root, but leaves nothing behind: all
 * happens in new namespaces.
 */

static int vsock_fd, image_tree, disk_tree;

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

static int native_disk(const char *target, struct err *err)
{
	return tree_mount(disk_tree, target, 0, err);
}

static void native_power_off(void)
{
	_exit(0);
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

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		err_errno(&err, errno, "making mounts private");
	else if (rootfs_enter(&err) == 0)
		agent_run(&native, 0);
	log_error("%s", err.msg);
	_exit(1);
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	log_setup("init-native", LOG_WARN);
	if (argc != 4)
		return 1;
	vsock_fd = atoi(argv[3]);
	image_tree = open_tree(AT_FDCWD, argv[1], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	disk_tree = open_tree(AT_FDCWD, argv[2], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (image_tree < 0 || disk_tree < 0 || fcntl(vsock_fd, F_SETFD, FD_CLOEXEC) < 0 ||
		unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) < 0) {
		log_error("%s", strerror(errno));
		return 1;
	}
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run();
	}
	close(vsock_fd);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
