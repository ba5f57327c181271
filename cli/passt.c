// SPDX-License-Identifier: Apache-2.0
// passt, which gives a guest the host's network without privileges.
#include "cli/passt.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "cli/child.h"
#include "cli/network.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A copy of passt's end above its number. */
#define CHILD_FD_SPARE 16
/* The fixed words, and two for each published port. */
#define ARGS_FIXED_MAX 32

/* As whom passt runs where it can choose: it warns when it has to choose by itself. */
#define PASST_USER "65534:65534"

#define STRING(x) #x
#define NUMBER_STRING(x) STRING(x)

/* The words of the command line; only the array is to be freed. */
static char **passt_args(const struct network *network)
{
	static const char *const fixed[] = {
		"passt",
		"--foreground",
		"--quiet",
		"--stderr",
		"--one-off",
		"--fd",
		NUMBER_STRING(SPAWN_FD_FIRST),
		"--ipv4-only",
		"--address",
		NETWORK_PASST_ADDRESS,
		"--netmask",
		NUMBER_STRING(NETWORK_PASST_PREFIX),
		"--gateway",
		NETWORK_PASST_GATEWAY,
		"--dns-forward",
		NETWORK_PASST_DNS,
		/* The gateway's address would lead to the host's own loopback interface. */
		"--no-map-gw",
	};
	size_t count = 0;
	char **args = calloc(ARGS_FIXED_MAX + 2 * network->publish.count + 1, sizeof(*args));

	if (!args)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		args[count++] = (char *)(uintptr_t)fixed[i];
	if (geteuid() == 0) {
		args[count++] = (char *)(uintptr_t) "--runas";
		args[count++] = (char *)(uintptr_t)PASST_USER;
	}
	for (size_t i = 0; i < network->publish.count; i++) {
		char *entry = network->publish.items[i];

		args[count++] =
			(char *)(uintptr_t)(entry[0] == 't' ? "--tcp-ports" : "--udp-ports");
		args[count++] = entry + 1;
	}
	return args;
}

int passt_start(struct passt *passt, const struct network *network, int cgroup_fd, struct err *err)
{
	int CLEANUP_FD spare = -1;
	char **args;
	int ends[2];
	pid_t pid;

	*passt = PASST_INIT;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(err, errno, "passt's socket");
	passt->vm_fd = ends[0];
	spare = fcntl(ends[1], F_DUPFD_CLOEXEC, CHILD_FD_SPARE);
	close(ends[1]);
	if (spare < 0)
		return err_errno(err, errno, "passt's socket");
	args = passt_args(network);
	if (!args)
		return err_set(err, -ENOMEM, "out of memory");
	pid = spawn_start(&(struct spawn){
		.program = args[0],
		.argv = args,
		.fds = &spare,
		.fd_count = 1,
		.cgroup_fd = cgroup_fd,
	});
	free(args);
	if (pid == -ENOENT)
		return err_set(err, pid, "--network passt: the program passt is not installed");
	if (pid < 0)
		return err_errno(err, -pid, "--network passt: cannot run passt");
	passt->pid = pid;
	return 0;
}

void passt_handed_over(struct passt *passt)
{
	cleanup_fd(&passt->vm_fd);
}

int passt_check(struct passt *passt, struct err *err)
{
	int status;

	if (!passt->pid || waitpid(passt->pid, &status, WNOHANG) != passt->pid)
		return 0;
	passt->pid = 0;
	if (WIFSIGNALED(status))
		return err_set(err, -EIO, "--network passt: passt was killed by signal %d",
			WTERMSIG(status));
	return err_set(
		err, -EIO, "--network passt: passt ended with exit code %d", WEXITSTATUS(status));
}

void passt_stop(struct passt *passt)
{
	passt_handed_over(passt);
	if (!passt->pid)
		return;
	/* It has nothing to put away, and while it is stopped it would take no other signal. */
	kill(passt->pid, SIGKILL);
	while (waitpid(passt->pid, NULL, 0) < 0 && errno == EINTR)
		;
	passt->pid = 0;
}
