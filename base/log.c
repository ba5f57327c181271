// SPDX-License-Identifier: Apache-2.0
// Log lines on stderr.
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* syscalls: loop, vcpu: clock_gettime, write */

#define LOG_LINE_MAX 1024

static enum log_level log_level = LOG_WARN;
static const char *log_program = "hull";
static void (*log_output)(enum log_level level, const char *origin, const char *text);

static const char *const log_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void log_setup(const char *program, enum log_level level)
{
	log_program = program;
	log_level = level;
}

void log_redirect(void (*fn)(enum log_level level, const char *origin, const char *text))
{
	log_output = fn;
}

int log_level_parse(const char *word)
{
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
		if (!strcasecmp(word, log_names[i]))
			return i;
	if (!strcasecmp(word, "warning"))
		return LOG_WARN;
	if (!strcasecmp(word, "trace"))
		return LOG_DEBUG;
	return strcasecmp(word, "off") ? -EINVAL : LOG_OFF;
}

void log_at(enum log_level level, const char *origin, const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	int saved = errno;
	va_list ap;
	size_t len;

	if (level > log_level)
		return;
	if (log_output) {
		va_start(ap, fmt);
		vsnprintf(line, sizeof(line), fmt, ap);
		va_end(ap);
		log_output(level, origin, line);
		errno = saved;
		return;
	}
	/* An error reads like any program's error; the other levels name themselves. */
	if (level == LOG_ERROR)
		snprintf(line, sizeof(line), "%s: ", log_program);
	else
		snprintf(line, sizeof(line), "%s: %s: ", log_program, log_names[level]);
	len = strlen(line);
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0) {
		/* Nowhere left to say so. */
	}
	errno = saved;
}

bool log_limit_pass(struct log_limit *limit)
{
	struct timespec ts;
	uint64_t now_ms;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	now_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	if (!limit->used || now_ms - limit->period_start_ms >= LOG_LIMIT_PERIOD_MS) {
		if (limit->dropped)
			log_warn("%u similar lines were dropped", limit->dropped);
		limit->period_start_ms = now_ms;
		limit->used = 0;
		limit->dropped = 0;
	}
	if (limit->used >= LOG_LIMIT_BURST) {
		limit->dropped++;
		return false;
	}
	limit->used++;
	return true;
}
