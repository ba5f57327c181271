// SPDX-License-Identifier: Apache-2.0
// Strict access to JSON documents.
#include "image/json.h"

#include "base/err.h"

#include <errno.h>

int json_doc_parse(
	const char *name, const void *data, size_t n, struct json_doc *ret_doc, struct err *err)
{
	json_error_t error;
	json_t *root;

	if (n > JSON_SIZE_MAX)
		return err_set(err, -EBADMSG, "%s: larger than %d bytes", name, JSON_SIZE_MAX);
	root = json_loadb(data, n, JSON_REJECT_DUPLICATES, &error);
	if (!root) {
		if (json_error_code(&error) == json_error_out_of_memory)
			return err_set(err, -ENOMEM, "%s: out of memory", name);
		return err_set(err, -EBADMSG, "%s: line %d: %s", name, error.line, error.text);
	}
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, -EBADMSG, "%s: not a JSON object", name);
	}
	*ret_doc = (struct json_doc){.name = name, .root = root};
	return 0;
}

void json_doc_fini(struct json_doc *doc)
{
	json_decref(doc->root);
	doc->root = NULL;
}

static int json_get(const struct json_doc *doc, const json_t *obj, const char *key, json_type type,
	json_t **ret, struct err *err)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object",
		[JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",
		[JSON_INTEGER] = "a whole number",
	};
	json_t *value = json_object_get(obj, key);

	*ret = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (json_typeof(value) != type)
		return err_set(
			err, -EBADMSG, "%s: field %s is not %s", doc->name, key, names[type]);
	*ret = value;
	return 0;
}

int json_get_string(const struct json_doc *doc, const json_t *obj, const char *key,
	const char **ret_text, struct err *err)
{
	json_t *value;
	int r = json_get(doc, obj, key, JSON_STRING, &value, err);

	*ret_text = json_string_value(value);
	return r;
}

int json_get_object(const struct json_doc *doc, const json_t *obj, const char *key, json_t **ret,
	struct err *err)
{
	return json_get(doc, obj, key, JSON_OBJECT, ret, err);
}

int json_get_array(const struct json_doc *doc, const json_t *obj, const char *key, json_t **ret,
	struct err *err)
{
	return json_get(doc, obj, key, JSON_ARRAY, ret, err);
}

int json_get_uint(const struct json_doc *doc, const json_t *obj, const char *key, uint64_t *ret,
	struct err *err)
{
	json_t *value;
	int r = json_get(doc, obj, key, JSON_INTEGER, &value, err);

	*ret = 0;
	if (r || !value)
		return r;
	if (json_integer_value(value) < 0)
		return err_set(err, -EBADMSG, "%s: field %s is negative", doc->name, key);
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

bool json_is_printable(const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			return false;
	}
	return true;
}
