// SPDX-License-Identifier: Apache-2.0
// The monitor: one process, one loop, and the one microVM that it is for.
#pragma once

#include "base/loop.h"
#include "vmm/api.h"
#include "vmm/config.h"
#include "vmm/container.h"
#include "vmm/events.h"
#include "vmm/machine.h"
#include "vmm/metrics.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/vm.h"

#include <stdatomic.h>
#include <stdbool.h>

struct err;

/* Exit codes besides those of enum vm_end; Firecracker's numbers. */
#define MONITOR_EXIT_CONFIG 152
#define MONITOR_EXIT_ARGUMENTS 153

/* The version of Firecracker whose wire this speaks, for clients that ask. */
#define MONITOR_WIRE_VERSION "1.17.0"

/*
 *     NOT_STARTED --monitor_start()--> RUNNING --monitor_pause()--> PAUSED
 *          ^   |  a bad configuration     ^                            |
 *          +---+                          +------monitor_resume()------+
 *
 * Each but the first may end, and then the process does.
 */
enum monitor_state {
	MONITOR_NOT_STARTED,
	MONITOR_RUNNING,
	MONITOR_PAUSED,
};

/*
 * struct monitor
 * @config:	what the VM is, or is to be, made of; owned
 * @vm, @machine: zero or empty until the VM is started
 * @events:	how far it is
 * @container:	what is in the guest, if a client said so
 * @api:	serves if the configuration says so
 * @sandbox:	what the process has given up
 * @waiters:	tickets of the requests that wait for the pause
 */
struct monitor {
	struct loop loop;
	struct config config;
	enum monitor_state state;
	bool hung_up; /* by SIGHUP */
	bool by_api;  /* started by a client or a file, and ends as these expect */
	struct vm vm;
	struct machine machine;
	struct sandbox sandbox;
	struct loop_source signals;
	struct events events;
	struct container container;
	struct api api;
	struct metrics metrics;
	uint64_t pause_began_us;                   /* monotonic */
	uint64_t boot_began_us, boot_began_cpu_us; /* of --boot-timer */
	atomic_bool booted;
	uint64_t waiters[API_CONNECTIONS_MAX];
	unsigned int waiter_count;
};

/*
 * monitor_init() - make the loop, and have signals end the monitor
 * @monitor:	zeroed but for @config, which is the monitor's from here on; stays in place
 *
 * Nothing of KVM is touched: that is left to the start.
 *
 * Return: 0 or -errno with @err set; monitor_fini() is due either way.
 */
int monitor_init(struct monitor *monitor, struct err *err);

/*
 * monitor_serve() - do what the command line says: start the VM, serve the API, or both
 * @ret_code:	as monitor_start()
 *
 * Return: 0 or -errno with @err set.
 */
int monitor_serve(struct monitor *monitor, int *ret_code, struct err *err);

/*
 * monitor_start() - build the machine that the configuration tells of, and let it run
 * @ret_code:	on failure: what a process that can do nothing else exits with
 *
 * After a failure the VM is as if it never had been, and it may be tried again with another
 * configuration; but when it came as far as its vCPUs, the monitor ends.
 *
 * Context: loop, or before monitor_run(); while NOT_STARTED.
 * Return: 0 or -errno with @err set.
 */
int monitor_start(struct monitor *monitor, int *ret_code, struct err *err);

/*
 * monitor_run() - serve until the VM ends or the monitor is told to end
 *
 * Return: the code to exit with.
 */
int monitor_run(struct monitor *monitor);

/* monitor_fini() - stop what runs, remove what was put into the file system, tell the end. */
void monitor_fini(struct monitor *monitor);
