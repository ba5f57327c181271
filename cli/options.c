// SPDX-License-Identifier: Apache-2.0
// Command-line options from one table.
#include "cli/options.h"

#include "base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define HELP_INDENT 28
#define HELP_WIDTH 80

int option_flag(void *field, const char *value, struct err *err)
{
	*(bool *)field = !strcmp(value, "true");
	return 0;
}

int option_string(void *field, const char *value, struct err *err)
{
	*(const char **)field = value;
	return 0;
}

static int option_apply(
	const struct option_row *row, const char *value, void *into, struct err *err)
{
	struct err why = {0};
	int r = row->set((char *)into + row->offset, value, &why);

	return r < 0 ? err_set(err, r, "--%s: %s", row->name, why.msg) : 0;
}

/* One "--name[=value]". @next is the word after it. Return: how many words were used, or -errno. */
static int options_long(const struct option_row *rows, size_t count, const char *word,
	const char *next, void *into, struct err *err)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;
	const struct option_row *row;
	int used = 1, r;

	for (row = rows; row < rows + count; row++)
		if (strlen(row->name) == len && !strncmp(row->name, word, len))
			break;
	if (row == rows + count)
		return err_set(err, -EINVAL, "unknown option \"--%.*s\"", (int)len, word);
	if (!row->value) {
		if (!value)
			value = "true";
		else if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
			return err_set(err, -EINVAL,
				"--%s: \"%s\" is neither \"true\" nor \"false\"", row->name, value);
	} else if (!value) {
		if (!next)
			return err_set(err, -EINVAL, "--%s needs a value", row->name);
		value = next;
		used = 2;
	}
	r = option_apply(row, value, into, err);
	return r < 0 ? r : used;
}

/* One cluster "xyz" of a word "-xyz". Return: how many words were used, or -errno. */
static int options_short(const struct option_row *rows, size_t count, const char *letters,
	const char *next, void *into, struct err *err)
{
	for (; *letters; letters++) {
		const struct option_row *row;
		int r;

		for (row = rows; row < rows + count; row++)
			if (row->letter == *letters)
				break;
		if (row == rows + count)
			return err_set(err, -EINVAL, "unknown option \"-%c\"", *letters);
		if (row->value) {
			bool separate = !letters[1];
			const char *value = separate ? next : letters + 1;

			if (!value)
				return err_set(err, -EINVAL, "-%c needs a value", *letters);
			r = option_apply(row, value, into, err);
			return r < 0 ? r : 1 + separate;
		}
		r = option_apply(row, "true", into, err);
		if (r < 0)
			return r;
	}
	return 1;
}

int options_parse(const struct option_row *rows, size_t count, char *const *argv, void *into,
	int *ret_used, struct err *err)
{
	int i = 0;

	while (argv[i] && argv[i][0] == '-' && argv[i][1]) {
		int r;

		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (argv[i][1] == '-')
			r = options_long(rows, count, argv[i] + 2, argv[i + 1], into, err);
		else
			r = options_short(rows, count, argv[i] + 1, argv[i + 1], into, err);
		if (r < 0)
			return r;
		i += r;
	}
	*ret_used = i;
	return 0;
}

/* Print @text wrapped between HELP_INDENT and HELP_WIDTH; the cursor is at @column. */
static void help_wrap(const char *text, int column, FILE *out)
{
	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column > HELP_INDENT && column + 1 + len > HELP_WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		if (column < HELP_INDENT) {
			fprintf(out, "%*s", HELP_INDENT - column, "");
			column = HELP_INDENT;
		} else if (column > HELP_INDENT) {
			fputc(' ', out);
			column++;
		}
		fwrite(text, 1, (size_t)len, out);
		column += len;
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

void options_help(const struct option_row *rows, size_t count, FILE *out)
{
	for (const struct option_row *row = rows; row < rows + count; row++) {
		char head[64];
		int column;

		snprintf(head, sizeof(head), "--%s%s%s", row->name, row->value ? " " : "",
			row->value ? row->value : "");
		if (row->letter)
			column = fprintf(out, "  -%c, %s", row->letter, head);
		else
			column = fprintf(out, "      %s", head);
		if (column >= HELP_INDENT - 1) {
			fputc('\n', out);
			column = 0;
		}
		help_wrap(row->help, column, out);
	}
}
