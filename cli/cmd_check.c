// SPDX-License-Identifier: Apache-2.0
// hull check: an audit of the host and of the VMs that run.
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/json_write.h"
#include "base/log.h"
#include "cli/check.h"
#include "cli/command.h"
#include "cli/container.h"
#include "cli/options.h"
#include "cli/programs.h"
#include "cli/strlist.h"
#include "image/store.h"

#include <linux/landlock.h>
#include <string.h>
#include <sys/syscall.h>

#define CHECK_EXIT_WARN 1

/* A few dozen items of at most CHECK_TEXT_SIZE bytes, each of which may be escaped by six. */
#define REPORT_SIZE_MAX (1024 * 1024)

struct cmd_check_options {
	struct strlist only;
	struct strlist skip;
	const char *root;
	const char *store;
	bool json;
	bool list;
	bool help;
};

static int set_names(void *field, const char *value, struct err *err)
{
	return check_names(field, value, err);
}

static int set_dir(void *field, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "the path is empty");
	return option_string(field, value, err);
}

static const struct option_row rows[] = {
	{0, "json", NULL, "Print a JSON document.", option_flag,
		offsetof(struct cmd_check_options, json)},
	{0, "list", NULL, "Print the items' names and what they look at, and nothing else.",
		option_flag, offsetof(struct cmd_check_options, list)},
	{0, "only", "ITEM[,ITEM]...", "Only these items, or groups of items as \"jail\".",
		set_names, offsetof(struct cmd_check_options, only)},
	{0, "skip", "ITEM[,ITEM]...", "Leave these items or groups out.", set_names,
		offsetof(struct cmd_check_options, skip)},
	{0, "root", "DIR", "Look at the host whose /proc, /sys, /dev and /etc are in here.",
		set_dir, offsetof(struct cmd_check_options, root)},
	{0, "store", "DIR",
		"Where prepared images are kept (default: $HULL_STORE, else /var/lib/hull for root "
		"and ~/.local/share/hull for others).",
		set_dir, offsetof(struct cmd_check_options, store)},
	{'h', "help", NULL, "Print this help.", option_flag,
		offsetof(struct cmd_check_options, help)},
};

static void cmd_check_help(FILE *out)
{
	fputs("Usage: hull check [OPTION]...\n"
	      "\n"
	      "Audit this host and the VMs that run on it. Each item is told in a line:\n"
	      "\n"
	      "  PASS     as it should be\n"
	      "  WARN     it weakens the walls around VMs; the line ends with a remedy\n"
	      "  UNKNOWN  it can't be read, as much can't without being root\n"
	      "  INFO     for you to judge\n"
	      "\n"
	      "Nothing is changed: files are read, and no more.\n"
	      "\n"
	      "Options:\n",
		out);
	options_help(rows, ARRAY_SIZE(rows), out);
	fputs("\n"
	      "Exit code: 0 without a WARN, 1 with one, 125 if the audit couldn't be made.\n"
	      "\n"
	      "Examples:\n"
	      "  hull check\n"
	      "  hull check --only jail,monitor.cgroup\n"
	      "  hull check --json | jq -r '.items[] | select(.status == \"warn\").id'\n",
		out);
}

static bool is_chosen(const struct cmd_check_options *options, const struct check_item *item)
{
	return (!options->only.count || check_is_named(item, &options->only)) &&
	       !check_is_named(item, &options->skip);
}

static void print_list(const struct cmd_check_options *options)
{
	for (size_t i = 0; i < check_item_count; i++)
		if (is_chosen(options, &check_items[i]))
			printf("%-20s  %s\n", check_items[i].id, check_items[i].title);
}

/* Asking for its version makes no ruleset. */
static int landlock_abi(void)
{
	long r = syscall(
		SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

	if (r >= 0)
		return (int)r;
	return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
}

static int audit(
	const struct cmd_check_options *options, struct check_report *report, struct err *err)
{
	struct programs programs = {0};
	char store[PATH_MAX];
	struct check_config config = {
		.root = options->root ? options->root : "/",
		.store = options->store,
		.landlock_abi = landlock_abi(),
	};
	struct check_host host;
	int r;

	if (!config.store && store_default_path(store, NULL) == 0)
		config.store = store;
	/* A part that is missing is for others to complain of. */
	programs_find(&programs, NULL);
	if (programs.kernel[0])
		config.kernel = programs.kernel;
	if (programs.monitor[0])
		config.vmm = programs.monitor;
	r = check_host_open(&host, &config, err);
	if (!r) {
		check_report_begin(report);
		for (size_t i = 0; i < check_item_count; i++) {
			struct check_finding finding;

			if (!is_chosen(options, &check_items[i]))
				continue;
			check_run(&check_items[i], &host, &finding);
			check_report_item(report, &check_items[i], &finding);
		}
		check_report_end(report);
	}
	check_host_close(&host);
	return r;
}

static int parse(char *const *argv, struct cmd_check_options *options, struct err *err)
{
	int used = 0;
	int r = options_parse(rows, ARRAY_SIZE(rows), argv, options, &used, err);

	if (r < 0 || options->help)
		return r;
	if (argv[used])
		return err_set(err, -EINVAL, "check: \"%s\" is too much, see \"hull check --help\"",
			argv[used]);
	if (options->list && options->json)
		return err_set(err, -EINVAL, "check: --list and --json exclude each other");
	return 0;
}

static int cmd_check_main(char *const *argv)
{
	struct cmd_check_options options = {0};
	struct buf text = BUF_INIT(REPORT_SIZE_MAX);
	struct json_out json = {.buf = &text};
	struct check_report report = {.out = stdout};
	struct err err = {0};
	int r = parse(argv, &options, &err);
	int code = 0;

	if (!r && options.help) {
		cmd_check_help(stdout);
	} else if (!r && options.list) {
		print_list(&options);
	} else if (!r) {
		report.json = options.json ? &json : NULL;
		r = audit(&options, &report, &err);
		if (!r && json.error)
			r = err_errno(&err, -json.error, "check: the report");
		if (!r && options.json)
			printf("%.*s\n", (int)text.len, (const char *)text.data);
		code = report.counts[CHECK_WARN] ? CHECK_EXIT_WARN : 0;
	}
	if (r < 0) {
		log_error("%s", err.msg);
		code = CONTAINER_EXIT_HULL;
	}
	buf_fini(&text);
	strlist_fini(&options.only);
	strlist_fini(&options.skip);
	return code;
}

const struct command cmd_check = {
	.name = "check",
	.summary = "Audit this host and the VMs on it",
	.help = cmd_check_help,
	.run = cmd_check_main,
};
