// SPDX-License-Identifier: Apache-2.0
// Parsing requests.
#include "vmm/http.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <string.h>
#include <strings.h>

/* Larger lengths are refused before the limit on bodies is looked at: no overflow. */
#define LENGTH_DIGITS_MAX 18

static const char *const method_names[] = {
	[HTTP_GET] = "GET",
	[HTTP_PUT] = "PUT",
	[HTTP_PATCH] = "PATCH",
	[HTTP_POST] = "POST",
	[HTTP_DELETE] = "DELETE",
};

const char *http_method_name(enum http_method method)
{
	return method_names[method];
}

static bool is_visible(char c)
{
	return c > 0x20 && c < 0x7f;
}

/* What a header's name and a method are made of (RFC 9110 5.6.2). */
static bool is_token(char c)
{
	return is_visible(c) && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* One line of the head, without its CR LF. */
struct line {
	char *at;
	size_t len;
};

static bool line_is(const char *at, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(at, word, len);
}

static int parse_method(struct http_parser *parser, const char *at, size_t len, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(method_names); i++) {
		if (strlen(method_names[i]) != len || memcmp(method_names[i], at, len))
			continue;
		parser->method = (enum http_method)i;
		return 0;
	}
	return err_set(
		err, -EBADMSG, "Unsupported HTTP method '%.*s'.", (int)(len < 16 ? len : 16), at);
}

/* "HTTP/1.1" keeps the connection, "HTTP/1.0" doesn't, unless a header says otherwise. */
static int parse_version(struct http_parser *parser, const char *at, size_t len, struct err *err)
{
	if (len == 8 && !memcmp(at, "HTTP/1.1", 8))
		parser->keep_alive = parser->http11 = true;
	else if (len == 8 && !memcmp(at, "HTTP/1.0", 8))
		parser->keep_alive = false;
	else
		return err_set(err, -EBADMSG, "Unsupported HTTP version.");
	return 0;
}

/* The absolute form names a host before the path; which, doesn't matter on this socket. */
static size_t skip_authority(const char *at, size_t len)
{
	static const char scheme[] = "http://";
	const char *slash;

	if (len <= sizeof(scheme) - 1 || strncasecmp(at, scheme, sizeof(scheme) - 1) != 0)
		return 0;
	slash = memchr(at + sizeof(scheme) - 1, '/', len - (sizeof(scheme) - 1));
	return slash ? (size_t)(slash - at) : 0;
}

static int parse_request_line(
	struct http_parser *parser, char *data, const struct line *line, struct err *err)
{
	char *end = line->at + line->len, *target, *version, *query;
	int r;

	target = memchr(line->at, ' ', line->len);
	if (!target)
		return err_set(err, -EBADMSG, "The request line has no target.");
	r = parse_method(parser, line->at, (size_t)(target - line->at), err);
	if (r < 0)
		return r;
	target++;
	version = memchr(target, ' ', (size_t)(end - target));
	if (!version)
		return err_set(err, -EBADMSG, "The request line has no HTTP version.");
	r = parse_version(parser, version + 1, (size_t)(end - version - 1), err);
	if (r < 0)
		return r;
	target += skip_authority(target, (size_t)(version - target));
	if (*target != '/')
		return err_set(err, -EBADMSG, "The target of the request is not a path.");
	for (const char *p = target; p < version; p++)
		if (!is_visible(*p) || *p == '#')
			return err_set(
				err, -EBADMSG, "The path of the request has an invalid character.");
	query = memchr(target, '?', (size_t)(version - target));
	/* The space and the question mark give way to the ends of strings. */
	*version = '\0';
	if (query)
		*query = '\0';
	parser->has_query = query;
	parser->path_at = (size_t)(target - data);
	parser->query_at = query ? (size_t)(query + 1 - data) : 0;
	return 0;
}

static int parse_length(struct http_parser *parser, const char *value, size_t len, struct err *err)
{
	size_t length = 0;

	if (parser->has_length)
		return err_set(err, -EBADMSG, "More than one Content-Length.");
	if (!len || len > LENGTH_DIGITS_MAX)
		return err_set(err, -EBADMSG, "Invalid Content-Length.");
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return err_set(err, -EBADMSG, "Invalid Content-Length.");
		length = length * 10 + (size_t)(value[i] - '0');
	}
	parser->has_length = true;
	parser->body_len = length;
	return 0;
}

