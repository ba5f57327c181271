// SPDX-License-Identifier: Apache-2.0
// Tests of base/log.h: the lines as they reach stderr.
#include "base/log.h"

#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static char text[4096];

/* What @body writes to stderr, in text. */
static void capture(void (*body)(void))
{
	int saved = dup(STDERR_FILENO), fds[2];
	ssize_t n;

	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	dup2(fds[1], STDERR_FILENO);
	body();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
}

static void write_each_level(void)
{
	log_error("a %d", 1);
	log_warn("b");
	log_info("c");
	log_debug("d");
}

START_TEST(levels_filter_and_name_themselves)
{
	log_setup("prog", LOG_INFO);
	capture(write_each_level);
	ck_assert_str_eq(text, "prog: a 1\nprog: warn: b\nprog: info: c\n");
}
END_TEST

static void write_long(void)
{
	static char line[3000];

	memset(line, 'x', sizeof(line) - 1);
	errno = EBUSY;
	log_error("%s", line);
	ck_assert_int_eq(errno, EBUSY);
}

START_TEST(long_line_is_cut_but_ends)
{
	size_t len;

	log_setup("prog", LOG_WARN);
	capture(write_long);
	len = strlen(text);
	ck_assert_uint_le(len, 1024);
	ck_assert_int_eq(text[len - 1], '\n');
	ck_assert_int_eq(text[len - 2], 'x');
}
END_TEST

START_TEST(words_name_levels)
{
	ck_assert_int_eq(log_level_parse("ERROR"), LOG_ERROR);
	ck_assert_int_eq(log_level_parse("warning"), LOG_WARN);
	ck_assert_int_eq(log_level_parse("debug"), LOG_DEBUG);
	ck_assert_int_eq(log_level_parse(""), -EINVAL);
	ck_assert_int_eq(log_level_parse("errors"), -EINVAL);
}
END_TEST

static struct log_limit limit;

static void next_period(void)
{
	limit.period_start_ms -= LOG_LIMIT_PERIOD_MS;
	ck_assert(log_limit_pass(&limit));
}

START_TEST(guest_triggered_lines_are_bounded)
{
	memset(&limit, 0, sizeof(limit));
	log_setup("prog", LOG_WARN);
	for (int i = 0; i < LOG_LIMIT_BURST; i++)
		ck_assert(log_limit_pass(&limit));
	for (int i = 0; i < 1000; i++)
		ck_assert(!log_limit_pass(&limit));
	capture(next_period);
	ck_assert_str_eq(text, "prog: warn: 1000 similar lines were dropped\n");
}
END_TEST

SUITE("log", levels_filter_and_name_themselves, long_line_is_cut_but_ends, words_name_levels,
	guest_triggered_lines_are_bounded)
