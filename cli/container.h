// SPDX-License-Identifier: Apache-2.0
// One container's life: its VM, its streams, and the signals meant for it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct agent_spec;
struct monitor_config;
struct passt;
struct timing;
struct vm_cgroup;

/* Exit codes of hull itself, as docker's and podman's. */
#define CONTAINER_EXIT_HULL 125
#define CONTAINER_EXIT_SIGNAL 128

/*
 * struct container_config - what to run and how
 * @vm:			borrowed
 * @spec:		borrowed; the terminal's size is filled in
 * @passt:		borrowed; the VM's, maybe not started
 * @cgroup:		borrowed; the VM's, maybe none
 * @timing:		borrowed, marks are added
 * @timed:		@timing will be looked at: ask hull-vmm for its marks
 * @interactive:	pass standard input on
 * @start_timeout_s:	seconds until the command must have been started
 */
struct container_config {
	const struct monitor_config *vm;
	struct agent_spec *spec;
	struct passt *passt;
	const struct vm_cgroup *cgroup;
	struct timing *timing;
	bool timed;
	bool interactive;
	uint64_t start_timeout_s;
};

/*
 * container_run() - boot, run the command to its end, and end the VM
 *
 * What goes wrong is said on standard error, in one line and maybe the guest's last words.
 *
 * Context: the process has one thread, and leaves with the result soon after.
 * Return: hull's exit code.
 */
int container_run(const struct container_config *config);
