// SPDX-License-Identifier: Apache-2.0
// A growable byte buffer with a ceiling.
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_CAP_MIN 256

void buf_fini(struct buf *buf)
{
	if (!buf)
		return;
	free(buf->data);
	buf->data = NULL;
	buf->len = 0;
	buf->cap = 0;
}

int buf_reserve(struct buf *buf, size_t n)
{
	size_t need, cap;
	uint8_t *data;

	if (__builtin_add_overflow(buf->len, n, &need) || need > buf->max)
		return -EMSGSIZE;
	if (need <= buf->cap)
		return 0;
	cap = buf->cap ? buf->cap : BUF_CAP_MIN;
	while (cap < need)
		cap *= 2;
	if (cap > buf->max)
		cap = buf->max;
	data = realloc(buf->data, cap);
	if (!data)
		return -ENOMEM;
	buf->data = data;
	buf->cap = cap;
	return 0;
}

int buf_add(struct buf *buf, const void *data, size_t n)
{
	int r = buf_reserve(buf, n);

	if (r < 0 || !n)
		return r;
	memcpy(buf->data + buf->len, data, n);
	buf->len += n;
	return 0;
}

int buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap;
	int n, r;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	r = buf_reserve(buf, (size_t)n + 1); /* vsnprintf also writes a NUL */
	if (r < 0)
		return r;
	va_start(ap, fmt);
	vsnprintf((char *)buf->data + buf->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)n;
	return 0;
}

void buf_drop(struct buf *buf, size_t n)
{
	if (n >= buf->len) {
		buf->len = 0;
		return;
	}
	memmove(buf->data, buf->data + n, buf->len - n);
	buf->len -= n;
}
