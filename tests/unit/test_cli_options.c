// SPDX-License-Identifier: Apache-2.0
// Tests of cli/options.h: the forms of options, and their help.
#include "cli/options.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/suite.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct sample {
	bool all, brief;
	const char *color;
	int calls;
};

static int set_even(void *field, const char *value, struct err *err)
{
	(*(int *)field)++;
	if (strlen(value) % 2)
		return err_set(err, -EINVAL, "\"%s\" is odd", value);
	return 0;
}

static const struct option_row rows[] = {
	{'a', "all", NULL, "Take all of them.", option_flag, offsetof(struct sample, all)},
	{'b', "brief", NULL, "Say less.", option_flag, offsetof(struct sample, brief)},
	{'c', "color", "NAME", "A color.", option_string, offsetof(struct sample, color)},
	{0, "even", "TEXT",
		"Anything of an even length, which is explained here at a length that needs two "
		"lines.",
		set_even, offsetof(struct sample, calls)},
};

static int parse(struct sample *sample, struct err *err, char *const *argv)
{
	int used, r;

	*sample = (struct sample){0};
	*err = (struct err){0};
	r = options_parse(rows, ARRAY_SIZE(rows), argv, sample, &used, err);
	return r < 0 ? r : used;
}

/* A NULL-terminated array as argv is one. */
#define WORDS(...) ((char **)(uintptr_t)(const char *[]){__VA_ARGS__, NULL})

#define PARSE(...) parse(&sample, &err, WORDS(__VA_ARGS__))

START_TEST(short_options_cluster_and_take_values)
{
	struct sample sample;
	struct err err;

	ck_assert_int_eq(PARSE("-ab", "-c", "red", "x"), 3);
	ck_assert(sample.all && sample.brief);
	ck_assert_str_eq(sample.color, "red");
	ck_assert_int_eq(PARSE("-acblue", "-b"), 2);
	ck_assert_str_eq(sample.color, "blue");
	ck_assert_int_eq(PARSE("-c", "-a"), 2);
	ck_assert_str_eq(sample.color, "-a");
	ck_assert(!sample.all);
}
END_TEST

START_TEST(long_options_take_values)
{
	struct sample sample;
	struct err err;

	ck_assert_int_eq(PARSE("--all", "--color=a=b", "--even", "xy"), 4);
	ck_assert(sample.all);
	ck_assert_str_eq(sample.color, "a=b");
	ck_assert_int_eq(sample.calls, 1);
	ck_assert_int_eq(PARSE("--color=", "x"), 1);
	ck_assert_str_eq(sample.color, "");
	ck_assert_int_eq(PARSE("--all", "--all=false", "--brief=true"), 3);
	ck_assert(!sample.all && sample.brief);
}
END_TEST

START_TEST(first_operand_or_two_dashes_end_them)
{
	struct sample sample;
	struct err err;

	ck_assert_int_eq(PARSE("-a", "image", "-b"), 1);
	ck_assert(!sample.brief);
	ck_assert_int_eq(PARSE("-a", "--", "-b"), 2);
	ck_assert(!sample.brief);
	ck_assert_int_eq(PARSE("-", "-a"), 0);
	ck_assert_int_eq(parse(&sample, &err, (char *[]){NULL}), 0);
}
END_TEST

START_TEST(errors_name_the_option)
{
	struct sample sample;
	struct err err;

	ck_assert_int_eq(PARSE("--alls"), -EINVAL);
	ck_assert_str_eq(err.msg, "unknown option \"--alls\"");
	ck_assert_int_eq(PARSE("--al"), -EINVAL);
	ck_assert_int_eq(PARSE("--bogus=1"), -EINVAL);
	ck_assert_str_eq(err.msg, "unknown option \"--bogus\"");
	ck_assert_int_eq(PARSE("-ax"), -EINVAL);
	ck_assert_str_eq(err.msg, "unknown option \"-x\"");
	ck_assert_int_eq(PARSE("--color"), -EINVAL);
	ck_assert_str_eq(err.msg, "--color needs a value");
	ck_assert_int_eq(PARSE("-ac"), -EINVAL);
	ck_assert_str_eq(err.msg, "-c needs a value");
	ck_assert_int_eq(PARSE("--all=maybe"), -EINVAL);
	ck_assert_str_eq(err.msg, "--all: \"maybe\" is neither \"true\" nor \"false\"");
	ck_assert_int_eq(PARSE("--even", "x"), -EINVAL);
	ck_assert_str_eq(err.msg, "--even: \"x\" is odd");
}
END_TEST

START_TEST(help_is_aligned_and_wrapped)
{
	char CLEANUP_FREE *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	options_help(rows, ARRAY_SIZE(rows), out);
	fclose(out);
	ck_assert_str_eq(text,
		"  -a, --all                 Take all of them.\n"
		"  -b, --brief               Say less.\n"
		"  -c, --color NAME          A color.\n"
		"      --even TEXT           Anything of an even length, which is explained here\n"
		"                            at a length that needs two lines.\n");
}
END_TEST

SUITE("cli_options", short_options_cluster_and_take_values, long_options_take_values,
	first_operand_or_two_dashes_end_them, errors_name_the_option, help_is_aligned_and_wrapped)
