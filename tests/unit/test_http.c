// SPDX-License-Identifier: Apache-2.0
// Tests of vmm/http.h: requests whole, in pieces, pipelined and broken; responses to the byte.
#include "vmm/http.h"

#include "base/err.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BODY_MAX 100
#define TEXT_MAX 20000

static char text[TEXT_MAX];

/* The bodies of PUT /stream are streamed. */
static bool streams(enum http_method method, const char *path)
{
	return method == HTTP_PUT && !strcmp(path, "/stream");
}

static int parse(
	const char *request, struct http_parser *parser, struct http_request *ret, struct err *err)
{
	size_t len = strlen(request);

	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, request, len + 1);
	*parser = (struct http_parser){.body_max = BODY_MAX, .streams = streams};
	*err = (struct err){0};
	return http_parse(parser, text, len, ret, err);
}

START_TEST(a_request_as_curl_sends_it)
{
	struct http_parser parser;
	struct http_request request;
	struct err err;

	ck_assert_int_eq(parse("PUT /actions HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\n"
			       "Accept: */*\r\nContent-Type: application/json\r\n"
			       "content-length:  2 \r\n\r\n{}",
				 &parser, &request, &err),
		HTTP_PARSE_DONE);
	ck_assert_int_eq(request.method, HTTP_PUT);
	ck_assert_str_eq(request.path, "/actions");
	ck_assert_ptr_null(request.query);
	ck_assert_uint_eq(request.body_len, 2);
	ck_assert_mem_eq(request.body, "{}", 2);
	ck_assert(request.keep_alive);
	ck_assert_uint_eq(http_parser_next(&parser), 130);
}
END_TEST

START_TEST(methods_paths_and_queries)
{
	static const struct {
		const char *line;
		enum http_method method;
		const char *path, *query;
	} good[] = {
		{"GET / HTTP/1.1", HTTP_GET, "/", NULL},
		{"PATCH /a/b%2f HTTP/1.1", HTTP_PATCH, "/a/b%2f", NULL},
		{"POST /x?y=1&z HTTP/1.1", HTTP_POST, "/x", "y=1&z"},
		{"DELETE /x? HTTP/1.1", HTTP_DELETE, "/x", ""},
		{"GET /x?a?b HTTP/1.1", HTTP_GET, "/x", "a?b"},
		{"GET http://localhost/version HTTP/1.1", HTTP_GET, "/version", NULL},
	};
	struct http_parser parser;
	struct http_request request;
	struct err err;
	char line[128];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(line, sizeof(line), "%s\r\n\r\n", good[i].line);
		ck_assert_int_eq(parse(line, &parser, &request, &err), HTTP_PARSE_DONE);
		ck_assert_int_eq(request.method, good[i].method);
		ck_assert_str_eq(request.path, good[i].path);
		if (good[i].query)
			ck_assert_str_eq(request.query, good[i].query);
		else
			ck_assert_ptr_null(request.query);
		ck_assert_uint_eq(http_parser_next(&parser), strlen(line));
	}
}
END_TEST

START_TEST(who_keeps_the_connection)
{
	static const struct {
		const char *request;
		bool keep_alive;
	} cases[] = {
		{"GET / HTTP/1.1\r\n\r\n", true},
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nconnection: x , CLOSE\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nConnection: closed\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nConnection:\r\n\r\n", true},
	};
	struct http_parser parser;
	struct http_request request;
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(parse(cases[i].request, &parser, &request, &err), HTTP_PARSE_DONE);
		ck_assert(request.keep_alive == cases[i].keep_alive);
	}
}
END_TEST

/* Two requests with bodies arrive byte by byte, each time in a buffer that has moved. */
START_TEST(split_at_every_byte)
{
	static const char both[] = "PUT /one?q HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
				   "GET /two HTTP/1.1\r\n\r\n";
	struct http_parser parser = {.body_max = BODY_MAX};
	struct http_request request;
	struct err err;
	size_t first = 0, begin = 0, begin2;
	char *moved = NULL;

	for (size_t len = 1; len < sizeof(both); len++) {
		char *next = malloc(len - begin);
		int r;

		/* What the parser wrote stays; one more byte comes. */
		if (len - 1 > begin)
			memcpy(next, moved, len - 1 - begin);
		next[len - 1 - begin] = both[len - 1];
		free(moved);
		moved = next;
		r = http_parse(&parser, moved, len - begin, &request, &err);
		if (len == strlen("PUT /one?q HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")) {
			ck_assert_int_eq(r, HTTP_PARSE_DONE);
			ck_assert_str_eq(request.path, "/one");
			ck_assert_str_eq(request.query, "q");
			ck_assert_mem_eq(request.body, "abc", 3);
			first = http_parser_next(&parser);
			ck_assert_uint_eq(first, len);
			begin = first;
			free(moved);
			moved = NULL;
		} else if (len == sizeof(both) - 1) {
			ck_assert_int_eq(r, HTTP_PARSE_DONE);
			ck_assert_str_eq(request.path, "/two");
			begin2 = http_parser_next(&parser);
			ck_assert_uint_eq(begin + begin2, len);
		} else {
			ck_assert_int_eq(r, HTTP_PARSE_MORE);
		}
	}
	free(moved);
}
END_TEST

