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
int option_vsock(char *text, struct config *config, struct err *err);
/* @text: NULL where the option has no value */
int option_rng(char *text, struct config *config, struct err *err);
int option_balloon(char *text, struct config *config, struct err *err);
int option_serial(char *text, struct config *config, struct err *err);
