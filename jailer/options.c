// SPDX-License-Identifier: Apache-2.0
// The command line.
#include "jailer/options.h"

#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_ID = 256,
	OPT_EXEC_FILE,
	OPT_UID,
	OPT_GID,
	OPT_BASE,
	OPT_NETNS,
	OPT_CGROUP,
	OPT_CGROUP_VERSION,
	OPT_PARENT_CGROUP,
	OPT_RESOURCE_LIMIT,
	OPT_DAEMONIZE,
	OPT_NEW_PID_NS,
	OPT_HELP,
	OPT_VERSION,
	OPT_END,
};

static const struct option options[] = {
	{"id", required_argument, NULL, OPT_ID},
	{"exec-file", required_argument, NULL, OPT_EXEC_FILE},
	{"uid", required_argument, NULL, OPT_UID},
	{"gid", required_argument, NULL, OPT_GID},
	{"chroot-base-dir", required_argument, NULL, OPT_BASE},
	{"netns", required_argument, NULL, OPT_NETNS},
	{"cgroup", required_argument, NULL, OPT_CGROUP},
	{"cgroup-version", required_argument, NULL, OPT_CGROUP_VERSION},
	{"parent-cgroup", required_argument, NULL, OPT_PARENT_CGROUP},
	{"resource-limit", required_argument, NULL, OPT_RESOURCE_LIMIT},
	{"daemonize", no_argument, NULL, OPT_DAEMONIZE},
	{"new-pid-ns", no_argument, NULL, OPT_NEW_PID_NS},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

void options_usage(void)
{
	fputs("Usage: hull-jailer --id ID --exec-file FILE --uid N --gid N [OPTION]... [-- "
	      "ARGUMENT...]\n"
	      "Run FILE, a copy of it, as another user in a directory of its own that it sees as "
	      "the\n"
	      "root, as Firecracker's jailer does.\n"
	      "\n"
	      "  --id ID            of the VM: 1 to 64 letters, digits and hyphens\n"
	      "  --exec-file FILE   the program, linked statically\n"
	      "  --uid N, --gid N   what it runs as\n"
	      "  --chroot-base-dir DIR\n"
	      "                     where the directories are made, as DIR/FILE'S NAME/ID/root\n"
	      "                     (default: " OPTIONS_BASE_DEFAULT ")\n"
	      "  --netns PATH       run it in this network namespace\n"
	      "  --cgroup FILE=VALUE\n"
	      "                     run it in a cgroup with this setting (repeatable)\n"
	      "  --cgroup-version 1|2\n"
	      "                     which hierarchy that is (default: 1)\n"
	      "  --parent-cgroup PATH\n"
	      "                     where in it the cgroup ID is made (default: FILE's name)\n"
	      "  --resource-limit no-file=N|fsize=BYTES\n"
	      "                     most descriptors (default: 2048), largest file (repeatable)\n"
	      "  --daemonize        in a session of its own, with /dev/null for input and output\n"
	      "  --new-pid-ns       as the first process of a process ID namespace\n"
	      "  --help, --version\n"
	      "\n"
	      "What is behind -- goes to the program. Its process ID is in root/FILE'S NAME.pid.\n"
	      "Exit status: 1 hull-jailer failed; 0 the program runs in the background; otherwise\n"
	      "the program's own.\n",
		stdout);
}

static int parse_number(
	const char *option, const char *text, uint64_t max, uint64_t *ret, struct err *err)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || value > max)
		return err_set(err, -EINVAL, "%s: '%s' is not a number from 0 to %llu", option,
			text, (unsigned long long)max);
	*ret = value;
	return 0;
}

static int parse_id(const char *text, struct err *err)
{
	size_t len = strlen(text);

	if (!len || len > OPTIONS_ID_MAX)
		return err_set(err, -EINVAL, "--id: '%s' has %zu characters, not 1 to %d", text,
			len, OPTIONS_ID_MAX);
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-')
			return err_set(err, -EINVAL,
				"--id: '%s' has other characters than letters, digits and hyphens",
				text);
	return 0;
}

/* The highest means "leave it as it is" to the kernel. */
static int parse_user(const char *option, const char *text, uint32_t *ret, struct err *err)
{
	uint64_t value = 0;
	int r = parse_number(option, text, UINT32_MAX - 1, &value, err);

	if (!r)
		*ret = (uint32_t)value;
	return r;
}

static int parse_exec_file(const char *text, struct options *ret, struct err *err)
{
	const char *slash = strrchr(text, '/');
	const char *name = slash ? slash + 1 : text;

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return err_set(err, -EINVAL, "--exec-file: '%s' is not the path of a file", text);
	if (strlen(name) > OPTIONS_EXEC_NAME_MAX)
		return err_set(err, -EINVAL, "--exec-file: the name '%s' has more than %d bytes",
			name, OPTIONS_EXEC_NAME_MAX);
	ret->exec_file = text;
	ret->exec_name = name;
	return 0;
}

