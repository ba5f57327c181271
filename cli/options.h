// SPDX-License-Identifier: Apache-2.0
// Command-line options from one table: it parses them and it prints their help.
#pragma once

#include <stddef.h>
#include <stdio.h>

struct err;

/*
 * option_fn() - take one value
 * @field:	the member of the command's own struct that the row's offset names
 * @value:	text of the user; points into argv and lives as long as the program. For a row
 *		without a value name it is "true" or "false".
 *
 * Return: 0, or -errno with @err saying what is wrong with the value ("\"x\" is not a number");
 * the option's name is put before it by options_parse().
 */
typedef int option_fn(void *field, const char *value, struct err *err);

/*
 * struct option_row - one option
 * @letter:	for the short form, 0 for none
 * @name:	for the long form
 * @value:	what the value is called in the help, NULL for an option without one
 * @help:	one sentence; longer ones are wrapped
 */
struct option_row {
	char letter;
	const char *name;
	const char *value;
	const char *help;
	option_fn *set;
	size_t offset;
};

/*
 * options_parse() - apply the options at the front of @argv
 * @rows:	table of @count rows
 * @argv:	NULL-terminated, argv[0] is the first word after the command's name
 * @into:	the struct that the rows' offsets refer to
 * @ret_used:	how many words were options: the first operand, which ends them, is next.
 *		"--" ends them too and counts as used.
 *
 * Understood are -x, -xyz for options without values, -xVALUE, -x VALUE, --name, --name=VALUE,
 * --name VALUE, and --flag=true|false.
 *
 * Return: 0 or -errno with a message.
 */
int options_parse(const struct option_row *rows, size_t count, char *const *argv, void *into,
	int *ret_used, struct err *err);

/* options_help() - print the table, one option a paragraph, for a terminal 80 columns wide. */
void options_help(const struct option_row *rows, size_t count, FILE *out);

/* option_flag() - set a bool. */
option_fn option_flag;
/* option_string() - set a const char *; the text isn't copied. */
option_fn option_string;
