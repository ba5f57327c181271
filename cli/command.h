// SPDX-License-Identifier: Apache-2.0
// hull's commands: one const struct each, listed in main.c.
#pragma once

#include <stdio.h>

/*
 * struct command - `hull NAME ...`
 * @summary:	for the list of commands, no full stop
 * @help:	print the command's help
 * @run:	@argv is NULL-terminated and begins behind the command's name
 *
 * run() returns hull's exit code and has said what went wrong.
 */
struct command {
	const char *name;
	const char *summary;
	void (*help)(FILE *out);
	int (*run)(char *const *argv);
};

extern const struct command cmd_check;
extern const struct command cmd_pull;
extern const struct command cmd_run;
