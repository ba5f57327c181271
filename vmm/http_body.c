// SPDX-License-Identifier: Apache-2.0
// The body of a request that is taken as it comes.
#include "vmm/http_body.h"

#include "base/err.h"
#include "vmm/http.h"

#include <errno.h>

void http_body_init(struct http_body *body, const struct http_request *request)
{
	*body = (struct http_body){.state = HTTP_BODY_SIZE};
	if (request->chunked)
		return;
	body->left = request->body_len;
	body->state = body->left ? HTTP_BODY_LENGTH : HTTP_BODY_DONE;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What an extension or a trailer field may hold. */
static bool is_text(uint8_t c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static int bad(struct err *err, const char *what)
{
	return err_set(err, -EBADMSG, "The body is not chunked as it should be: %s.", what);
}

static int take_extra(struct http_body *body, uint8_t c, enum http_body_state next, struct err *err)
{
	if (!is_text(c))
		return bad(err, "an extension or trailer field has an invalid character");
	if (++body->extra > HTTP_BODY_EXTRA_MAX)
		return bad(err, "extensions and trailer fields are too long");
	body->state = next;
	return 0;
}

static int take_size(struct http_body *body, uint8_t c, struct err *err)
{
	int digit = hex(c);

	if (digit >= 0) {
		if (++body->digits > HTTP_BODY_DIGITS_MAX)
			return bad(err, "the size of a chunk is too long");
		body->left = body->left << 4 | (unsigned int)digit;
		return 0;
	}
	if (!body->digits)
		return bad(err, "a chunk has no size");
	if (c == '\r') {
		body->state = HTTP_BODY_SIZE_LF;
		return 0;
	}
	if (c != ';' && c != ' ' && c != '\t')
		return bad(err, "the size of a chunk is not a hexadecimal number");
	return take_extra(body, c, c == ';' ? HTTP_BODY_EXTENSION : HTTP_BODY_SPACE, err);
}

/* The one byte that makes sense here. */
static int take_only(
	struct http_body *body, uint8_t c, char only, enum http_body_state next, struct err *err)
{
	if (c != (uint8_t)only)
		return bad(err, "a line or chunk does not end in CR LF");
	body->state = next;
	return 0;
}

/* A byte of the framing. */
static int take(struct http_body *body, uint8_t c, struct err *err)
{
	switch (body->state) {
	case HTTP_BODY_SIZE:
		return take_size(body, c, err);
	case HTTP_BODY_SPACE:
		if (c != ';' && c != ' ' && c != '\t')
			return bad(err, "the size of a chunk is not a hexadecimal number");
		return take_extra(body, c, c == ';' ? HTTP_BODY_EXTENSION : HTTP_BODY_SPACE, err);
	case HTTP_BODY_EXTENSION:
		if (c != '\r')
			return take_extra(body, c, HTTP_BODY_EXTENSION, err);
		body->state = HTTP_BODY_SIZE_LF;
		return 0;
	case HTTP_BODY_SIZE_LF:
		body->digits = 0;
		return take_only(
			body, c, '\n', body->left ? HTTP_BODY_CHUNK : HTTP_BODY_TRAILER, err);
	case HTTP_BODY_CHUNK_CR:
		return take_only(body, c, '\r', HTTP_BODY_CHUNK_LF, err);
	case HTTP_BODY_CHUNK_LF:
		return take_only(body, c, '\n', HTTP_BODY_SIZE, err);
	case HTTP_BODY_TRAILER:
		if (c == ' ' || c == '\t')
			return bad(err, "a trailer field is folded");
		if (c != '\r')
			return take_extra(body, c, HTTP_BODY_FIELD, err);
		body->state = HTTP_BODY_LAST_LF;
		return 0;
	case HTTP_BODY_FIELD:
		if (c != '\r')
			return take_extra(body, c, HTTP_BODY_FIELD, err);
		body->state = HTTP_BODY_FIELD_LF;
		return 0;
	case HTTP_BODY_FIELD_LF:
		return take_only(body, c, '\n', HTTP_BODY_TRAILER, err);
	case HTTP_BODY_LAST_LF:
		return take_only(body, c, '\n', HTTP_BODY_DONE, err);
	case HTTP_BODY_LENGTH:
	case HTTP_BODY_CHUNK:
	case HTTP_BODY_DONE:
	default:
		return bad(err, "nothing was expected");
	}
}

int http_body_next(struct http_body *body, const uint8_t *data, size_t len, struct http_piece *ret,
	struct err *err)
{
	size_t used = 0;

	*ret = (struct http_piece){0};
	while (used < len && body->state != HTTP_BODY_DONE) {
		int r;

		if (body->state == HTTP_BODY_LENGTH || body->state == HTTP_BODY_CHUNK) {
			ret->data = data + used;
			ret->len = len - used < body->left ? len - used : (size_t)body->left;
			used += ret->len;
			body->left -= ret->len;
			if (!body->left)
				body->state = body->state == HTTP_BODY_CHUNK ? HTTP_BODY_CHUNK_CR
									     : HTTP_BODY_DONE;
			break;
		}
		r = take(body, data[used++], err);
		if (r < 0)
			return r;
	}
	ret->used = used;
	return 0;
}