/* One coding is known, and only where bodies are streamed; that is looked at when the head is. */
static int parse_coding(struct http_parser *parser, const char *value, size_t len, struct err *err)
{
	if (parser->chunked || !line_is(value, len, "chunked"))
		return err_set(err, -EBADMSG, "Unsupported Transfer-Encoding.");
	parser->chunked = true;
	return 0;
}

/* A list of words, of which three are known. */
static void parse_connection(struct http_parser *parser, const char *value, size_t len)
{
	size_t at = 0;

	while (at < len) {
		const char *comma = memchr(value + at, ',', len - at);
		size_t end = comma ? (size_t)(comma - value) : len, next = end + 1;

		while (at < end && is_space(value[at]))
			at++;
		while (end > at && is_space(value[end - 1]))
			end--;
		if (line_is(value + at, end - at, "close"))
			parser->keep_alive = false;
		else if (line_is(value + at, end - at, "keep-alive"))
			parser->keep_alive = true;
		else if (line_is(value + at, end - at, "upgrade"))
			parser->connection_upgrade = true;
		at = next;
	}
}

static int parse_header(struct http_parser *parser, const struct line *line, struct err *err)
{
	const char *colon = memchr(line->at, ':', line->len), *value;
	size_t name_len = colon ? (size_t)(colon - line->at) : 0, len;

	if (!name_len)
		return err_set(err, -EBADMSG, "A header has no name.");
	for (size_t i = 0; i < name_len; i++)
		if (!is_token(line->at[i]))
			return err_set(
				err, -EBADMSG, "The name of a header has an invalid character.");
	value = colon + 1;
	len = line->len - name_len - 1;
	while (len && is_space(*value)) {
		value++;
		len--;
	}
	while (len && is_space(value[len - 1]))
		len--;
	/* Bytes above 0x7f are allowed in values, controls are not. */
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f)
			return err_set(
				err, -EBADMSG, "The value of a header has an invalid character.");
	if (line_is(line->at, name_len, "Content-Length"))
		return parse_length(parser, value, len, err);
	if (line_is(line->at, name_len, "Transfer-Encoding"))
		return parse_coding(parser, value, len, err);
	if (line_is(line->at, name_len, "Connection"))
		parse_connection(parser, value, len);
	if (line_is(line->at, name_len, "Upgrade"))
		parser->has_upgrade = true;
	if (line_is(line->at, name_len, "Expect")) {
		if (!line_is(value, len, "100-continue"))
			return err_set(err, -EBADMSG, "Unsupported Expect header.");
		parser->expects_continue = true;
	}
	return 0;
}

/* Find the blank line. Return: the length of the head, 0 if it isn't complete, -errno. */
static int find_head(struct http_parser *parser, const char *data, size_t len, struct err *err)
{
	size_t limit = len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX;

	/* Each line feed is looked at once, when it is the last byte that has come. */
	for (size_t i = parser->scanned; i < limit; i++) {
		if (data[i] != '\n')
			continue;
		if (!i || data[i - 1] != '\r')
			return err_set(err, -EBADMSG, "A line does not end in CR LF.");
		if (i >= 3 && data[i - 2] == '\n')
			return (int)i + 1;
		/* Blank lines before a request are skipped by some; here nobody sends them. */
		if (i == 1)
			return err_set(err, -EBADMSG, "The request line is empty.");
	}
	parser->scanned = limit;
	if (len >= HTTP_HEAD_MAX)
		return err_set(err, -EBADMSG, "Request line and headers are longer than %d bytes.",
			HTTP_HEAD_MAX);
	return 0;
}

static int parse_head(struct http_parser *parser, char *data, struct err *err)
{
	char *at = data, *end = data + parser->head_len - 2; /* of the last line that isn't blank */
	unsigned int count = 0;
	int r = 0;

	for (; at < end && !r; count++) {
		char *lf = memchr(at, '\n', (size_t)(end - at));
		struct line line = {at, lf ? (size_t)(lf - 1 - at) : 0};

		if (!lf || count > HTTP_HEADERS_MAX)
			return err_set(err, -EBADMSG, "More than %d headers.", HTTP_HEADERS_MAX);
		r = count ? parse_header(parser, &line, err)
			  : parse_request_line(parser, data, &line, err);
		at = lf + 1;
	}
	return r;
}

