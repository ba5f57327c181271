// SPDX-License-Identifier: Apache-2.0
// Metrics: counting, and lines of JSON.
#include "vmm/metrics.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "vmm/config.h"
#include "vmm/json_write.h"
#include "vmm/logger.h"
#include "vmm/metrics_keys.h"

#include <string.h>
#include <time.h>

/* All keys take 8 KiB, and each disk another. */
#define METRICS_LINE_MAX (256 * 1024)

static bool is_value(enum metric metric)
{
	return metric == METRIC_STARTUP_US || metric == METRIC_STARTUP_CPU_US ||
	       metric == METRIC_PAUSE_US || metric == METRIC_RESUME_US;
}

static void put_key(
	const struct metrics *metrics, const struct metrics_key *key, struct json_out *out)
{
	uint64_t told = is_value(key->metric) ? 0 : metrics->told[key->metric];

	if (key->aggregate) {
		json_begin(out, key->name, '{');
		json_put_uint(out, "min_us", 0);
		json_put_uint(out, "max_us", 0);
		json_put_uint(out, "sum_us", 0);
		json_end(out, '}');
		return;
	}
	json_put_uint(out, key->name, metrics->now[key->metric] - told);
}

static void put_groups(const struct metrics *metrics, struct json_out *out)
{
	size_t count;
	const struct metrics_key *keys = metrics_keys(&count);

	for (size_t i = 0; i < count; i++) {
		if (!i || strcmp(keys[i].group, keys[i - 1].group) != 0) {
			if (i)
				json_end(out, '}');
			json_begin(out, keys[i].group, '{');
		}
		put_key(metrics, &keys[i], out);
	}
	json_end(out, '}');
}

int metrics_flush(struct metrics *metrics, struct err *err)
{
	struct buf line = BUF_INIT(METRICS_LINE_MAX);
	struct json_out out = {.buf = &line};
	struct timespec ts;
	ssize_t n;
	int r;

	if (metrics->fd < 0)
		return err_set(err, -EINVAL, "metrics: no metrics_path was set");
	metrics->now[METRIC_NONE] = 0;
	metrics->now[METRIC_LOST_LINES] = logger_lost();
	clock_gettime(CLOCK_REALTIME, &ts);
	json_begin(&out, NULL, '{');
	json_put_uint(&out, "utc_timestamp_ms",
		(uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000);
	if (metrics->config->metrics_emit_id)
		json_put_string(&out, "id", metrics->config->id);
	put_groups(metrics, &out);
	json_end(&out, '}');
	r = out.error ? out.error : buf_add(&line, "\n", 1);
	if (!r) {
		n = write(metrics->fd, line.data, line.len);
		/* A part of a line in a FIFO can't be taken back; it holds 64 KiB, a line less. */
		if (n != (ssize_t)line.len)
			r = n < 0 ? -errno : -EAGAIN;
	}
	buf_fini(&line);
	if (r < 0) {
		metrics->now[METRIC_LOST_METRICS]++;
		return err_errno(err, -r, "metrics: a line was lost");
	}
	memcpy(metrics->told, metrics->now, sizeof(metrics->told));
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

void metrics_init(struct metrics *metrics, struct loop *loop, const struct config *config)
{
	*metrics = (struct metrics){.fd = -1, .loop = loop, .config = config};
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
	r = loop_timer_init(metrics->loop, &metrics->timer, on_timer);
	if (!r)
		r = loop_timer_set(&metrics->timer, METRICS_PERIOD_MS);
	if (r < 0) {
		loop_timer_fini(metrics->loop, &metrics->timer);
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

	if (metrics->fd < 0 || !metrics->loop)
		return;
	if (metrics_flush(metrics, &err) < 0)
		log_debug("%s", err.msg);
	loop_timer_fini(metrics->loop, &metrics->timer);
	close(metrics->fd);
	metrics->fd = -1;
}
