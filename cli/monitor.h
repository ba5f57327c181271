// SPDX-License-Identifier: Apache-2.0
// hull's child hull-vmm: how it is started, what it is reached by, and how it ends.
#pragma once

#include "base/loop.h"
#include "cli/console.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct monitor;

/*
 * Theory of operation
 *
 * hull-vmm runs in a session of its own, so that a ^C meant for the container doesn't reach it,
 * with no descriptors but /dev/null twice, hull's standard error, and these:
 *
 *   control	connection to hull-vmm's API for what is asked of a running container; hull-vmm is
 *		told that this is its owner: it ends when this is closed, so it can't outlive hull
 *   life	likewise, for the container's start and end, which are answered when they happen
 *   streams	one each, to become the container's input and output
 *   container	a file with what the container is
 *   console	pipe of what the guest prints on its serial port; the last of it is kept
 *   disks	the image, read-only, and maybe a scratch disk
 *   passt	maybe a stream socket to the program that carries the guest's packets
 *
 * The guest, and hence what comes through streams and console, is hostile. So is hull-vmm, should
 * the guest have taken it over: nothing it sends makes anything here grow.
 */

/* Connections to the API. */
enum monitor_client {
	MONITOR_CONTROL,
	MONITOR_LIFE,
	MONITOR_IN,
	MONITOR_OUT, /* of a terminal: both ways */
	MONITOR_ERR,
	MONITOR_CLIENTS,
};

struct subids;

/*
 * struct monitor_config - what to boot
 * @program, @initrd:	absolute paths
 * @kernel:		path, as the user wrote it or absolute
 * @cmdline:		for the guest's kernel
 * @memory_mib:		MiB
 * @container_fd:	a file that holds what PUT /container takes, borrowed
 * @rootfs_fd, @disk_fd:	borrowed; @disk_fd is -1 for none
 * @passt_fd:		socket to passt, borrowed; -1 for none
 * @tap:		name of a tap interface, or NULL; not together with @passt_fd
 * @mac:		of the guest's interface, where there is one
 * @cgroup_fd:	control group for the process, borrowed; -1 for none of its own
 * @ids:		user and group for it that are not the caller's, borrowed; or NULL
 * @no_jail, @jail_without: hull-vmm's options
 */
struct monitor_config {
	const char *program;
	const char *kernel;
	const char *initrd;
	const char *cmdline;
	uint64_t memory_mib;
	uint32_t cpus;
	int container_fd;
	int rootfs_fd;
	int disk_fd;
	int passt_fd;
	const char *tap;
	const uint8_t *mac;
	int cgroup_fd;
	const struct subids *ids;
	bool no_jail;
	const char *jail_without;
};

/*
 * monitor_fn - hull-vmm is gone
 *
 * What it had sent before can be read from its connections; the console has been. Context: loop.
 */
typedef void monitor_fn(struct monitor *monitor);

/*
 * struct monitor
 * @fds:	our ends of the connections, blocking, or -1; the owner may take them
 * @far_fds:	hull-vmm's, until it is started
 */
struct monitor {
	struct loop *loop;
	monitor_fn *ended;
	pid_t pid;  /* 0 while there is none */
	int status; /* of waitpid, once @pid is 0 */
	int fds[MONITOR_CLIENTS], far_fds[MONITOR_CLIENTS];
	struct loop_source console, process;
	struct console text; /* of the guest's console */
};

/*
 * monitor_init() - make the connections: from here on requests can be sent
 * @monitor:	embedded in its owner; monitor_fini() in any case
 * @clients:	bit per enum monitor_client
 *
 * Return: 0 or -errno with a message.
 */
int monitor_init(struct monitor *monitor, struct loop *loop, unsigned int clients,
	monitor_fn *ended, struct err *err);

/* monitor_start() - start hull-vmm. Return: 0 or -errno with a message. */
int monitor_start(struct monitor *monitor, const struct monitor_config *config, struct err *err);

/* monitor_kill() - SIGKILL, for one that doesn't end by itself; ended() follows. */
void monitor_kill(struct monitor *monitor);

/* monitor_fini() - close all; a process that still runs is killed and waited for. */
void monitor_fini(struct monitor *monitor);

/* How hull-vmm ended, told from its exit status. */
enum monitor_end {
	MONITOR_POWEROFF,
	MONITOR_REBOOT,
	MONITOR_TRIPLE_FAULT, /* this and the next two it has reported on standard error */
	MONITOR_PANIC,
	MONITOR_REPORTED, /* any failure of its own */
	MONITOR_KILLED,   /* by a signal */
};

/* monitor_end() - Context: after ended(). */
enum monitor_end monitor_end(const struct monitor *monitor);
