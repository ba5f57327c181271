// SPDX-License-Identifier: Apache-2.0
// hull-init: PID 1 of the guest. It starts the container that the host describes, and switches off.
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "guest-init/agent.h"
#include "guest-init/network.h"
#include "guest-init/platform.h"
#include "guest-init/rootfs.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

/* After sys/socket.h, whose struct sockaddr it needs. */
#include <linux/vm_sockets.h>

#define IMAGE_DEVICE "/dev/vda"

/* The kernel's default of 2 s is short for a host that emulates this machine, or has paused it. */
#define DIAL_TIMEOUT_S 60

static int vsock_dial(uint32_t port, struct err *err)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = port,
	};
	const struct timeval timeout = {.tv_sec = DIAL_TIMEOUT_S};
	int CLEANUP_FD sock = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return err_errno(err, errno, "vsock");
	setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof(timeout));
	if (connect(sock, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return err_errno(err, errno, "vsock: connecting to port %u of the host", port);
	return TAKE_FD(sock);
}

static int image_mount(const char *target, struct err *err)
{
	if (mount(IMAGE_DEVICE, target, "ext4", MS_RDONLY | MS_NOATIME, NULL) < 0)
		return err_errno(err, errno, "mounting the image, " IMAGE_DEVICE);
	return 0;
}

static int disk_mount(unsigned int disk, const char *target, unsigned long flags, struct err *err)
{
	char device[] = "/dev/vda";

	device[strlen(device) - 1] = (char)('a' + disk);
	if (mount(device, target, "ext4", MS_NOATIME | flags, NULL) < 0)
		return err_errno(err, errno, "mounting the disk %s", device);
	return 0;
}

static void power_off(void)
{
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* The kernel opens the console for PID 1 if it can; the numbers must be taken in any case. */
static void console_open(void)
{
	int fd;

	do
		fd = open("/dev/console", O_RDWR | O_NOCTTY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		do
			fd = open("/dev/null", O_RDWR);
		while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(void)
{
	static const struct platform guest = {
		.dial = vsock_dial,
		.mount_image = image_mount,
		.mount_disk = disk_mount,
		.network = network_setup,
		.power_off = power_off,
	};
	const uint64_t began_ns = clock_read(CLOCK_BOOTTIME);
	struct err err;

	log_setup("hull-init", LOG_WARN);
	/* An image could name this binary, /proc/self/exe, as its command. */
	if (getpid() != 1) {
		log_error("runs only as the first process of a guest");
		return 1;
	}
	if (rootfs_enter(&err) < 0) {
		log_error("%s", err.msg);
		power_off();
	}
	console_open();
	agent_run(&guest, began_ns);
}
