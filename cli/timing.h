// SPDX-License-Identifier: Apache-2.0
// When each phase of a run was reached: the table of --timing.
#pragma once

#include <stdint.h>
#include <stdio.h>

/* In the order of a usual run. */
enum timing_phase {
	TIMING_HULL,  /* main() of hull */
	TIMING_IMAGE, /* image ready */
	TIMING_SPAWN, /* hull-vmm started by hull */
	TIMING_VMM,   /* main() of hull-vmm; this and the next five are its word */
	TIMING_KVM,
	TIMING_MEMORY,
	TIMING_DEVICES,
	TIMING_KERNEL,
	TIMING_RUN,
	TIMING_INIT,    /* hull-init began; the guest's word, mapped to the host's clock */
	TIMING_CONTACT, /* hull-init's HELLO came */
	TIMING_STARTED, /* the command has been executed */
	TIMING_OUTPUT,  /* the first byte of its output came */
	TIMING_EXITED,  /* the command ended */
	TIMING_ENDED,   /* hull-vmm ended */
	TIMING_COUNT,
};

/*
 * struct timing - the marks of a run; zero-initialise
 * @ns:			ns of CLOCK_MONOTONIC, 0 = not reached
 * @guest_offset_ns:	that clock minus the guest's
 */
struct timing {
	uint64_t ns[TIMING_COUNT];
	uint64_t guest_offset_ns;
};

/* timing_mark() - the phase is reached now; the first call for a phase counts. */
void timing_mark(struct timing *timing, enum timing_phase phase);
/* timing_mark_at() - the phase was reached at @ns; 0 is ignored. */
void timing_mark_at(struct timing *timing, enum timing_phase phase, uint64_t ns);

/* timing_set_guest_clock() - the guest's clock shows @guest_ns now, says the guest. */
void timing_set_guest_clock(struct timing *timing, uint64_t guest_ns);

/*
 * timing_mark_guest() - the phase was reached at @guest_ns of the guest's clock
 *
 * That is untrusted, and the guest's clock may run faster than ours: what can't be is moved to the
 * start of the VM, or to now.
 */
void timing_mark_guest(struct timing *timing, enum timing_phase phase, uint64_t guest_ns);

/* timing_monitor_phase() - the phase that hull-vmm calls @name, or -ENOENT. */
int timing_monitor_phase(const char *name);

/* timing_print() - the table in order of time: ms since hull's start, and since the row before. */
void timing_print(const struct timing *timing, FILE *out);
