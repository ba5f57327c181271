// SPDX-License-Identifier: Apache-2.0
// How far the monitor is: kept for clients of the API, and told to whoever started it.
#pragma once

#include <stdint.h>

/* In their order. */
enum events_phase {
	EVENTS_START,   /* main began */
	EVENTS_KVM,     /* the VM is made */
	EVENTS_MEMORY,  /* RAM is mapped */
	EVENTS_DEVICES, /* all are opened */
	EVENTS_KERNEL,  /* it is loaded */
	EVENTS_RUN,     /* right before the first KVM_RUN */
	EVENTS_PHASES,
};

/* "start", "kvm", ... */
extern const char *const events_names[EVENTS_PHASES];

/*
 * struct events
 * @fd:		gets a line for each event: "phase NAME NS CPU_NS\n", and last "exit REASON\n"; or
 *-1. It may be a pipe or a socket; a reader that is gone or slow loses lines, the monitor never
 *waits for it
 * @ns:		CLOCK_MONOTONIC in nanoseconds of each phase, or 0
 * @cpu_ns:	the process's CPU time then
 */
struct events {
	int fd;
	uint64_t ns[EVENTS_PHASES];
	uint64_t cpu_ns[EVENTS_PHASES];
};

/* events_reach() - a phase has just been reached. Context: loop thread. */
void events_reach(struct events *events, enum events_phase phase);

/* events_exit() - the VM has ended: @reason of vm_end_name(). Context: loop thread. */
void events_exit(const struct events *events, const char *reason);
