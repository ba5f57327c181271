// SPDX-License-Identifier: Apache-2.0
// hull's child hull-vmm.
#include "cli/monitor.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/le.h"
#include "base/log.h"
#include "cli/value.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
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

/* The guest's address on the virtual socket; 0 to 2 are reserved. */
#define GUEST_CID 3

/* Descriptors of the child, from here on; what a VM does not have leaves a gap. */
#define CHILD_FD_FIRST 3
enum child_fd {
	CHILD_CHANNEL,
	CHILD_EVENTS,
	CHILD_CONSOLE,
	CHILD_ROOTFS,
	CHILD_DISK,
	CHILD_PASST,
	CHILD_FD_COUNT,
};

/* Our copies of the child's descriptors are made above its numbers, so that none is overwritten
 * before it was placed. */
#define CHILD_FD_SPARE 16

#define MONITOR_ARGS_MAX 32
#define MONITOR_ARG_SIZE 64

/* Messages and reads handed over in one go, so that a guest that floods can't starve the rest. */
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

static void monitor_on_channel(struct loop_source *src, uint32_t events)
{
	struct monitor *monitor = container_of(src, struct monitor, channel);

	for (int i = 0; i < MONITOR_BATCH && src->fn; i++) {
		uint8_t port[4];
		int fd;
		ssize_t got = io_recv_fd(src->fd, port, sizeof(port), &fd);

		if (got == -EAGAIN)
			return;
		if (got == sizeof(port) && fd >= 0) {
			monitor->ops->connection(monitor, le32_load(port), fd);
			continue;
		}
		if (fd >= 0)
			close(fd);
		if (got <= 0 && got != -EPROTO) {
			/* hull-vmm has closed it: its exit is on the way. */
			monitor_close(monitor, src);
			return;
		}
		log_debug("a message of hull-vmm without a connection is ignored");
	}
}

/* "phase NAME NS"; hull-vmm is trusted, so anything else is a line of a kind not asked for here. */
static void monitor_line(struct monitor *monitor)
{
	char *saved, *words[3];
	uint64_t ns;

	monitor->line[monitor->line_len] = '\0';
	monitor->line_len = 0;
	words[0] = strtok_r(monitor->line, " ", &saved);
	words[1] = strtok_r(NULL, " ", &saved);
	words[2] = strtok_r(NULL, " ", &saved);
	if (!words[0] || !words[1] || !words[2] || strcmp(words[0], "phase"))
		return;
	if (value_number(words[2], 0, UINT64_MAX, &ns, NULL) == 0)
		monitor->ops->phase(monitor, words[1], ns);
}

static void monitor_on_events(struct loop_source *src, uint32_t events)
{
	struct monitor *monitor = container_of(src, struct monitor, events);
	char data[PIPE_READ_SIZE];
	ssize_t got = read(src->fd, data, sizeof(data));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		monitor_close(monitor, src);
		return;
	}
	for (ssize_t i = 0; i < got; i++) {
		if (data[i] == '\n')
			monitor_line(monitor);
		else if (monitor->line_len < sizeof(monitor->line) - 1)
			monitor->line[monitor->line_len++] = data[i];
	}
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

/* What is left in a pipe or socket whose other end is gone. A child of hull-vmm's could hold that
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
	monitor_drain_source(&monitor->channel);
	monitor_drain_source(&monitor->events);
	monitor_drain_source(&monitor->console);
	monitor->ops->ended(monitor);
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
	char text[MONITOR_ARG_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	args_addf(args, "--net", "%s,mac=%02x:%02x:%02x:%02x:%02x:%02x", text, mac[0], mac[1],
		mac[2], mac[3], mac[4], mac[5]);
}

static void monitor_args(struct monitor_args *args, const struct monitor_config *config)
{
	*args = (struct monitor_args){0};
	args_add(args, config->program, NULL);
	args_add(args, "--kernel", config->kernel);
	args_add(args, "--initrd", config->initrd);
	args_add(args, "--cmdline", config->cmdline);
	args_addf(args, "--memory", "%" PRIu64, config->memory_mib);
	args_addf(args, "--cpus", "%u", config->cpus);
	args_addf(args, "--disk", "fd=%d,ro", CHILD_FD_FIRST + CHILD_ROOTFS);
	if (config->disk_fd >= 0)
		args_addf(args, "--disk", "fd=%d", CHILD_FD_FIRST + CHILD_DISK);
	if (config->passt_fd >= 0)
		args_net(args, config->mac, "passtfd=%d", CHILD_FD_FIRST + CHILD_PASST);
	else if (config->tap)
		args_net(args, config->mac, "tap=%s", config->tap);
	args_addf(args, "--vsock", "cid=%d,fd=%d", GUEST_CID, CHILD_FD_FIRST + CHILD_CHANNEL);
	args_addf(args, "--serial", "fd=%d", CHILD_FD_FIRST + CHILD_CONSOLE);
	args_addf(args, "--events-fd", "%d", CHILD_FD_FIRST + CHILD_EVENTS);
}

/* The signals as a fresh program expects them: none blocked, none ignored, whatever hull does. */
static int spawn_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setflags(
		attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (!r)
		r = posix_spawnattr_setsigmask(attr, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(attr, &all);
	return r;
}

static int spawn_files(posix_spawn_file_actions_t *files, const int *fds)
{
	int r;

	r = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	if (!r)
		r = posix_spawn_file_actions_adddup2(files, STDIN_FILENO, STDOUT_FILENO);
	/* Whatever hull's caller left open goes. */
	for (int i = 0; i < CHILD_FD_COUNT && !r; i++)
		r = fds[i] >= 0
			    ? posix_spawn_file_actions_adddup2(files, fds[i], CHILD_FD_FIRST + i)
			    : posix_spawn_file_actions_addclose(files, CHILD_FD_FIRST + i);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(
			files, CHILD_FD_FIRST + CHILD_FD_COUNT);
	return r;
}

static int monitor_spawn(
	struct monitor *monitor, const struct monitor_config *config, const int *fds)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	struct monitor_args args;
	pid_t pid;
	int r;

	monitor_args(&args, config);
	r = posix_spawn_file_actions_init(&files);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r)
		goto out_files;
	r = spawn_attributes(&attr);
	if (!r)
		r = spawn_files(&files, fds);
	if (!r)
		r = posix_spawn(&pid, config->program, &files, &attr, args.argv, environ);
	if (!r)
		monitor->pid = pid;
	posix_spawnattr_destroy(&attr);
