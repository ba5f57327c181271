// SPDX-License-Identifier: Apache-2.0
// Log lines on stderr: "PROGRAM: LEVEL: text". The level is the only global state.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_OFF = -1,
	LOG_ERROR, /* the user must act */
	LOG_WARN,  /* something was ignored */
	LOG_INFO,  /* lifecycle */
	LOG_DEBUG,
};

/*
 * log_setup() - name the program and set the level
 * @program:	static string, put before each line
 *
 * Before the first call lines say "hull" and the level is LOG_WARN.
 */
void log_setup(const char *program, enum log_level level);

/*
 * log_level_parse() - the level a word names
 * @word:	"error", "warn" or "warning", "info", "debug" or "trace", "off"; any case
 *
 * Return: the level, or -EINVAL.
 */
int log_level_parse(const char *word);

/*
 * log_redirect() - have lines that are on go to @fn instead of stderr
 * @fn:		gets the origin, "FILE:LINE", and the text without level, program and newline; NULL:
 *		stderr again
 *
 * Context: while no other thread logs.
 */
void log_redirect(void (*fn)(enum log_level level, const char *origin, const char *text));

/*
 * log_at() - write one line if @level is on
 * @origin:	LOG_ORIGIN
 *
 * The line is written with a single write(2) and cut at 1 KiB; errno is kept.
 * Context: any thread.
 */
void log_at(enum log_level level, const char *origin, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define LOG_TEXT(x) #x
#define LOG_LINE(line) LOG_TEXT(line)
#define LOG_ORIGIN __FILE__ ":" LOG_LINE(__LINE__)

#define log_error(...) log_at(LOG_ERROR, LOG_ORIGIN, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, LOG_ORIGIN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, LOG_ORIGIN, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, LOG_ORIGIN, __VA_ARGS__)

/* A budget for lines that a guest can trigger: LOG_LIMIT_BURST in LOG_LIMIT_PERIOD_MS, the rest
 * counted. */
#define LOG_LIMIT_BURST 5
#define LOG_LIMIT_PERIOD_MS 10000

struct log_limit {
	uint64_t period_start_ms;
	unsigned int used;
	unsigned int dropped;
};

/*
 * log_limit_pass() - may one more line be written?
 * @limit:	zero-initialised by its owner, one per device; used by one thread
 *
 * When a new period starts after lines were dropped, their number is logged first.
 *
 * Return: true if the caller may log.
 */
bool log_limit_pass(struct log_limit *limit);
