// SPDX-License-Identifier: Apache-2.0
// Metrics: a JSON line with all of Firecracker's keys, from time to time; and OpenMetrics text.
#pragma once

#include "base/buf.h"
#include "base/loop.h"
#include "vmm/arch/arch.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Theory of operation
 *
 *     monitor: metrics_add() ----------------------> now[] --+
 *     devices, serial port, vCPUs: counters of their own     |
 *         +-- metrics_collect(), when they are wanted -------+--> a line of JSON: what was added
 *                                                            |    since the last line
 *                                                            +--> OpenMetrics: sums since the start
 *
 * Counting is an addition in the thread that does the work, so what is idle costs nothing. One
 * table, metrics_keys.c, says which counter has which key, for both formats.
 */

struct err;
struct json_out;
struct monitor;

/* How often a line is written. */
#define METRICS_PERIOD_MS 60000

/* What the monitor itself counts. */
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
	METRIC_INTERRUPTS,
	METRICS_COUNT,
};

/* Who counts. */
enum metrics_source {
	METRICS_MONITOR,
	METRICS_BALLOON,
	METRICS_BLOCK,
	METRICS_ENTROPY,
	METRICS_NET,
	METRICS_UART,
	METRICS_VCPU,
	METRICS_VSOCK,
	METRICS_SOURCES,
};

/* Most that a source other than the monitor counts. */
#define METRICS_COUNTERS_MAX 24

/*
 * struct metrics_counts
 * @now:	since the start
 * @told:	what the last line that got through told
 */
struct metrics_counts {
	uint64_t now[METRICS_COUNTERS_MAX];
	uint64_t told[METRICS_COUNTERS_MAX];
};

/*
 * struct metrics
 * @fd:		-1 until metrics_open()
 * @rest:	of a line that a FIFO had no room for; goes before the next
 * @now, @told:	the monitor's own; a few are plain values
 * @sources:	all devices of a kind together
 * @slots:	each virtio device, as in struct machine
 */
struct metrics {
	int fd;
	struct monitor *monitor;
	struct loop_timer timer;
	struct buf rest;
	uint64_t now[METRICS_COUNT];
	uint64_t told[METRICS_COUNT];
	struct metrics_counts sources[METRICS_SOURCES];
	struct metrics_counts slots[ARCH_SLOTS_MAX];
};

/* metrics_init() - nothing is opened yet. @monitor: outlives it */
void metrics_init(struct metrics *metrics, struct monitor *monitor);

/*
 * metrics_open() - write lines to @path: now, every METRICS_PERIOD_MS, and when asked
 *
 * Opened non-blocking: a line that a FIFO has no room for is lost and counted, and what it would
 * have told is in the next one. Return: 0, -EEXIST if there is a path already, or -errno.
 */
int metrics_open(struct metrics *metrics, const char *path, struct err *err);

/* metrics_collect() - take what devices and vCPUs have counted. Context: loop. */
void metrics_collect(struct metrics *metrics);

/*
 * metrics_text() - append all that is counted in OpenMetrics' text format
 *
 * Return: 0, or as buf_add(). Context: loop. Spec: OpenMetrics 1.0
 */
int metrics_text(struct metrics *metrics, struct buf *out);
#define METRICS_TEXT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* metrics_is_value() - is it what it is, rather than a sum of what happened? */
bool metrics_is_value(enum metric metric);

/*
 * metrics_flush() - write a line
 *
 * A line that doesn't fit into a FIFO as a whole is completed before the next one; none is torn.
 *
 * Return: 0, or -errno with @err set: the line is lost, which is counted, and the next one tells
 * what it would have told.
 */
int metrics_flush(struct metrics *metrics, struct err *err);

/* metrics_fini() - the last line. Harmless if none was ever written. */
void metrics_fini(struct metrics *metrics);

static inline void metrics_add(struct metrics *metrics, enum metric metric)
{
	metrics->now[metric]++;
}
