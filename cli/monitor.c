// SPDX-License-Identifier: Apache-2.0
// hull's child hull-vmm.
#include "cli/monitor.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mac.h"
#include "cli/child.h"
#include "cli/spec_json.h"
#include "cli/subids.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Exit codes of hull-vmm that are not its own failure. */
#define VMM_EXIT_POWEROFF 0
#define VMM_EXIT_REBOOT 16
#define VMM_EXIT_TRIPLE_FAULT 17
#define VMM_EXIT_PANIC 18

/* Descriptors of the child; what a VM does not have leaves a gap. */
enum child_fd {
	CHILD_CLIENTS, /* as enum monitor_client */
	CHILD_CONSOLE = CHILD_CLIENTS + MONITOR_CLIENTS,
	CHILD_CONTAINER,
	CHILD_ROOTFS,
	CHILD_DISK,
	CHILD_PASST,
	CHILD_FD_COUNT,
};

/* Our copies of the child's descriptors are made above its numbers, so that none is overwritten
 * before it was placed. */
#define CHILD_FD_SPARE (SPAWN_FD_FIRST + CHILD_FD_COUNT)

#define MONITOR_ARGS_MAX 40
#define MONITOR_ARG_SIZE 64

/* Reads in one go. */
#define MONITOR_BATCH 64

/* One read of a pipe; a batch of them empties the largest that is made here, 64 KiB. */
#define PIPE_READ_SIZE 4096

static void monitor_close(struct monitor *monitor, struct loop_source *src)
{
	int fd = src->fd;

	if (!src->fn)
		return;
	loop_del(monitor->loop, src);
	close(fd);
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(TAKE_FD(*fd));
}

static void monitor_on_console(struct loop_source *src, uint32_t events)
{
	struct monitor *monitor = container_of(src, struct monitor, console);
	char data[PIPE_READ_SIZE];
	ssize_t got = read(src->fd, data, sizeof(data));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		monitor_close(monitor, src);
		return;
	}
	console_add(&monitor->text, data, (uint32_t)got);
}

/* What is left in a pipe whose other end is gone. A child of hull-vmm's could hold that
 * end, so it isn't waited for. */
static void monitor_drain_source(struct loop_source *src)
{
	for (int i = 0; i < MONITOR_BATCH && src->fn; i++)
		src->fn(src, EPOLLIN);
}

static void monitor_on_exit(struct loop_source *src, uint32_t events)
{
	struct monitor *monitor = container_of(src, struct monitor, process);

	if (waitpid(monitor->pid, &monitor->status, WNOHANG) != monitor->pid)
		return;
	monitor->pid = 0;
	monitor_close(monitor, src);
	monitor_drain_source(&monitor->console);
	monitor->ended(monitor);
}

struct monitor_args {
	char *argv[MONITOR_ARGS_MAX];
	char text[MONITOR_ARGS_MAX][MONITOR_ARG_SIZE];
	size_t count;
};

static void args_add(struct monitor_args *args, const char *name, const char *value)
{
	args->argv[args->count++] = (char *)(uintptr_t)name;
	if (value)
		args->argv[args->count++] = (char *)(uintptr_t)value;
}

__attribute__((format(printf, 3, 4))) static void args_addf(
	struct monitor_args *args, const char *name, const char *format, ...)
{
	char *text = args->text[args->count];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, MONITOR_ARG_SIZE, format, ap);
	va_end(ap);
	args_add(args, name, text);
}

