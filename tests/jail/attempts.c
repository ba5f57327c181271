// SPDX-License-Identifier: Apache-2.0
// What attempts are aimed at.
#include "tests/jail/attempts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct attempts_target attempts_target = {.shm = -1};

static int serve_abstract(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(attempts_target.name, sizeof(attempts_target.name), "hull-probe-%d",
		attempts_target.pid);
	strcpy(addr.sun_path + 1, attempts_target.name);
	return fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
			       listen(fd, 128) < 0
		       ? -errno
		       : 0;
}

static int serve_tcp(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, len) < 0 || listen(fd, 128) < 0 ||
		getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	attempts_target.port = addr.sin_port;
	return 0;
}

int attempts_serve(void)
{
	int r;

	attempts_target.pid = getpid();
	strcpy(attempts_target.secret, "not to be read");
	snprintf(attempts_target.file, sizeof(attempts_target.file), "/tmp/hull-probe-%d",
		attempts_target.pid);
	attempts_target.shm = shmget(attempts_target.pid, 4096, IPC_CREAT | IPC_EXCL | 0666);
	if (attempts_target.shm < 0)
		return -errno;
	r = serve_abstract();
	return r ? r : serve_tcp();
}

void attempts_unserve(void)
{
	shmctl(attempts_target.shm, IPC_RMID, NULL);
	unlink(attempts_target.file);
}

void attempts_open(void)
{
	attempts_target.host_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	attempts_target.host_mnt = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	attempts_target.host_net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	attempts_target.host_user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	close(open(attempts_target.file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	attempts_target.tty = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}
