// SPDX-License-Identifier: Apache-2.0
// hull's child hull-vmm: how it is started, what it reports, and how it ends.
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
 *with no descriptors but /dev/null twice, hull's standard error, and these:
 *
 *   channel	SOCK_SEQPACKET pair: every connection that the guest makes arrives as a message
 *		{le32 port} with a descriptor. Closing it ends the VM, so the VM can't outlive hull.
 *   events	pipe of text lines, "phase NAME NS" and "exit REASON"
 *   console	pipe of what the guest prints on its serial port; the last of it is kept
 *   disks	the image, read-only, and maybe a scratch disk
 *   passt	maybe a stream socket to the program that carries the guest's packets
 *
 * The guest, and hence what comes through channel and console, is hostile. So is hull-vmm, should
 * the guest have taken it over: nothing it sends makes anything here grow.
 */

/*
 * struct monitor_config - what to boot
 * @program, @initrd:	absolute paths
 * @kernel:		path, as the user wrote it or absolute
 * @cmdline:		for the guest's kernel
 * @memory_mib:		MiB
 * @rootfs_fd, @disk_fd:	borrowed; @disk_fd is -1 for none
 * @passt_fd:		socket to passt, borrowed; -1 for none
 * @tap:		name of a tap interface, or NULL; not together with @passt_fd
 * @mac:		of the guest's interface, where there is one
 */
struct monitor_config {
	const char *program;
	const char *kernel;
	const char *initrd;
	const char *cmdline;
	uint64_t memory_mib;
	uint32_t cpus;
	int rootfs_fd;
	int disk_fd;
	int passt_fd;
	const char *tap;
	const uint8_t *mac;
};

/*
 * struct monitor_ops - what the owner wants to know. Context: the loop.
 * @connection:	the guest dialed @port (untrusted); the owner takes the descriptor @fd
 * @phase:	hull-vmm reports that it reached @name at @ns of CLOCK_MONOTONIC
 * @ended:	hull-vmm is gone; everything it had sent has been handed over before
 */
struct monitor_ops {
	void (*connection)(struct monitor *monitor, uint32_t port, int fd);
	void (*phase)(struct monitor *monitor, const char *name, uint64_t ns);
	void (*ended)(struct monitor *monitor);
};

/* Longest line of hull-vmm's events; more is cut. */
#define MONITOR_LINE_MAX 128

struct monitor {
	struct loop *loop;
	const struct monitor_ops *ops;
	pid_t pid;  /* 0 while there is none */
	int status; /* of waitpid, once @pid is 0 */
	struct loop_source channel, events, console, process;
	char line[MONITOR_LINE_MAX];
	size_t line_len;
	struct console text; /* of the guest's console */
};

/*
 * monitor_start() - start hull-vmm
 * @monitor:	embedded in its owner; monitor_fini() in any case
 *
 * Return: 0 or -errno with a message.
 */
int monitor_start(struct monitor *monitor, struct loop *loop, const struct monitor_config *config,
	const struct monitor_ops *ops, struct err *err);

/* monitor_drain() - hand over the connections that have arrived already. */
void monitor_drain(struct monitor *monitor);

/* monitor_hang_up() - close the channel: the VM ends at once, and ended() follows. */
void monitor_hang_up(struct monitor *monitor);

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
