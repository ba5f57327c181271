// SPDX-License-Identifier: Apache-2.0
// The values of options: numbers, descriptors, sizes.
#include "vmm/option_value.h"

#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int option_number(
	const char *option, const char *text, uint64_t max, uint64_t *ret, struct err *err)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || errno || value > max)
		return err_set(err, -EINVAL, "%s: '%s' is not a number up to %llu", option, text,
			(unsigned long long)max);
	*ret = value;
	return 0;
}

int option_fd(const char *option, const char *text, int *ret, struct err *err)
{
	uint64_t value = 0;
	int r = option_number(option, text, INT_MAX, &value, err);

	if (!r)
		*ret = (int)value;
	return r;
}

int option_size(const char *option, const char *text, unsigned int shift, uint64_t max,
	uint64_t *ret, struct err *err)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || errno)
		return err_set(err, -EINVAL, "%s: '%s' is not a size", option, text);
	switch (toupper((unsigned char)*end)) {
	case 'K':
		shift = 10;
		end++;
		break;
	case 'M':
		shift = 20;
		end++;
		break;
	case 'G':
		shift = 30;
		end++;
		break;
	default:
		break;
	}
	if (*end)
		return err_set(err, -EINVAL, "%s: '%s' is not a size", option, text);
	if (!value || value > max >> shift)
		return err_set(err, -EINVAL, "%s: %s is out of range", option, text);
	*ret = value << shift;
	return 0;
}

int option_switch(const char *option, const char *text, bool *ret, struct err *err)
{
	if (strcmp(text, "on") && strcmp(text, "off"))
		return err_set(err, -EINVAL, "%s: '%s' is neither on nor off", option, text);
	*ret = !strcmp(text, "on");
	return 0;
}