/* @format: the device's other end. */
__attribute__((format(printf, 3, 4))) static void args_net(
	struct monitor_args *args, const uint8_t *mac, const char *format, ...)
{
	char text[MONITOR_ARG_SIZE], address[MAC_TEXT_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	mac_format(mac, address);
	args_addf(args, "--net", "%s,mac=%s", text, address);
}

static void monitor_args(struct monitor_args *args, const struct monitor_config *config,
	const struct subids *ids, const int fds[CHILD_FD_COUNT])
{
	*args = (struct monitor_args){0};
	args_add(args, config->program, NULL);
	args_add(args, "--kernel", config->kernel);
	args_add(args, "--initrd", config->initrd);
	args_add(args, "--cmdline", config->cmdline);
	args_addf(args, "--memory", "%" PRIu64, config->memory_mib);
	args_addf(args, "--cpus", "%u", config->cpus);
	args_addf(args, "--disk", "fd=%d,ro,id=" SPEC_DRIVE_IMAGE, SPAWN_FD_FIRST + CHILD_ROOTFS);
	if (config->disk_fd >= 0)
		args_addf(
			args, "--disk", "fd=%d,id=" SPEC_DRIVE_WRITES, SPAWN_FD_FIRST + CHILD_DISK);
	if (config->passt_fd >= 0)
		args_net(args, config->mac, "passtfd=%d", SPAWN_FD_FIRST + CHILD_PASST);
	else if (config->tap)
		args_net(args, config->mac, "tap=%s", config->tap);
	args_addf(args, "--serial", "fd=%d", SPAWN_FD_FIRST + CHILD_CONSOLE);
	args_addf(args, "--container", "fd=%d", SPAWN_FD_FIRST + CHILD_CONTAINER);
	for (int i = CHILD_CLIENTS; i < CHILD_CLIENTS + MONITOR_CLIENTS; i++)
		if (fds[i] >= 0)
			args_addf(args, "--api-fd", "%d", SPAWN_FD_FIRST + i);
	if (config->no_jail)
		args_add(args, "--no-jail", NULL);
	if (config->jail_without)
		args_add(args, "--jail-without", config->jail_without);
	if (ids) {
		args_addf(args, "--uid", "%d", SUBIDS_INSIDE);
		args_addf(args, "--gid", "%d", SUBIDS_INSIDE);
	}
	/* Also one that doesn't look at its connections, for it was stopped. */
	args_add(args, "--die-with-parent", NULL);
}

static int monitor_spawn(
	struct monitor *monitor, const struct monitor_config *config, const int *fds)
{
	struct monitor_args args;
	struct spawn spawn = {
		.program = config->program,
		.argv = args.argv,
		.fds = fds,
		.fd_count = CHILD_FD_COUNT,
		.cgroup_fd = config->cgroup_fd,
		/* hull-vmm can't put itself into such a namespace, only be made in one, by root. */
		.alone = !config->no_jail && (config->ids || geteuid() == 0),
		.ids = config->ids,
	};
	pid_t pid;

