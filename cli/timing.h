// SPDX-License-Identifier: Apache-2.0
// When each phase of a run was reached: the table of --timing.
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* In the order of a usual run. */
enum timing_phase {
	TIMING_HULL,  /* main() of hull */
	TIMING_IMAGE, /* image ready */
	TIMING_SPAWN, /* hull-vmm started by hull */
	TIMING_VMM,   /* main() of hull-vmm; this and the next eight are its word */
	TIMING_KVM,
	TIMING_MEMORY,
	TIMING_DEVICES,
	TIMING_KERNEL,
	TIMING_RUN,
	TIMING_INIT,    /* hull-init began; the guest's word, mapped to the host's clock */
	TIMING_CONTACT, /* hull-init said hello */
	TIMING_STARTED, /* the command has been executed */
	TIMING_OUTPUT,  /* the first byte of its output came */
	TIMING_EXITED,  /* the command ended */
	TIMING_ENDED,   /* hull-vmm ended */
	TIMING_COUNT,
};

/*
 * struct timing - the marks of a run; zero-initialise
 * @ns:		of CLOCK_MONOTONIC, 0 = not reached
 * @cpu_ns:	CPU time of whose mark it is, hull or hull-vmm with its guest; 0 = not told
 */
struct timing {
	uint64_t ns[TIMING_COUNT];
	uint64_t cpu_ns[TIMING_COUNT];
};

/* timing_mark() - the phase is reached now; the first call for a phase counts. */
void timing_mark(struct timing *timing, enum timing_phase phase);
/* timing_mark_at() - the phase was reached at @ns; 0 is ignored. */
void timing_mark_at(struct timing *timing, enum timing_phase phase, uint64_t ns);

/*
 * timing_mark_api() - take the marks of hull-vmm's answer to GET /container
 * @body:	the answer, untrusted, or NULL
 *
 * Some are the guest's word, whose clock may run faster than ours: what can't be is moved to the
 * start of the VM, or to now.
 */
void timing_mark_api(struct timing *timing, const json_t *body);

/* timing_print() - the table in order of time: ms since hull's start, and since the row before. */
void timing_print(const struct timing *timing, FILE *out);

/*
 * timing_write() - the same for programs, as one JSON document
 *
 * {"phases": [{"phase": "hull started", "ns": N, "cpu_ns": N, "by": "hull"}, ...]}: in order of
 * time, by CLOCK_MONOTONIC; cpu_ns is of the process that "by" names, with its guest, and not
 * always there.
 */
void timing_write(const struct timing *timing, FILE *out);
