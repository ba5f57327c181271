// SPDX-License-Identifier: Apache-2.0
// Fuzzes the parser of requests: what comes in pieces must be read as what comes at once.
#include "base/err.h"
#include "tests/lib/fuzz_require.h"
#include "vmm/http.h"
#include "vmm/http_body.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX 64
#define REQUESTS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read of one stream: a sum over all requests, and how it ended. */
struct seen {
	unsigned int requests;
	size_t used;
	uint64_t sum;
	int result;
};

static void add(struct seen *seen, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		seen->sum = seen->sum * 31 + (unsigned char)text[i];
	seen->sum = seen->sum * 31 + len;
}

static bool streams(enum http_method method, const char *path)
{
	return method == HTTP_PUT && path[1] == 's';
}

/* Take what there is of a streamed body. Return: bytes used. */
static size_t take_body(struct seen *seen, struct http_body *body, const char *data, size_t len)
{
	struct http_piece piece;
	struct err err;
	size_t used = 0;

	while (used < len && !http_body_is_done(body)) {
		const uint8_t *at = (const uint8_t *)data + used;

		seen->result = http_body_next(body, at, len - used, &piece, &err);
		if (seen->result < 0)
			break;
		REQUIRE(piece.used && piece.used <= len - used);
		REQUIRE(!piece.len || (piece.data >= at && piece.len <= piece.used));
		for (size_t i = 0; i < piece.len; i++)
			seen->sum = seen->sum * 31 + piece.data[i];
		used += piece.used;
	}
	return used;
}

static void check_request(struct seen *seen, const struct http_request *request)
{
	REQUIRE(request->path[0] == '/');
	REQUIRE(request->streamed || request->body_len <= BODY_MAX);
	REQUIRE(request->streamed || !request->chunked);
	for (const char *p = request->path; *p; p++)
		REQUIRE(*p > 0x20 && *p < 0x7f && *p != '?');
	add(seen, request->path, strlen(request->path));
	if (request->query)
		add(seen, request->query, strlen(request->query));
	if (!request->streamed)
		add(seen, request->body, request->body_len);
	add(seen, "k", request->keep_alive);
	add(seen, http_method_name(request->method), 3);
}

/* Feed @piece bytes at a time, the buffer ending exactly where the bytes do. */
static struct seen feed(const uint8_t *data, size_t size, size_t piece)
{
	struct http_parser parser = {.body_max = BODY_MAX, .streams = streams};
	struct http_body body = {.state = HTTP_BODY_DONE};
	struct http_request request;
	struct seen seen = {0};
	char *buf = NULL;
	size_t len = 0, pos = 0, body_used = 0;
	struct err err;

	while (pos < size && seen.requests < REQUESTS_MAX && seen.result >= 0) {
		size_t n = size - pos < piece ? size - pos : piece;
		char *grown = realloc(buf, len + n);

		REQUIRE(grown);
		buf = grown;
		memcpy(buf + len, data + pos, n);
		len += n;
		pos += n;
		while (len && seen.requests < REQUESTS_MAX) {
			size_t used;

			if (!http_body_is_done(&body)) {
				used = take_body(&seen, &body, buf, len);
				memmove(buf, buf + used, len - used);
				len -= used;
				body_used += used;
				if (seen.result < 0)
					break;
				if (http_body_is_done(&body))
					seen.used += body_used;
				continue;
			}
			seen.result = http_parse(&parser, buf, len, &request, &err);
			if (seen.result != HTTP_PARSE_DONE)
				break;
			check_request(&seen, &request);
			if (request.streamed)
				http_body_init(&body, &request);
			body_used = 0;
			used = http_parser_next(&parser);
			REQUIRE(used && used <= len);
			memmove(buf, buf + used, len - used);
			len -= used;
			seen.used += used;
			seen.requests++;
		}
	}
	free(buf);
	REQUIRE(seen.result >= 0 || seen.result == -EBADMSG || seen.result == -EMSGSIZE);
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, bytes;

	if (!size)
		return 0;
	whole = feed(data + 1, size - 1, size);
	bytes = feed(data + 1, size - 1, (size_t)data[0] % 7 + 1);
	REQUIRE(whole.requests == bytes.requests);
	REQUIRE(whole.used == bytes.used);
	REQUIRE(whole.sum == bytes.sum);
	REQUIRE((whole.result < 0) == (bytes.result < 0));
	return 0;
}
