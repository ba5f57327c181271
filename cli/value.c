// SPDX-License-Identifier: Apache-2.0
// Values of options: whole numbers, sizes, names.
#include "cli/value.h"

#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Leading digits of @text, UINT64_MAX standing for all that is more; *ret_end is behind them. */
static uint64_t value_digits(const char *text, const char **ret_end)
{
	uint64_t number = 0;

	for (; is_digit(*text); text++)
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			number = UINT64_MAX;
	*ret_end = text;
	return number;
}

int value_number(
	const char *text, uint64_t min, uint64_t max, uint64_t *ret_number, struct err *err)
{
	const char *end;
	uint64_t number = value_digits(text, &end);

	if (end == text || *end)
		return err_set(err, -EINVAL,
			"\"%s\" is not a whole number from %" PRIu64 " to %" PRIu64, text, min,
			max);
	if (number < min || number > max)
		return err_set(
			err, -ERANGE, "%s is not from %" PRIu64 " to %" PRIu64, text, min, max);
	*ret_number = number;
	return 0;
}

int value_size(const char *text, uint64_t *ret_size, struct err *err)
{
	static const char letters[] = "bkmgt";
	const char *end, *letter;
	uint64_t number = value_digits(text, &end);
	unsigned int shift = 0;

	if (end == text)
		goto malformed;
	if (*end) {
		letter = strchr(letters, *end | 0x20);
		if (!letter)
			goto malformed;
		shift = 10 * (unsigned int)(letter - letters);
		end++;
		if (shift && !strcasecmp(end, "ib"))
			end += 2;
		else if (shift && !strcasecmp(end, "b"))
			end++;
		if (*end)
			goto malformed;
	}
	if (number > (UINT64_C(1) << 63) >> shift)
		return err_set(err, -ERANGE, "%s is too large", text);
	*ret_size = number << shift;
	return 0;

malformed:
	return err_set(err, -EINVAL, "\"%s\" is not a size such as 512M or 2G", text);
}

int value_name(const char *text, struct err *err)
{
	size_t len = strlen(text);
	bool good = len >= 1 && len <= VALUE_NAME_MAX && is_alnum(text[0]);

	for (size_t i = 1; good && i < len; i++)
		good = is_alnum(text[i]) || strchr("_.-", text[i]);
	if (!good)
		return err_set(err, -EINVAL,
			"\"%s\" is not a name: 1 to %d letters, digits, '_', '.' and '-', the "
			"first a "
			"letter or a digit",
			text, VALUE_NAME_MAX);
	return 0;
}

int value_hostname(const char *text, struct err *err)
{
	size_t len = strlen(text);
	bool good = len >= 1 && len <= VALUE_HOSTNAME_MAX;

	for (size_t i = 0; good && i < len; i++) {
		bool first = i == 0 || text[i - 1] == '.';
		bool last = i + 1 == len || text[i + 1] == '.';

		if (text[i] == '.')
			good = !first && i + 1 < len;
		else if (text[i] == '-')
			good = !first && !last;
		else
			good = is_alnum(text[i]) || text[i] == '_';
	}
	if (!good)
		return err_set(err, -EINVAL,
			"\"%s\" is not a host name: 1 to %d letters, digits, '_', and '-' and '.' "
			"between them",
			text, VALUE_HOSTNAME_MAX);
	return 0;
}
