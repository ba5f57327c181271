// SPDX-License-Identifier: Apache-2.0
// Metrics: counting, and lines of JSON.
#include "vmm/metrics.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_write.h"
#include "base/log.h"
#include "devices/virtio.h"
#include "vmm/logger.h"
#include "vmm/metrics_keys.h"
#include "vmm/monitor.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* syscalls: loop: clock_gettime, close, write */

/* All keys take 8 KiB, and each disk another. */
#define METRICS_LINE_MAX (256 * 1024)

bool metrics_is_value(enum metric metric)
{
	return metric == METRIC_STARTUP_US || metric == METRIC_STARTUP_CPU_US ||
	       metric == METRIC_PAUSE_US || metric == METRIC_RESUME_US;
}

/* What was added since the last line. Devices of a start that failed have taken theirs along. */
static uint64_t added(uint64_t now, uint64_t told)
{
	return now >= told ? now - told : now;
}

/* @counts: of one device, or of all of a kind; not looked at for the monitor's own */
static void put_key(const struct metrics *metrics, const struct metrics_key *key,
	const struct metrics_counts *counts, struct json_out *out)
{
	int n = key->counter;

	if (key->aggregate) {
		json_begin(out, key->name, '{');
		json_put_uint(out, "min_us", 0);
		json_put_uint(out, "max_us", 0);
		json_put_uint(out, "sum_us", 0);
		json_end(out, '}');
	} else if (n == METRICS_NOT_COUNTED) {
		json_put_uint(out, key->name, 0);
	} else if (counts) {
		json_put_uint(out, key->name, added(counts->now[n], counts->told[n]));
	} else if (metrics_is_value((enum metric)n)) {
		json_put_uint(out, key->name, metrics->now[n]);
	} else {
		json_put_uint(out, key->name, added(metrics->now[n], metrics->told[n]));
	}
}

/* Put @count keys as a group called @name. */
static void put_group(const struct metrics *metrics, const char *name,
	const struct metrics_key *keys, size_t count, const struct metrics_counts *counts,
	struct json_out *out)
{
	json_begin(out, name, '{');
	for (size_t i = 0; i < count; i++)
		put_key(metrics, &keys[i], counts, out);
	json_end(out, '}');
}

/* As "block" has all block devices, "block_ID" has one. */
static void put_devices(const struct metrics *metrics, const struct metrics_group *group,
	const struct metrics_key *keys, size_t count, struct json_out *out)
{
	const struct machine *machine = &metrics->monitor->machine;
	char name[MACHINE_ID_MAX + 16];

	for (unsigned int i = 0; i < machine->slot_count; i++) {
		const struct machine_slot *slot = &machine->slots[i];

		if (slot->dev->id != group->virtio_id)
			continue;
		snprintf(name, sizeof(name), "%s_%s", group->name, slot->id);
		put_group(metrics, name, keys, count, &metrics->slots[i], out);
	}
}

static void put_groups(const struct metrics *metrics, struct json_out *out)
{
	size_t count, len;
	const struct metrics_key *keys = metrics_keys(&count);

	for (size_t i = 0; i < count; i += len) {
		const struct metrics_group *group = metrics_group(keys[i].group);
		bool own = group->source == METRICS_MONITOR;

		for (len = 1; i + len < count; len++)
			if (strcmp(keys[i + len].group, keys[i].group) != 0)
				break;
		put_group(metrics, keys[i].group, keys + i, len,
			own ? NULL : &metrics->sources[group->source], out);
		if (group->label)
			put_devices(metrics, group, keys + i, len, out);
	}
}

static int make_line(struct metrics *metrics, struct buf *line)
{
	const struct config *config = &metrics->monitor->config;
	struct json_out out = {.buf = line};

	metrics_collect(metrics);
	json_begin(&out, NULL, '{');
	json_put_uint(&out, "utc_timestamp_ms", clock_read(CLOCK_REALTIME) / 1000000);
	if (config->metrics_emit_id)
		json_put_string(&out, "id", config->id);
	if (config->metrics_properties)
		json_put_json(&out, "properties", config->metrics_properties);
	put_groups(metrics, &out);
	json_end(&out, '}');
	return out.error ? out.error : buf_add(line, "\n", 1);
}

