// SPDX-License-Identifier: Apache-2.0
// Writing JSON for clients.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct buf;

/*
 * struct json_out - a document being written
 * @buf:	not owned
 * @error:	0, or what first went wrong (-ENOMEM, -EMSGSIZE); then the rest is left out
 * @comma:	something precedes on this level
 *
 * Members of an object are given with a @key, elements of an array, and the document itself, with
 * NULL. Keys are literals that need no escaping; strings may be anything: what isn't UTF-8 becomes
 * '?'.
 */
struct json_out {
	struct buf *buf;
	int error;
	bool comma;
};

void json_begin(struct json_out *out, const char *key, char bracket);
void json_end(struct json_out *out, char bracket);
/* @text: or NULL, written as null */
void json_put_string(struct json_out *out, const char *key, const char *text);
void json_put_uint(struct json_out *out, const char *key, uint64_t value);
void json_put_bool(struct json_out *out, const char *key, bool value);
void json_put_null(struct json_out *out, const char *key);
/* json_put_bytes() - @text, or where it isn't UTF-8, an object that holds it in base64. */
void json_put_bytes(struct json_out *out, const char *key, const char *text);
/* json_put_json() - @text is a document, as it is to be written. */
void json_put_json(struct json_out *out, const char *key, const char *text);

/* json_is_text() - is @text UTF-8? */
bool json_is_text(const char *text);
