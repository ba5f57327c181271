// SPDX-License-Identifier: Apache-2.0
// The event stream.
#include "vmm/events.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_LEN 96

static void emit(int fd, const char *line)
{
	if (write(fd, line, strlen(line)) < 0) {
		/* Nobody listens any more; that is no reason to stop. */
	}
}

void events_phase(int fd, const char *phase)
{
	char line[LINE_MAX_LEN];
	struct timespec ts;

	if (fd < 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	snprintf(line, sizeof(line), "phase %s %llu\n", phase,
		(unsigned long long)ts.tv_sec * 1000000000ull + (unsigned long long)ts.tv_nsec);
	emit(fd, line);
}

void events_exit(int fd, const char *reason)
{
	char line[LINE_MAX_LEN];

	if (fd < 0)
		return;
	snprintf(line, sizeof(line), "exit %s\n", reason);
	emit(fd, line);
}