START_TEST(all_at_once_and_pipelined)
{
	struct http_parser parser;
	struct http_request request;
	struct err err;
	size_t used;

	ck_assert_int_eq(parse("GET /one HTTP/1.1\r\n\r\nGET /two HTTP/1.1\r\n\r\n", &parser,
				 &request, &err),
		HTTP_PARSE_DONE);
	ck_assert_str_eq(request.path, "/one");
	used = http_parser_next(&parser);
	ck_assert_int_eq(http_parse(&parser, text + used, used, &request, &err), HTTP_PARSE_DONE);
	ck_assert_str_eq(request.path, "/two");
}
END_TEST

START_TEST(continue_is_asked_for_once)
{
	static const char head[] =
		"PUT / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n";
	struct http_parser parser;
	struct http_request request;
	struct err err;
	size_t len = strlen(head);

	ck_assert_int_eq(parse(head, &parser, &request, &err), HTTP_PARSE_CONTINUE);
	ck_assert_int_eq(http_parse(&parser, text, len, &request, &err), HTTP_PARSE_MORE);
	memcpy(text + len, "xyz", 3);
	ck_assert_int_eq(http_parse(&parser, text, len + 3, &request, &err), HTTP_PARSE_DONE);
	/* The body came along: nobody waits. */
	ck_assert_int_eq(parse("PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: "
			       "3\r\n\r\nxyz",
				 &parser, &request, &err),
		HTTP_PARSE_DONE);
}
END_TEST

