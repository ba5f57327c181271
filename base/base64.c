// SPDX-License-Identifier: Apache-2.0
// Base64.
#include "base/base64.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, char *ret)
{
	const uint8_t *in = data;

	for (; len; len -= len < 3 ? len : 3, in += 3, ret += 4) {
		uint32_t group = (uint32_t)in[0] << 16 | (len > 1 ? (uint32_t)in[1] << 8 : 0) |
				 (len > 2 ? in[2] : 0);

		ret[0] = alphabet[group >> 18];
		ret[1] = alphabet[group >> 12 & 63];
		ret[2] = len > 1 ? alphabet[group >> 6 & 63] : '=';
		ret[3] = len > 2 ? alphabet[group & 63] : '=';
	}
	*ret = '\0';
}

/* Return: 0 to 63, or -EINVAL. */
static int value_of(char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -EINVAL;
}

int base64_decode(const char *text, void *ret, size_t *ret_len)
{
	size_t len = strlen(text);
	uint8_t *out = ret;

	*ret_len = 0;
	if (len % 4)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 4) {
		const bool last = i + 4 == len;
		unsigned int padding =
			last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
		uint32_t group = 0;

		for (unsigned int k = 0; k < 4; k++) {
			int value = k < 4 - padding ? value_of(text[i + k]) : 0;

			if (value < 0)
				return value;
			group = group << 6 | (uint32_t)value;
		}
		/* Bits behind the last byte mean nothing, and so are zero. */
		if (group & ((1u << (8 * padding)) - 1))
			return -EINVAL;
		for (unsigned int k = 0; k < 3 - padding; k++)
			out[(*ret_len)++] = (uint8_t)(group >> (16 - 8 * k));
	}
	return 0;
}
