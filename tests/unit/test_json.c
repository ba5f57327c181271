// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/json_read.h and base/json_write.h.
#include "base/json_write.h"
#include "vmm/json_read.h"

#include "base/buf.h"
#include "base/err.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

static const char *const words[] = {"One", "Two", NULL};

struct values {
	const char *text;
	bool flag;
	uint64_t number;
	int word;
	const json_t *object, *array;
	bool has_number;
};

static int read_text(
	const char *text, bool lenient, struct values *values, json_t **ret_root, struct err *err)
{
	const struct json_field fields[] = {
		{.name = "text", .type = JSON_READ_STRING, .ret = &values->text, .required = true},
		JSON_BOOL("flag", &values->flag),
		{.name = "number",
			.type = JSON_READ_UINT,
			.ret = &values->number,
			.ret_given = &values->has_number,
			.min = 3,
			.max = 300},
		{.name = "word",
			.type = JSON_READ_WORD,
			.ret = &values->word,
			.words = words,
			.any_case = true},
		JSON_OBJECT_FIELD("object", &values->object),
		JSON_ARRAY_FIELD("array", &values->array),
	};
	size_t count = sizeof(fields) / sizeof(fields[0]);

	*ret_root = json_parse(text, strlen(text), err);
	if (!*ret_root)
		return err->code;
	return (lenient ? json_read_lenient : json_read)("thing", *ret_root, fields, count, err);
}

START_TEST(every_kind_of_field)
{
	struct values values = {.number = 7};
	struct err err;
	json_t *root;

	ck_assert_int_eq(read_text("{\"text\":\"x\",\"flag\":true,\"number\":300,\"word\":\"TWO\","
				   "\"object\":{},\"array\":[1]}",
				 false, &values, &root, &err),
		0);
	ck_assert_str_eq(values.text, "x");
	ck_assert(values.flag);
	ck_assert_uint_eq(values.number, 300);
	ck_assert(values.has_number);
	ck_assert_int_eq(values.word, 1);
	ck_assert_ptr_nonnull(values.object);
	ck_assert_uint_eq(json_array_size(values.array), 1);
	json_decref(root);
}
END_TEST

START_TEST(absent_and_null_leave_defaults)
{
	struct values values = {.number = 7, .flag = true};
	struct err err;
	json_t *root;

	ck_assert_int_eq(read_text("{\"text\":\"x\",\"number\":null,\"flag\":null}", false, &values,
				 &root, &err),
		0);
	ck_assert_uint_eq(values.number, 7);
	ck_assert(values.flag);
	ck_assert(!values.has_number);
	json_decref(root);
}
END_TEST

static const struct {
	const char *text;
	const char *message; /* part of it */
} bad[] = {
	{"", "JSON"},
	{"{", "JSON"},
	{"{}x", "JSON"},
	{"{\"text\":\"x\",\"text\":\"y\"}", "duplicate"},
	{"{\"text\":\"\\u0000\"}", "JSON"},
	{"{\"text\":\"\xff\"}", "unable to decode"},
	{"{\"text\":\"x\",\"number\":9223372036854775808}", "too big"},
	{"[]", "thing: not a JSON object"},
	{"{}", "field 'text' is missing"},
	{"{\"text\":null}", "field 'text' is missing"},
	{"{\"text\":1}", "field 'text': 1 is not a string"},
	{"{\"text\":\"x\",\"flag\":0}", "field 'flag': 0 is not true or false"},
	{"{\"text\":\"x\",\"number\":2}", "2 is not a whole number from 3 to 300"},
	{"{\"text\":\"x\",\"number\":301}", "301 is not"},
	{"{\"text\":\"x\",\"number\":-1}", "-1 is not"},
	{"{\"text\":\"x\",\"number\":3.0}", "3.0 is not"},
	{"{\"text\":\"x\",\"number\":\"3\"}", "\"3\" is not"},
	{"{\"text\":\"x\",\"number\":9223372036854775807}", "9223372036854775807 is not"},
	{"{\"text\":\"x\",\"word\":\"three\"}", "\"three\" is not one of One, Two"},
	{"{\"text\":\"x\",\"word\":2}", "2 is not one of"},
	{"{\"text\":\"x\",\"object\":[]}", "[] is not an object"},
	{"{\"text\":\"x\",\"array\":{}}", "{} is not an array"},
	{"{\"text\":\"x\",\"other\":1}", "unknown field 'other'"},
	{"{\"text\":\"x\",\"word\":"
	 "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
		"aaa... is not"},
};