	monitor_args(&args, config, config->ids, fds);
	pid = spawn_start(&spawn);
	if (pid == -EUSERS && config->ids) {
		log_info("the VM stays user %u: newuidmap and newgidmap give it no ID of its own",
			geteuid());
		spawn.ids = NULL;
		spawn.alone = false;
		monitor_args(&args, config, NULL, fds);
		pid = spawn_start(&spawn);
	}
	if (pid < 0)
		return pid;
	monitor->pid = pid;
	return 0;
}

/* The console's pipe: our end is watched. Return: hull-vmm's end, or -errno with @err set. */
static int monitor_make_console(struct monitor *monitor, struct err *err)
{
	int CLEANUP_FD near = -1;
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_errno(err, errno, "guest's console");
	near = p[0];
	r = io_nonblock(near);
	if (!r)
		r = loop_add(monitor->loop, &monitor->console, near, EPOLLIN, monitor_on_console);
	if (r < 0) {
		close(p[1]);
		return err_errno(err, -r, "guest's console");
	}
	near = -1;
	return p[1];
}

int monitor_init(struct monitor *monitor, struct loop *loop, unsigned int clients,
	monitor_fn *ended, struct err *err)
{
	*monitor = (struct monitor){.loop = loop, .ended = ended};
	console_init(&monitor->text);
	for (int i = 0; i < MONITOR_CLIENTS; i++)
		monitor->fds[i] = monitor->far_fds[i] = -1;
	for (int i = 0; i < MONITOR_CLIENTS; i++) {
		int ends[2];

		if (!(clients & 1u << i))
			continue;
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
			return err_errno(err, errno, "hull-vmm's connections");
		monitor->fds[i] = ends[0];
		monitor->far_fds[i] = ends[1];
	}
	return 0;
}

/* Copies of the child's descriptors above its numbers; -1 where there is none. */
static int copy_fds(const int *ends, int *ret, struct err *err)
{
	int r = 0;

	for (int i = 0; i < CHILD_FD_COUNT; i++) {
		ret[i] = -1;
		if (ends[i] < 0 || r)
			continue;
		ret[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, CHILD_FD_SPARE);
		if (ret[i] < 0)
			/* EINVAL: the limit is even below the first number. */
			r = err_errno(
				err, errno == EINVAL ? EMFILE : errno, "hull-vmm's descriptors");
	}
	return r;
}

/* Learn of its end. */
static int monitor_watch(struct monitor *monitor, struct err *err)
{
	int pidfd = pidfd_open(monitor->pid, 0);
	int r;

	if (pidfd < 0)
		return err_errno(err, errno, "pidfd of hull-vmm");
	r = loop_add(monitor->loop, &monitor->process, pidfd, EPOLLIN, monitor_on_exit);
	if (r < 0) {
		close(pidfd);
		return err_errno(err, -r, "pidfd of hull-vmm");
	}
	return 0;
}

int monitor_start(struct monitor *monitor, const struct monitor_config *config, struct err *err)
{
	int ends[CHILD_FD_COUNT] = {
		[CHILD_CONTAINER] = config->container_fd,
		[CHILD_ROOTFS] = config->rootfs_fd,
		[CHILD_DISK] = config->disk_fd,
		[CHILD_PASST] = config->passt_fd,
	};
	int fds[CHILD_FD_COUNT];
	int r;

	memcpy(&ends[CHILD_CLIENTS], monitor->far_fds, sizeof(monitor->far_fds));
	r = ends[CHILD_CONSOLE] = monitor_make_console(monitor, err);
	if (r < 0)
		return r;
	r = copy_fds(ends, fds, err);
	if (!r) {
		r = monitor_spawn(monitor, config, fds);
		if (r < 0)
			err_errno(err, -r, "cannot run %s", config->program);
	}
	for (int i = 0; i < CHILD_FD_COUNT; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	close(ends[CHILD_CONSOLE]);
	for (int i = 0; i < MONITOR_CLIENTS; i++)
		close_end(&monitor->far_fds[i]);
	return r < 0 ? r : monitor_watch(monitor, err);
}

void monitor_kill(struct monitor *monitor)
{
	if (monitor->pid)
		kill(monitor->pid, SIGKILL);
}

void monitor_fini(struct monitor *monitor)
{
	if (!monitor->loop)
		return;
	for (int i = 0; i < MONITOR_CLIENTS; i++) {
		close_end(&monitor->fds[i]);
		close_end(&monitor->far_fds[i]);
	}
	monitor_close(monitor, &monitor->console);
	monitor_close(monitor, &monitor->process);
	if (monitor->pid) {
		kill(monitor->pid, SIGKILL);
		while (waitpid(monitor->pid, NULL, 0) < 0 && errno == EINTR)
			;
		monitor->pid = 0;
	}
}

enum monitor_end monitor_end(const struct monitor *monitor)
{
	if (WIFSIGNALED(monitor->status))
		return MONITOR_KILLED;
	switch (WEXITSTATUS(monitor->status)) {
	case VMM_EXIT_POWEROFF:
		return MONITOR_POWEROFF;
	case VMM_EXIT_REBOOT:
		return MONITOR_REBOOT;
	case VMM_EXIT_TRIPLE_FAULT:
		return MONITOR_TRIPLE_FAULT;
	case VMM_EXIT_PANIC:
		return MONITOR_PANIC;
	default:
		return MONITOR_REPORTED;
	}
}