out_files:
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

/* Watch our end of a pair or pipe, which is non-blocking. */
static int monitor_watch(
	struct monitor *monitor, struct loop_source *src, int fd, loop_fn *fn, struct err *err)
{
	int r = io_nonblock(fd);

	if (!r)
		r = loop_add(monitor->loop, src, fd, EPOLLIN, fn);
	if (r < 0) {
		close(fd);
		return err_errno(err, -r, "hull-vmm's descriptors");
	}
	return 0;
}

/* Make the pair and the pipes: our ends are watched, the child's go to @fds. */
static int monitor_wire(struct monitor *monitor, int *fds, struct err *err)
{
	int p[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p) < 0)
		return err_errno(err, errno, "hull-vmm's channel");
	fds[CHILD_CHANNEL] = p[1];
	r = monitor_watch(monitor, &monitor->channel, p[0], monitor_on_channel, err);
	if (r < 0)
		return r;
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_errno(err, errno, "hull-vmm's events");
	fds[CHILD_EVENTS] = p[1];
	r = monitor_watch(monitor, &monitor->events, p[0], monitor_on_events, err);
	if (r < 0)
		return r;
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_errno(err, errno, "guest's console");
	fds[CHILD_CONSOLE] = p[1];
	return monitor_watch(monitor, &monitor->console, p[0], monitor_on_console, err);
}

int monitor_start(struct monitor *monitor, struct loop *loop, const struct monitor_config *config,
	const struct monitor_ops *ops, struct err *err)
{
	int ends[CHILD_FD_COUNT] = {
		-1, -1, -1, config->rootfs_fd, config->disk_fd, config->passt_fd};
	int fds[CHILD_FD_COUNT] = {-1, -1, -1, -1, -1, -1};
	int pidfd, r;

	*monitor = (struct monitor){.loop = loop, .ops = ops};
	console_init(&monitor->text);
	r = monitor_wire(monitor, ends, err);
	for (int i = 0; i < CHILD_FD_COUNT && !r; i++) {
		if (ends[i] < 0)
			continue;
		fds[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, CHILD_FD_SPARE);
		if (fds[i] < 0)
			r = err_errno(err, errno, "hull-vmm's descriptors");
	}
	if (!r) {
		r = monitor_spawn(monitor, config, fds);
		if (r < 0)
			err_errno(err, -r, "cannot run %s", config->program);
	}
	for (int i = 0; i < CHILD_FD_COUNT; i++) {
		if (i < CHILD_ROOTFS && ends[i] >= 0)
			close(ends[i]);
		if (fds[i] >= 0)
			close(fds[i]);
	}
	if (r < 0)
		return r;
	pidfd = pidfd_open(monitor->pid, 0);
	if (pidfd < 0)
		return err_errno(err, errno, "pidfd of hull-vmm");
	r = loop_add(loop, &monitor->process, pidfd, EPOLLIN, monitor_on_exit);
	if (r < 0) {
		close(pidfd);
		return err_errno(err, -r, "pidfd of hull-vmm");
	}
	return 0;
}

void monitor_drain(struct monitor *monitor)
{
	if (monitor->channel.fn)
		monitor_on_channel(&monitor->channel, EPOLLIN);
}

void monitor_hang_up(struct monitor *monitor)
{
	monitor_close(monitor, &monitor->channel);
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
	monitor_close(monitor, &monitor->channel);
	monitor_close(monitor, &monitor->events);
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