START_TEST(mistakes_are_named)
{
	struct values values = {.number = 7};
	struct err err = {0};
	json_t *root;

	ck_assert_int_eq(read_text(bad[_i].text, false, &values, &root, &err), -EINVAL);
	ck_assert_msg(strstr(err.msg, bad[_i].message), "'%s' gave: %s", bad[_i].text, err.msg);
	/* Nothing was taken. */
	ck_assert_uint_eq(values.number, 7);
	ck_assert_ptr_null(values.text);
	json_decref(root);
}
END_TEST

START_TEST(lenient_passes_the_unknown)
{
	struct values values = {0};
	struct err err;
	json_t *root;

	ck_assert_int_eq(read_text("{\"text\":\"x\",\"other\":1}", true, &values, &root, &err), 0);
	json_decref(root);
}
END_TEST

START_TEST(depth_is_limited)
{
	char text[2 * JSON_DEPTH_MAX + 8] = "";
	struct err err;
	json_t *root;

	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	root = json_parse(text, strlen(text), &err);
	ck_assert_ptr_nonnull(root);
	json_decref(root);
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	ck_assert_ptr_null(json_parse(text, strlen(text), &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "levels"));
	/* Brackets in strings are none. */
	strcpy(text, "[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"]");
	root = json_parse(text, strlen(text), &err);
	ck_assert_ptr_nonnull(root);
	json_decref(root);
}
END_TEST

START_TEST(writing)
{
	struct buf buf = BUF_INIT(4096);
	struct json_out out = {.buf = &buf};
	static const char expected[] =
		"{\"a\":\"x\\\"\\\\\\n\\u0001\\u007f\xc3\xa4?\",\"b\":[1,true,null,[]],\"c\":{},"
		"\"d\":null}";

	json_begin(&out, NULL, '{');
	json_put_string(&out, "a", "x\"\\\n\001\177\xc3\xa4\xff");
	json_begin(&out, "b", '[');
	json_put_uint(&out, NULL, 1);
	json_put_bool(&out, NULL, true);
	json_put_null(&out, NULL);
	json_begin(&out, NULL, '[');
	json_end(&out, ']');
	json_end(&out, ']');
	json_begin(&out, "c", '{');
	json_end(&out, '}');
	json_put_string(&out, "d", NULL);
	json_end(&out, '}');
	ck_assert_int_eq(out.error, 0);
	ck_assert_uint_eq(buf.len, strlen(expected));
	ck_assert_mem_eq(buf.data, expected, buf.len);
	buf_fini(&buf);
}
END_TEST

/* What isn't UTF-8 must not come out, whatever it looks like: cut, too long, too large, a half. */
START_TEST(writing_bad_utf8)
{
	static const char *const texts[] = {"\xc3", "\xc0\x80", "\xe0\x80\x80", "\xf5\x80\x80\x80",
		"\xed\xa0\x80", "\x80", "\xf0\x9f\x98", "\xe2\x82x"};
	struct err err;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf buf = BUF_INIT(4096);
		struct json_out out = {.buf = &buf};
		json_t *root;

		json_begin(&out, NULL, '[');
		json_put_string(&out, NULL, texts[i]);
		json_end(&out, ']');
		root = json_parse((const char *)buf.data, buf.len, &err);
		ck_assert_msg(root, "text %zu: %s", i, err.msg);
		json_decref(root);
		buf_fini(&buf);
	}
}
END_TEST

SUITE_CASES("json", NULL, NULL, {every_kind_of_field}, {absent_and_null_leave_defaults},
	{mistakes_are_named, sizeof(bad) / sizeof(bad[0])}, {lenient_passes_the_unknown},
	{depth_is_limited}, {writing}, {writing_bad_utf8})