static int parse_cgroup(char *text, struct options *ret, struct err *err)
{
	char *value = strchr(text, '=');
	char *dot = strchr(text, '.');

	if (!value || !value[1])
		return err_set(err, -EINVAL, "--cgroup: '%s' is not FILE=VALUE", text);
	if (!dot || dot == text || dot + 1 >= value || memchr(text, '/', (size_t)(value - text)))
		return err_set(err, -EINVAL,
			"--cgroup: '%s': the file is not one of a controller's, such as cpu.max",
			text);
	if (ret->cgroup_count == OPTIONS_CGROUPS_MAX)
		return err_set(err, -EINVAL, "--cgroup: more than %d", OPTIONS_CGROUPS_MAX);
	*value = '\0';
	ret->cgroups[ret->cgroup_count++] =
		(struct options_cgroup){.file = text, .value = value + 1};
	return 0;
}

static int parse_version(const char *text, struct options *ret, struct err *err)
{
	if (strcmp(text, "1") != 0 && strcmp(text, "2") != 0)
		return err_set(err, -EINVAL, "--cgroup-version: '%s' is neither 1 nor 2", text);
	ret->cgroup_version = (unsigned int)(*text - '0');
	return 0;
}

static bool is_name(const char *text, size_t len)
{
	if (!len || len > OPTIONS_NAME_MAX)
		return false;
	return strncmp(text, "..", len) != 0 || len > 2;
}

static int parse_parent(const char *text, struct options *ret, struct err *err)
{
	const char *p = text;
	unsigned int depth = 0;
	bool good = true, more = true;

	while (good && more) {
		size_t len = strcspn(p, "/");

		good = is_name(p, len) && ++depth <= OPTIONS_PARENT_DEPTH_MAX;
		more = p[len] == '/';
		p += len + more;
	}
	if (!good)
		return err_set(err, -EINVAL,
			"--parent-cgroup: '%s' is not a relative path of 1 to %d names", text,
			OPTIONS_PARENT_DEPTH_MAX);
	ret->parent_cgroup = text;
	ret->parent_given = true;
	return 0;
}

static int parse_limit(const char *text, struct options *ret, struct err *err)
{
	if (!strncmp(text, "no-file=", 8))
		return parse_number(
			"--resource-limit no-file", text + 8, UINT64_MAX - 1, &ret->no_file, err);
	if (!strncmp(text, "fsize=", 6)) {
		ret->fsize_given = true;
		return parse_number(
			"--resource-limit fsize", text + 6, UINT64_MAX - 1, &ret->fsize, err);
	}
	return err_set(
		err, -EINVAL, "--resource-limit: '%s' is neither no-file=N nor fsize=BYTES", text);
}

static int parse_option(int option, char *text, struct options *ret, struct err *err)
{
	switch (option) {
	case OPT_ID:
		ret->id = text;
		return parse_id(text, err);
	case OPT_EXEC_FILE:
		return parse_exec_file(text, ret, err);
	case OPT_UID:
		return parse_user("--uid", text, &ret->uid, err);
	case OPT_GID:
		return parse_user("--gid", text, &ret->gid, err);
	case OPT_BASE:
		ret->base = text;
		return 0;
	case OPT_NETNS:
		ret->netns = text;
		return 0;
	case OPT_CGROUP:
		return parse_cgroup(text, ret, err);
	case OPT_CGROUP_VERSION:
		return parse_version(text, ret, err);
	case OPT_PARENT_CGROUP:
		return parse_parent(text, ret, err);
	case OPT_RESOURCE_LIMIT:
		return parse_limit(text, ret, err);
	case OPT_DAEMONIZE:
		ret->daemonize = true;
		return 0;
	default:
		ret->new_pid_ns = true;
		return 0;
	}
}

static const char *name_of(int option)
{
	const struct option *row = options;

	while (row->val != option)
		row++;
	return row->name;
}

static int check_missing(const bool *given, struct err *err)
{
	static const int needed[] = {OPT_ID, OPT_EXEC_FILE, OPT_UID, OPT_GID};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!given[needed[i] - OPT_ID])
			return err_set(
				err, -EINVAL, "--%s is missing (see --help)", name_of(needed[i]));
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret, struct err *err)
{
	bool given[OPT_END - OPT_ID] = {false};
	int option, r;

	*ret = (struct options){
		.base = OPTIONS_BASE_DEFAULT,
		.cgroup_version = 1,
		.no_file = OPTIONS_NO_FILE_DEFAULT,
	};
	opterr = 0;
	optind = 1;
	while ((option = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
		if (option == OPT_HELP)
			return OPTIONS_HELP;
		if (option == OPT_VERSION)
			return OPTIONS_VERSION;
		if (option == ':')
			return err_set(err, -EINVAL, "%s needs a value", argv[optind - 1]);
		if (option == '?')
			return err_set(
				err, -EINVAL, "unknown option '%s' (see --help)", argv[optind - 1]);
		if (given[option - OPT_ID] && option != OPT_CGROUP && option != OPT_RESOURCE_LIMIT)
			return err_set(
				err, -EINVAL, "--%s is given more than once", name_of(option));
		given[option - OPT_ID] = true;
		r = parse_option(option, optarg, ret, err);
		if (r < 0)
			return r;
	}
	/* Only what is behind "--" is the program's. */
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0)
		return err_set(err, -EINVAL, "unexpected argument '%s' (see --help)", argv[optind]);
	ret->arguments = argv + optind;
	if (!ret->parent_given)
		ret->parent_cgroup = ret->exec_name;
	r = check_missing(given, err);
	return r < 0 ? r : OPTIONS_RUN;
}