static const struct {
	const char *request;
	int code;
	const char *message;
} bad[] = {
	{"\r\n", -EBADMSG, "request line is empty"},
	{"GET / HTTP/1.1\n\r\n", -EBADMSG, "CR LF"},
	{"GET / HTTP/1.1\r\nA: b\n\r\n", -EBADMSG, "CR LF"},
	{"GET\r\n\r\n", -EBADMSG, "no target"},
	{"GET /\r\n\r\n", -EBADMSG, "no HTTP version"},
	{"get / HTTP/1.1\r\n\r\n", -EBADMSG, "method 'get'"},
	{"BREW / HTTP/1.1\r\n\r\n", -EBADMSG, "method 'BREW'"},
	{" GET / HTTP/1.1\r\n\r\n", -EBADMSG, "method ''"},
	{"GET / HTTP/2.0\r\n\r\n", -EBADMSG, "version"},
	{"GET / HTTP/1.1 \r\n\r\n", -EBADMSG, "version"},
	{"GET  / HTTP/1.1\r\n\r\n", -EBADMSG, "version"},
	{"GET * HTTP/1.1\r\n\r\n", -EBADMSG, "not a path"},
	{"GET x/y HTTP/1.1\r\n\r\n", -EBADMSG, "not a path"},
	{"GET http:// HTTP/1.1\r\n\r\n", -EBADMSG, "not a path"},
	{"GET http://x HTTP/1.1\r\n\r\n", -EBADMSG, "not a path"},
	{"GET /\t HTTP/1.1\r\n\r\n", -EBADMSG, "path of the request"},
	{"GET /\xc3\xa4 HTTP/1.1\r\n\r\n", -EBADMSG, "path of the request"},
	{"GET /#x HTTP/1.1\r\n\r\n", -EBADMSG, "path of the request"},
	{"GET /\r HTTP/1.1\r\n\r\n", -EBADMSG, "path of the request"},
	{"GET / HTTP/1.1\r\nno colon\r\n\r\n", -EBADMSG, "has no name"},
	{"GET / HTTP/1.1\r\n: x\r\n\r\n", -EBADMSG, "has no name"},
	{"GET / HTTP/1.1\r\nA : x\r\n\r\n", -EBADMSG, "name of a header"},
	{"GET / HTTP/1.1\r\nA: x\r\n folded: y\r\n\r\n", -EBADMSG, "name of a header"},
	{"GET / HTTP/1.1\r\nA: x\ry\r\n\r\n", -EBADMSG, "value of a header"},
	{"GET / HTTP/1.1\r\nA: x\001\r\n\r\n", -EBADMSG, "value of a header"},
	{"PUT / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", -EBADMSG,
		"More than one Content-Length"},
	{"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", -EBADMSG, "Invalid Content-Length"},
	{"PUT / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", -EBADMSG, "Invalid Content-Length"},
	{"PUT / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", -EBADMSG, "Invalid Content-Length"},
	{"PUT / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", -EBADMSG, "Invalid Content-Length"},
	{"PUT / HTTP/1.1\r\nContent-Length:\r\n\r\n", -EBADMSG, "Invalid Content-Length"},
	{"PUT / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n", -EBADMSG,
		"Invalid Content-Length"},
	{"PUT / HTTP/1.1\r\nContent-Length: 999999999999999999\r\n\r\n", -EMSGSIZE,
		"999999999999999999 bytes"},
	{"PUT / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", -EMSGSIZE, "limit of 100"},
	{"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", -EBADMSG,
		"Transfer-Encoding"},
	{"PUT / HTTP/1.1\r\nExpect: gold\r\n\r\n", -EBADMSG, "Expect"},
	{"POST /stream HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", -EBADMSG,
		"not supported here"},
	{"PUT /stream HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", -EBADMSG,
		"Unsupported Transfer-Encoding"},
	{"PUT /stream HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
	 "chunked\r\n\r\n",
		-EBADMSG, "Unsupported Transfer-Encoding"},
	{"PUT /stream HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
		-EBADMSG, "Both"},
	{"PUT /stream HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		-EBADMSG, "Both"},
	{"PUT /stream HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", -EBADMSG, "needs HTTP/1.1"},
};

START_TEST(broken_requests_are_named)
{
	struct http_parser parser;
	struct http_request request;
	struct err err;

	ck_assert_int_eq(parse(bad[_i].request, &parser, &request, &err), bad[_i].code);
	ck_assert_msg(strstr(err.msg, bad[_i].message), "'%s' gave: %s", bad[_i].request, err.msg);
}
END_TEST

START_TEST(a_zero_byte)
{
	static const char request[] = "GET /\0x HTTP/1.1\r\n\r\n";
	struct http_parser parser = {.body_max = BODY_MAX};
	struct http_request ret;
	struct err err;

	memcpy(text, request, sizeof(request));
	ck_assert_int_eq(http_parse(&parser, text, sizeof(request) - 1, &ret, &err), -EBADMSG);
}
END_TEST

START_TEST(the_longest_head)
{
	static const char begin[] = "GET / HTTP/1.1\r\nA: ";
	struct http_parser parser;
	struct http_request request;
	struct err err;
	char head[HTTP_HEAD_MAX + 16];

	memset(head, 'x', sizeof(head));
	memcpy(head, begin, strlen(begin));
	strcpy(head + HTTP_HEAD_MAX - 4, "\r\n\r\n");
	ck_assert_int_eq(parse(head, &parser, &request, &err), HTTP_PARSE_DONE);
	head[HTTP_HEAD_MAX - 4] = 'x';
	strcpy(head + HTTP_HEAD_MAX - 3, "\r\n\r\n");
	ck_assert_int_eq(parse(head, &parser, &request, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "longer than 8192"));
	/* No line feed at all. */
	memset(head, 'x', sizeof(head));
	head[HTTP_HEAD_MAX] = '\0';
	ck_assert_int_eq(parse(head, &parser, &request, &err), -EBADMSG);
}
END_TEST

START_TEST(the_most_headers)
{
	struct http_parser parser;
	struct http_request request;
	struct err err;
	char head[2048] = "GET / HTTP/1.1\r\n";
	size_t len = strlen(head);

	for (int i = 0; i < HTTP_HEADERS_MAX; i++, len += 6)
		memcpy(head + len, "A: b\r\n", 6);
	strcpy(head + len, "\r\n");
	ck_assert_int_eq(parse(head, &parser, &request, &err), HTTP_PARSE_DONE);
	strcpy(head + len, "A: b\r\n\r\n");
	ck_assert_int_eq(parse(head, &parser, &request, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.msg, "64 headers"));
}
END_TEST

START_TEST(the_longest_body)
{
	struct http_parser parser;
	struct http_request request;
	struct err err;
	char whole[256] = "PUT / HTTP/1.1\r\nContent-Length: 100\r\n\r\n";
	size_t len = strlen(whole);

	memset(whole + len, 'b', 100);
	ck_assert_int_eq(parse(whole, &parser, &request, &err), HTTP_PARSE_DONE);
	ck_assert_uint_eq(request.body_len, 100);
}
END_TEST

/* Done with the head, whatever the length; what follows is the body. */
START_TEST(streamed_bodies)
{
	struct http_parser parser;
	struct http_request request;
	struct err err;

	ck_assert_int_eq(parse("PUT /stream?x HTTP/1.1\r\nContent-Length: 1000\r\nExpect: "
			       "100-continue\r\n\r\nab",
				 &parser, &request, &err),
		HTTP_PARSE_DONE);
	ck_assert(request.streamed && request.expects_continue && !request.chunked);
	ck_assert(request.http11);
	ck_assert_uint_eq(request.body_len, 1000);
	ck_assert_str_eq(request.query, "x");
	ck_assert_uint_eq(http_parser_next(&parser),
		strlen(text) + strlen("?x HTTP/1.1\r\n") + strlen("Content-Length: 1000\r\n") +
			strlen("Expect: 100-continue\r\n\r\n"));
	ck_assert_ptr_eq(parser.streams, streams);
	ck_assert_int_eq(parse("PUT /stream HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n",
				 &parser, &request, &err),
		HTTP_PARSE_DONE);
	ck_assert(request.streamed && request.chunked && !request.expects_continue);
	/* A client of HTTP/1.0 doesn't know what to wait for. */
	ck_assert_int_eq(parse("PUT /stream HTTP/1.0\r\nContent-Length: 3\r\nExpect: "
			       "100-continue\r\n\r\n",
				 &parser, &request, &err),
		HTTP_PARSE_DONE);
	ck_assert(!request.expects_continue && !request.http11);
	ck_assert_int_eq(parse("PUT /streams HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", &parser,
				 &request, &err),
		HTTP_PARSE_DONE);
	ck_assert(!request.streamed);
}
END_TEST

static void expect_response(const struct http_response *response, const char *expected)
{
	struct buf out = BUF_INIT(4096);

	ck_assert_int_eq(http_respond(&out, response), 0);
	ck_assert_uint_eq(out.len, strlen(expected));
	ck_assert_mem_eq(out.data, expected, out.len);
	buf_fini(&out);
}

START_TEST(responses_to_the_byte)
{
	expect_response(&(struct http_response){.status = 204, .keep_alive = true},
		"HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n");
	expect_response(
		&(struct http_response){
			.status = 200, .body = "{}", .body_len = 2, .keep_alive = true},
		"HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n"
		"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
	expect_response(&(struct http_response){.status = 204, .deprecated = true},
		"HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: close\r\n"
		"Deprecation: true\r\n\r\n");
	expect_response(&(struct http_response){.status = 200, .type = "text/plain"},
		"HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: close\r\n"
		"Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n");
	expect_response(
		&(struct http_response){
			.status = 200, .type = "x/y", .stream = true, .chunked = true},
		"HTTP/1.1 200 \r\nServer: Firecracker API\r\nConnection: close\r\n"
		"Content-Type: x/y\r\nTransfer-Encoding: chunked\r\n\r\n");
}
END_TEST

START_TEST(a_response_is_whole_or_not_there)
{
	struct buf out = BUF_INIT(100);

	ck_assert_int_eq(http_continue(&out), 0);
	ck_assert_int_eq(http_respond(&out, &(struct http_response){.status = 200, .body_len = 0}),
		-EMSGSIZE);
	ck_assert_uint_eq(out.len, strlen("HTTP/1.1 100 \r\n\r\n"));
	buf_fini(&out);
}
END_TEST

SUITE_CASES("http", NULL, NULL, {a_request_as_curl_sends_it}, {methods_paths_and_queries},
	{who_keeps_the_connection}, {split_at_every_byte}, {all_at_once_and_pipelined},
	{continue_is_asked_for_once}, {broken_requests_are_named, sizeof(bad) / sizeof(bad[0])},
	{a_zero_byte}, {the_longest_head}, {the_most_headers}, {the_longest_body},
	{streamed_bodies}, {responses_to_the_byte}, {a_response_is_whole_or_not_there})
