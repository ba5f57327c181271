// SPDX-License-Identifier: Apache-2.0
// Tests of base/base64.h
#include "base/base64.h"

#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

/* RFC 4648 section 10, and the ends of the alphabet. */
START_TEST(known_texts)
{
	static const struct {
		const char *bytes;
		const char *text;
	} rows[] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
		{"\xff\xef\xbe\x03", "/+++Aw=="},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].bytes), got = 99;
		char text[BASE64_SIZE(8)], bytes[16];

		base64_encode(rows[i].bytes, len, text);
		ck_assert_str_eq(text, rows[i].text);
		ck_assert_uint_eq(strlen(text) + 1, BASE64_SIZE(len));
		ck_assert_int_eq(base64_decode(text, bytes, &got), 0);
		ck_assert_uint_eq(got, len);
		ck_assert_mem_eq(bytes, rows[i].bytes, len);
		/* In place. */
		ck_assert_int_eq(base64_decode(text, text, &got), 0);
		ck_assert_mem_eq(text, rows[i].bytes, len);
	}
}
END_TEST

START_TEST(texts_that_are_none)
{
	static const char *const texts[] = {"Z", "Zg", "Zg=", "Zg=x",
		"Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm-_", "Zh==", "Zm9=", " Zg=", "Zg==="};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char bytes[16];
		size_t len;

		ck_assert_msg(base64_decode(texts[i], bytes, &len) == -EINVAL, "'%s'", texts[i]);
	}
}
END_TEST

SUITE("base64", known_texts, texts_that_are_none)
