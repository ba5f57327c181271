// SPDX-License-Identifier: Apache-2.0
// Writing JSON for clients.
#include "base/json_write.h"

#include "base/base64.h"
#include "base/buf.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static void add(struct json_out *out, const char *text, size_t len)
{
	if (!out->error)
		out->error = buf_add(out->buf, text, len);
}

/* What precedes any value: a comma, and the name of a member. */
static void begin_value(struct json_out *out, const char *key)
{
	if (out->comma)
		add(out, ",", 1);
	out->comma = true;
	if (key) {
		add(out, "\"", 1);
		add(out, key, strlen(key));
		add(out, "\":", 2);
	}
}

void json_begin(struct json_out *out, const char *key, char bracket)
{
	begin_value(out, key);
	add(out, &bracket, 1);
	out->comma = false;
}

void json_end(struct json_out *out, char bracket)
{
	add(out, &bracket, 1);
	out->comma = true;
}

/* Return: the length of the UTF-8 character at @text, 0 if there is none. Spec: RFC 3629 */
static size_t utf8_len(const unsigned char *text)
{
	size_t len = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	uint32_t code = text[0] & (0x7fu >> len);
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		/* The end of the string is no such byte, either. */
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return len;
}

static void put_text(struct json_out *out, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *at = (const unsigned char *)text;

	add(out, "\"", 1);
	while (*at) {
		size_t len = 1;

		if (*at == '"' || *at == '\\') {
			char escaped[2] = {'\\', (char)*at};

			add(out, escaped, 2);
		} else if (*at == '\n') {
			add(out, "\\n", 2);
		} else if (*at < 0x20 || *at == 0x7f) {
			char escaped[6] = {'\\', 'u', '0', '0', hex[*at >> 4], hex[*at & 15]};

			add(out, escaped, sizeof(escaped));
		} else if (*at < 0x7f) {
			/* As many plain ones as there are. */
			while (at[len] >= 0x20 && at[len] < 0x7f && at[len] != '"' &&
				at[len] != '\\')
				len++;
			add(out, (const char *)at, len);
		} else {
			len = utf8_len(at);
			add(out, len ? (const char *)at : "?", len ? len : 1);
			len = len ? len : 1;
		}
		at += len;
	}
	add(out, "\"", 1);
}

void json_put_string(struct json_out *out, const char *key, const char *text)
{
	begin_value(out, key);
	if (text)
		put_text(out, text);
	else
		add(out, "null", 4);
}

bool json_is_text(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t len = *at < 0x80 ? 1 : utf8_len(at);

		if (!len)
			return false;
		at += len;
	}
	return true;
}

void json_put_bytes(struct json_out *out, const char *key, const char *text)
{
	size_t len = strlen(text);
	char *encoded;

	if (json_is_text(text)) {
		json_put_string(out, key, text);
		return;
	}
	encoded = malloc(BASE64_SIZE(len));
	if (!encoded) {
		out->error = out->error ? out->error : -ENOMEM;
		return;
	}
	base64_encode(text, len, encoded);
	json_begin(out, key, '{');
	json_put_string(out, "base64", encoded);
	json_end(out, '}');
	free(encoded);
}

void json_put_uint(struct json_out *out, const char *key, uint64_t value)
{
	begin_value(out, key);
	if (!out->error)
		out->error = buf_printf(out->buf, "%llu", (unsigned long long)value);
}

void json_put_bool(struct json_out *out, const char *key, bool value)
{
	begin_value(out, key);
	add(out, value ? "true" : "false", value ? 4 : 5);
}

void json_put_null(struct json_out *out, const char *key)
{
	begin_value(out, key);
	add(out, "null", 4);
}

void json_put_json(struct json_out *out, const char *key, const char *text)
{
	begin_value(out, key);
	add(out, text, strlen(text));
}
