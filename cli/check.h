// SPDX-License-Identifier: Apache-2.0
// An audit of the host and of the monitors that run: items, what each found, and how it is told.
#pragma once

#include "cli/check_host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct buf;
struct err;
struct strlist;

/*
 * Theory of operation
 *
 * An item is one question. It reads files below one directory, by default the root, and never
 * writes, connects or loads anything; so a tree that looks like a host can be audited, too, and the
 * unit tests do. What it reads is other people's: processes end while they are looked at, names and
 * contents are anything.
 *
 * It says one or several things, each with a status, and what weighs most is what it found: a
 * warning more than what can't be known, and that more than a remark. Nothing is taken to be right
 * because it couldn't be read.
 */

/* From the lightest. */
enum check_status {
	CHECK_PASS,
	CHECK_INFO,
	CHECK_UNKNOWN,
	CHECK_WARN,
	CHECK_STATUSES,
};

/* What is told of an item at most; more than a dozen monitors aren't listed one by one. */
#define CHECK_TEXT_SIZE 1024

/*
 * struct check_finding - what an item has found
 * @text:	everything said with @status, "; " between, without control characters
 * @left_out:	how many things more there was no room for
 */
struct check_finding {
	enum check_status status;
	unsigned int left_out;
	size_t len;
	char text[CHECK_TEXT_SIZE];
};

/* check_say() - say one thing; control characters become '?'. */
void check_say(struct check_finding *finding, enum check_status status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* check_unreadable() - say that @what could not be read. @r: -errno */
void check_unreadable(struct check_finding *finding, const char *what, int r);

/* An item about the host. */
typedef void check_host_fn(const struct check_host *host, struct check_finding *finding);

/*
 * An item about each monitor with a guest. It says only what isn't right.
 *
 * Return: 0, or -errno when something can't be read, which is told unless the process has ended.
 */
typedef int check_monitor_fn(const struct check_host *host, const struct check_monitor *monitor,
	struct check_finding *finding);

/*
 * struct check_item - one row of the table in check.c
 * @id:		stable; what is before the dot is its group
 * @title:	what is looked at
 * @remedy:	what to do about a warning
 *
 * One of @host, @monitor is given.
 */
struct check_item {
	const char *id;
	const char *title;
	const char *remedy;
	check_host_fn *host;
	check_monitor_fn *monitor;
};

extern const struct check_item check_items[];
extern const size_t check_item_count;

/* How long an item's group is. */
size_t check_group_len(const struct check_item *item);

/* check_is_named() - does @names have the item's id, or its group? */
bool check_is_named(const struct check_item *item, const struct strlist *names);

/* check_names() - add the comma-separated ids and groups of @text. Return: 0 or -errno. */
int check_names(struct strlist *names, const char *text, struct err *err);

/* check_run() - look at one item. */
void check_run(
	const struct check_item *item, const struct check_host *host, struct check_finding *ret);

/*
 * struct check_report - an audit being told
 * @out:	where to
 * @json:	the document, or NULL for text
 * @counts:	by status
 */
struct check_report {
	FILE *out;
	struct json_out *json;
	const struct check_item *last;
	unsigned int counts[CHECK_STATUSES];
};

void check_report_begin(struct check_report *report);
void check_report_item(struct check_report *report, const struct check_item *item,
	const struct check_finding *finding);
void check_report_end(struct check_report *report);
