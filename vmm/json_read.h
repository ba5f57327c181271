// SPDX-License-Identifier: Apache-2.0
// Reading JSON from clients: each object by a table of its fields, each error naming field and
// value.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* Objects and arrays within each other. What the API knows has 4 levels. */
#define JSON_DEPTH_MAX 32

/* json_t CLEANUP_JSON *root = NULL; its reference is dropped at the end of the scope. */
static inline void cleanup_json(json_t **json)
{
	json_decref(*json);
}
#define CLEANUP_JSON __attribute__((cleanup(cleanup_json)))

/*
 * json_parse() - parse a document
 * @text, @len:	untrusted; not NUL-terminated
 *
 * Refused are duplicate keys, invalid UTF-8, NUL in strings, numbers beyond 64 bits (signed),
 * anything behind the document, and nesting deeper than JSON_DEPTH_MAX.
 *
 * Return: the document, or NULL with @err set.
 */
json_t *json_parse(const char *text, size_t len, struct err *err);

enum json_read_type {
	JSON_READ_STRING, /* const char *: lives as long as the document */
	JSON_READ_BOOL,   /* bool */
	JSON_READ_UINT,   /* uint64_t, from min to max */
	JSON_READ_WORD,   /* int: index of one of words */
	JSON_READ_OBJECT, /* const json_t *: borrowed from the document */
	JSON_READ_ARRAY,  /* const json_t *: likewise */
	JSON_READ_ANY,    /* const json_t *: likewise */
};

/*
 * struct json_field - one field that an object may have
 * @ret:	what @type says; untouched if the field is absent or null
 * @ret_given:	set to whether it is there and not null; or NULL
 * @required:	an absent or null field is an error
 * @words:	ends in NULL
 * @any_case:	the word may be written in capitals or not
 */
struct json_field {
	const char *name;
	enum json_read_type type;
	void *ret;
	bool *ret_given;
	bool required;
	bool any_case;
	uint64_t min, max;
	const char *const *words;
};

/* The rows of such a table. */
#define JSON_STRING(field, pointer)                                                                \
	{                                                                                          \
		.name = (field), .type = JSON_READ_STRING, .ret = (pointer)                        \
	}
#define JSON_BOOL(field, pointer)                                                                  \
	{                                                                                          \
		.name = (field), .type = JSON_READ_BOOL, .ret = (pointer)                          \
	}
#define JSON_UINT(field, pointer, least, most)                                                     \
	{                                                                                          \
		.name = (field), .type = JSON_READ_UINT, .ret = (pointer), .min = (least),         \
		.max = (most)                                                                      \
	}
#define JSON_WORD(field, pointer, list)                                                            \
	{                                                                                          \
		.name = (field), .type = JSON_READ_WORD, .ret = (pointer), .words = (list)         \
	}
#define JSON_OBJECT_FIELD(field, pointer)                                                          \
	{                                                                                          \
		.name = (field), .type = JSON_READ_OBJECT, .ret = (pointer)                        \
	}
#define JSON_ARRAY_FIELD(field, pointer)                                                           \
	{                                                                                          \
		.name = (field), .type = JSON_READ_ARRAY, .ret = (pointer)                         \
	}

/*
 * json_read() - take an object's fields
 * @what:	names the object in messages: "drive"
 * @json:	untrusted; something else than an object is an error
 * @fields:	@count rows; a field of another name is an error
 *
 * Nothing is written unless all is right.
 *
 * Return: 0 or -EINVAL with @err set.
 */
int json_read(const char *what, const json_t *json, const struct json_field *fields, size_t count,
	struct err *err);

/* json_read_lenient() - json_read(), but other fields are passed over. */
int json_read_lenient(const char *what, const json_t *json, const struct json_field *fields,
	size_t count, struct err *err);
