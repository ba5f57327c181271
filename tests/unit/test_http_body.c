// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/http_body.h: bodies whole, byte by byte, and with one fault each.
#include "vmm/http_body.h"

#include "base/err.h"
#include "tests/lib/suite.h"
#include "vmm/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static char content[40000];
static size_t content_len, used;
static struct err err;

/* Take a body in pieces of @piece bytes. Return: 1 when it is done, 0 if more is due, or -errno. */
static int take(const struct http_request *request, const char *text, size_t len, size_t piece)
{
	struct http_body body;
	struct http_piece ret;

	http_body_init(&body, request);
	content_len = used = 0;
	while (used < len && !http_body_is_done(&body)) {
		size_t n = len - used < piece ? len - used : piece, at = 0;

		while (at < n && !http_body_is_done(&body)) {
			int r = http_body_next(
				&body, (const uint8_t *)text + used + at, n - at, &ret, &err);

			if (r < 0)
				return r;
			ck_assert_uint_gt(ret.used, 0);
			ck_assert_uint_le(ret.used, n - at);
			ck_assert_uint_le(ret.len, ret.used);
			if (ret.len)
				memcpy(content + content_len, ret.data, ret.len);
			content_len += ret.len;
			at += ret.used;
		}
		used += at;
	}
	return http_body_is_done(&body);
}

static const struct http_request chunks = {.streamed = true, .chunked = true};

static const struct {
	const char *text, *content;
} good[] = {
	{"0\r\n\r\n", ""},
	{"5\r\nhello\r\n0\r\n\r\n", "hello"},
	{"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
	{"a\r\n0123456789\r\nB\r\n0123456789x\r\n00\r\n\r\n", "01234567890123456789x"},
	{"0000000000000001\r\nx\r\n0\r\n\r\n", "x"},
	{"4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"},
	{"1;name\r\nx\r\n0;name=\"a value\"\r\n\r\n", "x"},
	{"1 \t;n\r\nx\r\n0\r\n\r\n", "x"},
	{"1\r\nx\r\n0\r\nName: value\r\nOther: \xc3\xa4\r\n\r\n", "x"},
};

START_TEST(chunks_are_put_together)
{
	size_t len = strlen(good[_i].text);
	char more[128];

	snprintf(more, sizeof(more), "%sGET /", good[_i].text);
	for (size_t piece = 1; piece < sizeof(more); piece++) {
		ck_assert_int_eq(take(&chunks, more, strlen(more), piece), 1);
		ck_assert_uint_eq(content_len, strlen(good[_i].content));
		ck_assert_mem_eq(content, good[_i].content, content_len);
		/* What follows is not the body's. */
		ck_assert_uint_eq(used, len);
	}
	for (size_t less = 0; less < len; less++)
		ck_assert_int_eq(take(&chunks, more, less, less ? less : 1), 0);
}
END_TEST

static const struct {
	const char *text, *message;
} bad[] = {
	{"\r\n", "no size"},
	{";x\r\n", "no size"},
	{" 1\r\nx\r\n", "no size"},
	{"-1\r\nx\r\n", "no size"},
	{"g\r\n", "no size"},
	{"1g\r\nx\r\n", "hexadecimal"},
	{"0x1\r\nx\r\n", "hexadecimal"},
	{"1 x\r\n", "hexadecimal"},
	{"1 \r\n", "hexadecimal"},
	{"1_0\r\n", "hexadecimal"},
	{"00000000000000001\r\nx\r\n", "too long"},
	{"10000000000000000\r\n", "too long"},
	{"1\nx\r\n", "hexadecimal"},
	{"1\rx\r\n", "CR LF"},
	{"1;x\nx\r\n", "invalid character"},
	{"1;\001\r\n", "invalid character"},
	{"1;\177\r\n", "invalid character"},
	{"1;x\ry", "CR LF"},
	{"1\r\nxy\r\n", "CR LF"},
	{"1\r\nx\n", "CR LF"},
	{"1\r\nx\rx", "CR LF"},
	{"0\r\n\rx", "CR LF"},
	{"0\r\n\n", "invalid character"},
	{"0\r\n folded\r\n", "folded"},
	{"0\r\nName: x\ny", "invalid character"},
	{"0\r\nName: x\ry", "CR LF"},
};

START_TEST(faults_are_named)
{
	size_t len = strlen(bad[_i].text);

	for (size_t piece = 1; piece <= len; piece++) {
		ck_assert_int_eq(take(&chunks, bad[_i].text, len, piece), -EBADMSG);
		ck_assert_msg(
			strstr(err.msg, bad[_i].message), "'%s' gave: %s", bad[_i].text, err.msg);
	}
}
END_TEST

/* All extensions and trailer fields together are bounded; to the byte. */
START_TEST(what_is_passed_over_is_bounded)
{
	static char text[HTTP_BODY_EXTRA_MAX + 64];
	const size_t most = HTTP_BODY_EXTRA_MAX - 1;
	const size_t len = strlen("1;");

	memcpy(text, "1;", len);
	memset(text + len, 'x', most);
	strcpy(text + len + most, "\r\nx\r\n0\r\n\r\n");
	ck_assert_int_eq(take(&chunks, text, strlen(text), 100), 1);
	strcpy(text + len + most, "\r\nx\r\n0\r\nT\r\n\r\n");
	ck_assert_int_eq(take(&chunks, text, strlen(text), 100), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "too long"));
	strcpy(text + len + most, "x\r\nx\r\n0\r\n\r\n");
	ck_assert_int_eq(take(&chunks, text, strlen(text), 100), -EBADMSG);
}
END_TEST

START_TEST(the_largest_chunk)
{
	struct http_body body;
	struct http_piece piece;

	http_body_init(&body, &chunks);
	ck_assert_int_eq(
		http_body_next(&body, (const uint8_t *)"ffffffffffffffff\r\nabc", 21, &piece, &err),
		0);
	ck_assert_uint_eq(piece.used, 21);
	ck_assert_uint_eq(piece.len, 3);
	ck_assert_uint_eq(body.left, UINT64_MAX - 3);
	ck_assert(!http_body_is_done(&body));
}
END_TEST

START_TEST(a_length)
{
	struct http_request request = {.streamed = true, .body_len = 5};

	for (size_t piece = 1; piece < 12; piece++) {
		ck_assert_int_eq(take(&request, "hello world", 11, piece), 1);
		ck_assert_uint_eq(used, 5);
		ck_assert_mem_eq(content, "hello", 5);
		ck_assert_int_eq(take(&request, "hell", 4, piece), 0);
	}
	request.body_len = 0;
	ck_assert_int_eq(take(&request, "x", 1, 1), 1);
	ck_assert_uint_eq(used, 0);
}
END_TEST

SUITE_CASES("http_body", NULL, NULL, {chunks_are_put_together, sizeof(good) / sizeof(good[0])},
	{faults_are_named, sizeof(bad) / sizeof(bad[0])}, {what_is_passed_over_is_bounded},
	{the_largest_chunk}, {a_length})
