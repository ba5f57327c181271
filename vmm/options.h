// SPDX-License-Identifier: Apache-2.0
// The command line.
#pragma once

struct config;
struct err;

enum options_action {
	OPTIONS_RUN,
	OPTIONS_HELP,
	OPTIONS_VERSION,
};

/* The options of option_api.c; the values are getopt's. */
enum option_api {
	OPTION_API_SOCK = 512,
	OPTION_API_FD,
	OPTION_CONFIG_FILE,
	OPTION_CONTAINER,
	OPTION_NO_API,
	OPTION_ID,
	OPTION_BODY_MAX,
	OPTION_LOG_PATH,
	OPTION_LEVEL,
	OPTION_SHOW_LEVEL,
	OPTION_SHOW_LOG_ORIGIN,
	OPTION_MODULE,
	OPTION_METRICS_PATH,
	OPTION_START_TIME,
	OPTION_START_CPU,
	OPTION_PARENT_CPU,
	OPTION_SECCOMP_FILTER,
	OPTION_BOOT_TIMER,
	OPTION_METADATA,
	OPTION_MMDS_SIZE,
	OPTION_DESCRIBE_SNAPSHOT,
	OPTION_SNAPSHOT_VERSION,
	OPTION_ENABLE_PCI,
};

/* Those of option_jail.c. */
enum option_jail {
	OPTION_DIE_WITH_PARENT = 768,
	OPTION_NO_JAIL,
	OPTION_NO_SECCOMP,
	OPTION_JAIL_WITHOUT,
	OPTION_GRANT,
	OPTION_UID,
	OPTION_GID,
	OPTION_RESOURCE_LIMIT,
};

/*
 * options_parse() - read the command line
 * @argv:	is cut into pieces that @ret points to
 * @ret:	filled on OPTIONS_RUN
 *
 * Return: enum options_action, or -EINVAL with @err set. Opens nothing.
 */
int options_parse(int argc, char **argv, struct config *ret, struct err *err);

/* options_usage() - the --help text, on standard output. */
void options_usage(void);

/*
 * One function for each option that has parts, in a file of its own: take @text, which may be cut
 * into pieces, and add it to @config.
 *
 * Return: 0, or -EINVAL with @err set.
 */
int option_legacy(char *text, struct config *config, struct err *err);
int option_memory(char *text, struct config *config, struct err *err);
int option_disk(char *text, struct config *config, struct err *err);
int option_net(char *text, struct config *config, struct err *err);
int option_vsock(char *text, struct config *config, struct err *err);
/* @text: NULL where the option has no value */
int option_rng(char *text, struct config *config, struct err *err);
int option_balloon(char *text, struct config *config, struct err *err);
int option_serial(char *text, struct config *config, struct err *err);
int option_jail(enum option_jail option, char *text, struct config *config, struct err *err);
int option_api(enum option_api option, char *text, struct config *config, struct err *err);

/* option_jail_check() - do those of the jail fit together? */
int option_jail_check(const struct config *config, struct err *err);

/* options_check() - do the options fit together? Fills in what follows from them. */
int options_check(struct config *config, struct err *err);