/* Write what is left of the line before. Return: 0 when nothing is. */
static int write_rest(struct metrics *metrics)
{
	struct buf *rest = &metrics->rest;
	ssize_t n;

	while (rest->len) {
		n = write(metrics->fd, rest->data, rest->len);
		if (n < 0)
			return -errno;
		buf_drop(rest, (size_t)n);
	}
	buf_fini(rest);
	return 0;
}

static void remember(struct metrics *metrics)
{
	memcpy(metrics->told, metrics->now, sizeof(metrics->told));
	for (unsigned int i = 0; i < METRICS_SOURCES; i++)
		memcpy(metrics->sources[i].told, metrics->sources[i].now,
			sizeof(metrics->sources[i].told));
	for (unsigned int i = 0; i < metrics->monitor->machine.slot_count; i++)
		memcpy(metrics->slots[i].told, metrics->slots[i].now,
			sizeof(metrics->slots[i].told));
}

int metrics_flush(struct metrics *metrics, struct err *err)
{
	struct buf line = BUF_INIT(METRICS_LINE_MAX);
	ssize_t n;
	int r;

	if (metrics->fd < 0)
		return err_set(err, -EINVAL, "metrics: no metrics_path was set");
	r = make_line(metrics, &line);
	if (!r)
		r = write_rest(metrics);
	if (!r) {
		n = write(metrics->fd, line.data, line.len);
		if (n < 0)
			r = -errno;
		else if ((size_t)n < line.len)
			r = buf_add(&metrics->rest, line.data + n, line.len - (size_t)n);
	}
	buf_fini(&line);
	if (r < 0) {
		metrics->now[METRIC_LOST_METRICS]++;
		return err_errno(err, -r, "metrics: a line was lost");
	}
	remember(metrics);
	return 0;
}

static void on_timer(struct loop_timer *timer)
{
	struct metrics *metrics = container_of(timer, struct metrics, timer);
	struct err err;

	if (metrics_flush(metrics, &err) < 0)
		log_debug("%s", err.msg);
	loop_timer_set(timer, METRICS_PERIOD_MS);
}

void metrics_init(struct metrics *metrics, struct monitor *monitor)
{
	metrics->fd = -1;
	metrics->monitor = monitor;
	metrics->rest = BUF_INIT(METRICS_LINE_MAX);
}

int metrics_open(struct metrics *metrics, const char *path, struct err *err)
{
	int CLEANUP_FD fd = -1;
	int r;

	if (metrics->fd >= 0)
		return err_set(err, -EEXIST, "metrics: they have a path already");
	fd = logger_open("metrics", path, err);
	if (fd < 0)
		return fd;
	r = loop_timer_init(&metrics->monitor->loop, &metrics->timer, on_timer);
	if (!r)
		r = loop_timer_set(&metrics->timer, METRICS_PERIOD_MS);
	if (r < 0) {
		loop_timer_fini(&metrics->monitor->loop, &metrics->timer);
		return err_errno(err, -r, "metrics: timer");
	}
	metrics->fd = TAKE_FD(fd);
	if (metrics_flush(metrics, err) < 0)
		log_debug("%s", err->msg);
	return 0;
}

void metrics_fini(struct metrics *metrics)
{
	struct err err;

	if (metrics->fd < 0 || !metrics->monitor)
		return;
	if (metrics_flush(metrics, &err) < 0)
		log_debug("%s", err.msg);
	loop_timer_fini(&metrics->monitor->loop, &metrics->timer);
	buf_fini(&metrics->rest);
	close(metrics->fd);
	metrics->fd = -1;
}
