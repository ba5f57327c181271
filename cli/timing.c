// SPDX-License-Identifier: Apache-2.0
// When each phase of a run was reached.
#include "cli/timing.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <string.h>

static const struct {
	const char *label;
	const char *monitor; /* what hull-vmm calls it */
} phases[TIMING_COUNT] = {
	[TIMING_HULL] = {"hull started", NULL},
	[TIMING_IMAGE] = {"image ready", NULL},
	[TIMING_SPAWN] = {"monitor spawned", NULL},
	[TIMING_VMM] = {"monitor started", "start"},
	[TIMING_KVM] = {"KVM open", "kvm"},
	[TIMING_MEMORY] = {"memory mapped", "memory"},
	[TIMING_DEVICES] = {"devices ready", "devices"},
	[TIMING_KERNEL] = {"kernel loaded", "kernel"},
	[TIMING_RUN] = {"first KVM_RUN", "run"},
	[TIMING_INIT] = {"init started", NULL},
	[TIMING_CONTACT] = {"init connected", "hello"},
	[TIMING_STARTED] = {"command started", "started"},
	[TIMING_OUTPUT] = {"first output", NULL},
	[TIMING_EXITED] = {"command exited", "ended"},
	[TIMING_ENDED] = {"VM ended", NULL},
};

void timing_mark(struct timing *timing, enum timing_phase phase)
{
	if (timing->ns[phase])
		return;
	timing->ns[phase] = clock_ns();
	/* Else it is our word for now, but the CPU time would be of the wrong process. */
	if (!phases[phase].monitor)
		timing->cpu_ns[phase] = clock_cpu_ns();
}

void timing_mark_at(struct timing *timing, enum timing_phase phase, uint64_t ns)
{
	if (!timing->ns[phase])
		timing->ns[phase] = ns;
}

static uint64_t get(const json_t *timings, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(timings, name));

	return value > 0 ? (uint64_t)value : 0;
}

/* Between the start of the VM and now. */
static uint64_t clamp(const struct timing *timing, uint64_t ns)
{
	uint64_t now = clock_ns();

	if (ns < timing->ns[TIMING_SPAWN])
		return timing->ns[TIMING_SPAWN];
	return ns > now ? now : ns;
}

void timing_mark_api(struct timing *timing, const json_t *body)
{
	const json_t *timings = json_object_get(body, "timings_ns");
	const json_t *cpu = json_object_get(body, "timings_cpu_ns");
	uint64_t hello = get(timings, "hello");

	for (int i = 0; i < TIMING_COUNT; i++) {
		uint64_t ns = phases[i].monitor ? get(timings, phases[i].monitor) : 0;

		if (!ns)
			continue;
		timing->ns[i] = clamp(timing, ns);
		timing->cpu_ns[i] = get(cpu, phases[i].monitor);
	}
	/* The guest told its own clock's time along with its hello. */
	if (hello)
		timing_mark_at(timing, TIMING_INIT,
			clamp(timing,
				hello - (get(timings, "guest_dial") - get(timings, "guest_init"))));
}

/* The phase that comes after @last in order of time, or TIMING_COUNT; of equals, in their order. */
static int timing_next(const struct timing *timing, int last)
{
	int next = TIMING_COUNT;

	for (int i = 0; i < TIMING_COUNT; i++) {
		uint64_t ns = timing->ns[i];

		if (!ns || (last >= 0 && (ns < timing->ns[last] ||
						 (ns == timing->ns[last] && i <= last))))
			continue;
		if (next == TIMING_COUNT || ns < timing->ns[next])
			next = i;
	}
	return next;
}

void timing_print(const struct timing *timing, FILE *out)
{
	uint64_t start = timing->ns[TIMING_HULL];
	uint64_t before = start;
	int last = -1;

	fprintf(out, "%-18s %10s %10s\n", "phase", "at ms", "took ms");
	for (;;) {
		uint64_t ns;

		last = timing_next(timing, last);
		if (last == TIMING_COUNT)
			return;
		ns = timing->ns[last];
		/* Marks that are another program's word may even lie before the start. */
		fprintf(out, "%-18s %10.2f %10.2f\n", phases[last].label,
			(double)(int64_t)(ns - start) / 1e6, (double)(int64_t)(ns - before) / 1e6);
		before = ns;
	}
}

void timing_write(const struct timing *timing, FILE *out)
{
	const char *separator = "";
	int last = -1;

	fputs("{\"phases\": [", out);
	while ((last = timing_next(timing, last)) != TIMING_COUNT) {
		fprintf(out, "%s\n  {\"phase\": \"%s\", \"ns\": %llu, ", separator,
			phases[last].label, (unsigned long long)timing->ns[last]);
		if (timing->cpu_ns[last])
			fprintf(out, "\"cpu_ns\": %llu, ",
				(unsigned long long)timing->cpu_ns[last]);
		fprintf(out, "\"by\": \"%s\"}", phases[last].monitor ? "hull-vmm" : "hull");
		separator = ",";
	}
	fputs("\n]}\n", out);
}
