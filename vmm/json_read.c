// SPDX-License-Identifier: Apache-2.0
// Reading JSON from clients.
#include "vmm/json_read.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <string.h>
#include <strings.h>

/* As much of a client's value as a message shows. */
#define SHOWN_MAX 60

/* Is the nesting within bounds? What isn't JSON at all is left to the parser. */
static bool depth_is_bounded(const char *text, size_t len)
{
	unsigned int depth = 0;
	bool string = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				string = false;
		} else if (c == '"') {
			string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return false;
		} else if ((c == '}' || c == ']') && depth) {
			depth--;
		}
	}
	return true;
}

json_t *json_parse(const char *text, size_t len, struct err *err)
{
	json_error_t error;
	json_t *root;

	if (!depth_is_bounded(text, len)) {
		err_set(err, -EINVAL, "JSON: more than %d levels within each other",
			JSON_DEPTH_MAX);
		return NULL;
	}
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		err_set(err,
			json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EINVAL,
			"JSON: line %d: %s", error.line, error.text);
	return root;
}

static int bad_value(const char *what, const struct json_field *field, const json_t *value,
	const char *expected, struct err *err)
{
	char CLEANUP_FREE *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	bool cut = shown && strlen(shown) > SHOWN_MAX;

	return err_set(err, -EINVAL, "%s: field '%s': %.*s%s is not %s", what, field->name,
		SHOWN_MAX, shown ? shown : "?", cut ? "..." : "", expected);
}

static int bad_number(
	const char *what, const struct json_field *field, const json_t *value, struct err *err)
{
	char expected[80];

	snprintf(expected, sizeof(expected), "a whole number from %llu to %llu",
		(unsigned long long)field->min, (unsigned long long)field->max);
	return bad_value(what, field, value, expected, err);
}

static int find_word(const struct json_field *field, const json_t *value)
{
	const char *text = json_string_value(value);

	for (int i = 0; text && field->words[i]; i++)
		if (!(field->any_case ? strcasecmp : strcmp)(text, field->words[i]))
			return i;
	return -1;
}

static int bad_word(
	const char *what, const struct json_field *field, const json_t *value, struct err *err)
{
	char expected[160] = "one of";
	size_t len = strlen(expected);

	for (int i = 0; field->words[i] && len < sizeof(expected); i++)
		len += (size_t)snprintf(expected + len, sizeof(expected) - len, "%s %s",
			i ? "," : "", field->words[i]);
	return bad_value(what, field, value, expected, err);
}

static int check_field(
	const char *what, const struct json_field *field, const json_t *value, struct err *err)
{
	json_int_t number;

	if (!value || json_is_null(value)) {
		if (field->required)
			return err_set(
				err, -EINVAL, "%s: field '%s' is missing", what, field->name);
		return 0;
	}
	switch (field->type) {
	case JSON_READ_STRING:
		return json_is_string(value) ? 0 : bad_value(what, field, value, "a string", err);
	case JSON_READ_BOOL:
		return json_is_boolean(value) ? 0
					      : bad_value(what, field, value, "true or false", err);
	case JSON_READ_UINT:
		number = json_integer_value(value);
		if (!json_is_integer(value) || number < 0 || (uint64_t)number < field->min ||
			(uint64_t)number > field->max)
			return bad_number(what, field, value, err);
		return 0;
	case JSON_READ_WORD:
		return find_word(field, value) >= 0 ? 0 : bad_word(what, field, value, err);
	case JSON_READ_OBJECT:
		return json_is_object(value) ? 0 : bad_value(what, field, value, "an object", err);
	case JSON_READ_ARRAY:
		return json_is_array(value) ? 0 : bad_value(what, field, value, "an array", err);
	case JSON_READ_ANY:
		break;
	}
	return 0;
}

static void take_field(const struct json_field *field, const json_t *value)
{
	bool given = value && !json_is_null(value);

	if (field->ret_given)
		*field->ret_given = given;
	if (!given)
		return;
	switch (field->type) {
	case JSON_READ_STRING:
		*(const char **)field->ret = json_string_value(value);
		break;
	case JSON_READ_BOOL:
		*(bool *)field->ret = json_is_true(value);
		break;
	case JSON_READ_UINT:
		*(uint64_t *)field->ret = (uint64_t)json_integer_value(value);
		break;
	case JSON_READ_WORD:
		*(int *)field->ret = find_word(field, value);
		break;
	case JSON_READ_OBJECT:
	case JSON_READ_ARRAY:
	case JSON_READ_ANY:
		*(const json_t **)field->ret = value;
		break;
	}
}

int json_read_lenient(const char *what, const json_t *json, const struct json_field *fields,
	size_t count, struct err *err)
{
	int r = 0;

	if (!json_is_object(json))
		return err_set(err, -EINVAL, "%s: not a JSON object", what);
	for (size_t i = 0; i < count && !r; i++)
		r = check_field(what, &fields[i], json_object_get(json, fields[i].name), err);
	for (size_t i = 0; i < count && !r; i++)
		take_field(&fields[i], json_object_get(json, fields[i].name));
	return r;
}

static bool is_known(const char *name, const struct json_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(name, fields[i].name))
			return true;
	return false;
}

int json_read(const char *what, const json_t *json, const struct json_field *fields, size_t count,
	struct err *err)
{
	const json_t *at = json;
	void *iter;

	/* Iterating changes nothing, though the library's functions can't say so. */
	for (iter = json_object_iter((json_t *)(uintptr_t)at); iter;
		iter = json_object_iter_next((json_t *)(uintptr_t)at, iter)) {
		const char *name = json_object_iter_key(iter);

		if (!is_known(name, fields, count))
			return err_set(
				err, -EINVAL, "%s: unknown field '%.*s'", what, SHOWN_MAX, name);
	}
	return json_read_lenient(what, json, fields, count, err);
}