/* How the body comes. */
static int check_body(struct http_parser *parser, const char *data, struct err *err)
{
	parser->streamed =
		parser->streams && parser->streams(parser->method, data + parser->path_at);
	if (parser->chunked && !parser->streamed)
		return err_set(err, -EBADMSG,
			"Transfer-Encoding is not supported here: send the body with its "
			"Content-Length.");
	if (parser->chunked && parser->has_length)
		return err_set(err, -EBADMSG, "Both Content-Length and Transfer-Encoding.");
	if (parser->chunked && !parser->http11)
		return err_set(err, -EBADMSG, "Transfer-Encoding needs HTTP/1.1.");
	if (!parser->streamed && parser->body_len > parser->body_max)
		return err_set(err, -EMSGSIZE,
			"The body of %zu bytes is larger than the limit of %zu.", parser->body_len,
			parser->body_max);
	return 0;
}

int http_parse(struct http_parser *parser, char *data, size_t len, struct http_request *ret,
	struct err *err)
{
	int r;

	if (!parser->head_len) {
		r = find_head(parser, data, len, err);
		if (r <= 0)
			return r;
		parser->head_len = (size_t)r;
		r = parse_head(parser, data, err);
		if (!r)
			r = check_body(parser, data, err);
		if (r < 0)
			return r;
	}
	if (!parser->streamed && len - parser->head_len < parser->body_len) {
		r = parser->expects_continue ? HTTP_PARSE_CONTINUE : HTTP_PARSE_MORE;
		parser->expects_continue = false;
		return r;
	}
	*ret = (struct http_request){
		.method = parser->method,
		.path = data + parser->path_at,
		.query = parser->has_query ? data + parser->query_at : NULL,
		.body = data + parser->head_len,
		.body_len = parser->body_len,
		.keep_alive = parser->keep_alive,
		.upgrade = parser->connection_upgrade && parser->has_upgrade,
		.streamed = parser->streamed,
		.chunked = parser->chunked,
		.expects_continue = parser->expects_continue && parser->http11,
		.http11 = parser->http11,
	};
	return HTTP_PARSE_DONE;
}

size_t http_parser_next(struct http_parser *parser)
{
	size_t used = parser->head_len + (parser->streamed ? 0 : parser->body_len);

	*parser = (struct http_parser){.body_max = parser->body_max, .streams = parser->streams};
	return used;
}

int http_respond(struct buf *out, const struct http_response *response)
{
	size_t before = out->len;
	bool upgrade = response->status == 101;
	const char *connection = upgrade                ? "Upgrade"
				 : response->keep_alive ? "keep-alive"
							: "close";
	/* No reason phrase: clients go by the number. */
	int r = buf_printf(out, "HTTP/1.1 %u \r\nServer: Firecracker API\r\nConnection: %s\r\n",
		response->status, connection);

	if (!r && upgrade)
		r = buf_printf(out, "Upgrade: tcp\r\n");
	if (!r && response->deprecated)
		r = buf_printf(out, "Deprecation: true\r\n");
	if (!r && response->status != 204)
		r = buf_printf(out, "Content-Type: %s\r\n",
			response->type ? response->type : "application/json");
	if (!r && response->stream && response->chunked)
		r = buf_printf(out, "Transfer-Encoding: chunked\r\n");
	if (!r && response->status != 204 && !upgrade && !response->stream)
		r = buf_printf(out, "Content-Length: %zu\r\n", response->body_len);
	if (!r)
		r = buf_add(out, "\r\n", 2);
	if (!r && response->body_len)
		r = buf_add(out, response->body, response->body_len);
	if (r < 0)
		out->len = before;
	return r;
}

int http_continue(struct buf *out)
{
	static const char interim[] = "HTTP/1.1 100 \r\n\r\n";

	return buf_add(out, interim, sizeof(interim) - 1);
}
