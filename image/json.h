// SPDX-License-Identifier: Apache-2.0
// Strict access to JSON documents from strangers: each error names the document and the field.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* The largest JSON document that is read: the limit registries have for manifests. */
#define JSON_SIZE_MAX (4 * 1024 * 1024)

/* json_t CLEANUP_JSON *root = NULL; its reference is dropped at the end of the scope. */
static inline void cleanup_json(json_t **json)
{
	json_decref(*json);
}
#define CLEANUP_JSON __attribute__((cleanup(cleanup_json)))

/*
 * struct json_doc - a parsed document and how to call it in messages
 * @name:	for example "index.json" or "manifest sha256:..."; not owned
 * @root:	an object; a reference is owned
 */
struct json_doc {
	const char *name;
	json_t *root;
};

/*
 * json_doc_parse() - parse @n bytes, which must be one object without duplicate keys
 * @name:	kept by pointer in *ret_doc
 *
 * Nesting is bounded by the JSON library (2048 levels), strings can't contain NUL.
 *
 * Return: 0, -EBADMSG or -ENOMEM. json_doc_fini() frees; it is harmless on a zeroed struct.
 */
int json_doc_parse(
	const char *name, const void *data, size_t n, struct json_doc *ret_doc, struct err *err);
void json_doc_fini(struct json_doc *doc);

/*
 * The getters: @obj is an object of @doc, @key one of its fields. A field that is absent or null
 * gives 0 and NULL (or 0); one of another type gives -EBADMSG. What is returned lives as long as
 * the document.
 */
int json_get_string(const struct json_doc *doc, const json_t *obj, const char *key,
	const char **ret_text, struct err *err);
int json_get_object(const struct json_doc *doc, const json_t *obj, const char *key, json_t **ret,
	struct err *err);
int json_get_array(const struct json_doc *doc, const json_t *obj, const char *key, json_t **ret,
	struct err *err);
/* Not negative. */
int json_get_uint(const struct json_doc *doc, const json_t *obj, const char *key, uint64_t *ret,
	struct err *err);

/* json_is_printable() - has @text no control characters (below 0x20, and 0x7f)? */
bool json_is_printable(const char *text);
