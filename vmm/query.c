// SPDX-License-Identifier: Apache-2.0
// The query of a request.
#include "vmm/query.h"

#include "base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode in place. Return: false for what isn't an escape, or one for a NUL. */
static bool unescape(char *text)
{
	char *to = text;

	for (; *text; text++, to++) {
		int high, low;

		*to = *text == '+' ? ' ' : *text;
		if (*text != '%')
			continue;
		high = hex(text[1]);
		low = high < 0 ? -1 : hex(text[2]);
		if (low < 0 || !(high | low))
			return false;
		*to = (char)(high << 4 | low);
		text += 2;
	}
	*to = '\0';
	return true;
}

static bool read_bool(const char *value, bool *ret)
{
	bool yes = !value || !strcmp(value, "1") || !strcmp(value, "true");

	if (!yes && strcmp(value, "0") != 0 && strcmp(value, "false") != 0)
		return false;
	*ret = yes;
	return true;
}

static bool read_uint(const char *value, uint64_t *ret)
{
	char *end;

	if (!value || *value < '0' || *value > '9')
		return false;
	errno = 0;
	*ret = strtoull(value, &end, 10);
	return !errno && !*end;
}

static bool read_value(const struct query_field *field, const char *value)
{
	switch (field->type) {
	case QUERY_BOOL:
		return read_bool(value, field->ret);
	case QUERY_UINT:
		return read_uint(value, field->ret);
	case QUERY_STRING:
	default:
		if (value)
			*(const char **)field->ret = value;
		return value;
	}
}

int query_read(char *query, const struct query_field *fields, size_t count, struct err *err)
{
	uint32_t seen = 0;
	char *at = query, *value;

	while ((value = strsep(&at, "&"))) {
		char *name = strsep(&value, "=");
		size_t i = 0;

		if (!unescape(name) || (value && !unescape(value)))
			return err_set(err, -EINVAL, "query: %s: bad percent-escape", name);
		while (i < count && strcmp(fields[i].name, name) != 0)
			i++;
		if (i == count)
			return err_set(err, -EINVAL, "query: there is no '%s'", name);
		if (seen & 1u << i)
			return err_set(err, -EINVAL, "query: '%s' is given twice", name);
		seen |= 1u << i;
		if (!read_value(&fields[i], value))
			return err_set(err, -EINVAL, "query: '%s' is not a value of %s",
				value ? value : "", name);
	}
	return 0;
}
