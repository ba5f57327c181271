// SPDX-License-Identifier: Apache-2.0
// How an audit is told: lines for people, or a JSON document.
#include "cli/check.h"

#include "base/cleanup.h"
#include "base/json_write.h"

#include <string.h>

/* Of the document's schema, which cli/cmd_check.c's help and hull-check(1) tell. */
#define REPORT_VERSION 1

static const char *const words[] = {[CHECK_PASS] = "PASS",
	[CHECK_INFO] = "INFO",
	[CHECK_UNKNOWN] = "UNKNOWN",
	[CHECK_WARN] = "WARN"};
static const char *const keys[] = {[CHECK_PASS] = "pass",
	[CHECK_INFO] = "info",
	[CHECK_UNKNOWN] = "unknown",
	[CHECK_WARN] = "warn"};

void check_report_begin(struct check_report *report)
{
	if (!report->json)
		return;
	json_begin(report->json, NULL, '{');
	json_put_uint(report->json, "version", REPORT_VERSION);
	json_begin(report->json, "items", '[');
}

static void json_item(
	struct json_out *json, const struct check_item *item, const struct check_finding *finding)
{
	char group[32];

	snprintf(group, sizeof(group), "%.*s", (int)check_group_len(item), item->id);
	json_begin(json, NULL, '{');
	json_put_string(json, "id", item->id);
	json_put_string(json, "group", group);
	json_put_string(json, "title", item->title);
	json_put_string(json, "status", keys[finding->status]);
	json_put_string(json, "finding", finding->text);
	json_put_uint(json, "left_out", finding->left_out);
	json_put_string(json, "remedy", finding->status == CHECK_WARN ? item->remedy : NULL);
	json_end(json, '}');
}

static bool is_same_group(const struct check_item *a, const struct check_item *b)
{
	size_t len = check_group_len(a);

	return len == check_group_len(b) && !strncmp(a->id, b->id, len);
}

static void text_item(const struct check_report *report, const struct check_item *item,
	const struct check_finding *finding)
{
	FILE *out = report->out;

	if (report->last && !is_same_group(report->last, item))
		fputc('\n', out);
	fprintf(out, "%-7s  %-20s  %s: %s", words[finding->status], item->id, item->title,
		finding->text);
	if (finding->left_out)
		fprintf(out, "; and %u more", finding->left_out);
	if (finding->status == CHECK_WARN && item->remedy)
		fprintf(out, ". Remedy: %s", item->remedy);
	fputc('\n', out);
}

void check_report_item(struct check_report *report, const struct check_item *item,
	const struct check_finding *finding)
{
	if (report->json)
		json_item(report->json, item, finding);
	else
		text_item(report, item, finding);
	report->counts[finding->status]++;
	report->last = item;
}

void check_report_end(struct check_report *report)
{
	const unsigned int *counts = report->counts;

	if (!report->json) {
		fprintf(report->out, "%s%u passed, %u warnings, %u unknown, %u for information\n",
			report->last ? "\n" : "", counts[CHECK_PASS], counts[CHECK_WARN],
			counts[CHECK_UNKNOWN], counts[CHECK_INFO]);
		return;
	}
	json_end(report->json, ']');
	json_begin(report->json, "summary", '{');
	for (int i = 0; i < CHECK_STATUSES; i++)
		json_put_uint(report->json, keys[i], counts[i]);
	json_end(report->json, '}');
	json_end(report->json, '}');
}
