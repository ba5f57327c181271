// SPDX-License-Identifier: Apache-2.0
// The event stream.
#include "vmm/events.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* syscalls: loop: clock_gettime, write */

#define LINE_MAX_LEN 96

const char *const events_names[EVENTS_PHASES] = {
	[EVENTS_START] = "start",
	[EVENTS_KVM] = "kvm",
	[EVENTS_MEMORY] = "memory",
	[EVENTS_DEVICES] = "devices",
	[EVENTS_KERNEL] = "kernel",
	[EVENTS_RUN] = "run",
};

static void emit(int fd, const char *line)
{
	if (write(fd, line, strlen(line)) < 0) {
		/* Nobody listens any more; that is no reason to stop. */
	}
}

void events_reach(struct events *events, enum events_phase phase)
{
	char line[LINE_MAX_LEN];

	events->ns[phase] = clock_ns();
	events->cpu_ns[phase] = clock_cpu_ns();
	if (events->fd < 0)
		return;
	snprintf(line, sizeof(line), "phase %s %llu %llu\n", events_names[phase],
		(unsigned long long)events->ns[phase], (unsigned long long)events->cpu_ns[phase]);
	emit(events->fd, line);
}

void events_exit(const struct events *events, const char *reason)
{
	char line[LINE_MAX_LEN];

	if (events->fd < 0)
		return;
	snprintf(line, sizeof(line), "exit %s\n", reason);
	emit(events->fd, line);
}
