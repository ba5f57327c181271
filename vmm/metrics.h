// SPDX-License-Identifier: Apache-2.0
// Metrics: a JSON line with all of Firecracker's keys, from time to time.
#pragma once

#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct config;
struct err;

/* How often a line is written. */
#define METRICS_PERIOD_MS 60000

/* What is counted here; all other keys are there with 0. */
enum metric {
	METRIC_NONE,
	METRIC_STARTUP_US,
	METRIC_STARTUP_CPU_US,
	METRIC_DEPRECATED,
	METRIC_GET_INSTANCE,
	METRIC_GET_MACHINE,
	METRIC_GET_VERSION,
	METRIC_PUT_ACTIONS,
	METRIC_PUT_ACTIONS_FAILS,
	METRIC_PUT_BOOT_SOURCE,
	METRIC_PUT_BOOT_SOURCE_FAILS,
	METRIC_PUT_DRIVE,
	METRIC_PUT_DRIVE_FAILS,
	METRIC_PUT_LOGGER,
	METRIC_PUT_LOGGER_FAILS,
	METRIC_PUT_MACHINE,
	METRIC_PUT_MACHINE_FAILS,
	METRIC_PUT_CPU,
	METRIC_PUT_CPU_FAILS,
	METRIC_PUT_METRICS,
	METRIC_PUT_METRICS_FAILS,
	METRIC_PUT_NETWORK,
	METRIC_PUT_NETWORK_FAILS,
	METRIC_PUT_VSOCK,
	METRIC_PUT_VSOCK_FAILS,
	METRIC_PUT_SERIAL,
	METRIC_PUT_SERIAL_FAILS,
	METRIC_PATCH_DRIVE,
	METRIC_PATCH_DRIVE_FAILS,
	METRIC_PATCH_NETWORK,
	METRIC_PATCH_NETWORK_FAILS,
	METRIC_PATCH_MACHINE,
	METRIC_PATCH_MACHINE_FAILS,
	METRIC_PAUSE_US,
	METRIC_RESUME_US,
	METRIC_LOST_LINES,
	METRIC_LOST_METRICS,
	METRICS_COUNT,
};

/*
 * struct metrics
 * @fd:		-1 until metrics_open()
 * @now:	counts since the start; a few are plain values
 * @told:	what the last line that got through told
 */
struct metrics {
	int fd;
	struct loop *loop;
	struct loop_timer timer;
	const struct config *config;
	uint64_t now[METRICS_COUNT];
	uint64_t told[METRICS_COUNT];
};

/* metrics_init() - nothing is opened yet. */
void metrics_init(struct metrics *metrics, struct loop *loop, const struct config *config);

/*
 * metrics_open() - write lines to @path: now, every METRICS_PERIOD_MS, and when asked
 *
 * Opened non-blocking: a line that a FIFO has no room for is lost and counted, and what it would
 * have told is in the next one. Return: 0, -EEXIST if there is a path already, or -errno.
 */
int metrics_open(struct metrics *metrics, const char *path, struct err *err);

/* metrics_flush() - write a line. Return: 0, or -errno with @err set. */
int metrics_flush(struct metrics *metrics, struct err *err);

/* metrics_fini() - the last line. Harmless if none was ever written. */
void metrics_fini(struct metrics *metrics);

static inline void metrics_add(struct metrics *metrics, enum metric metric)
{
	metrics->now[metric]++;
}
