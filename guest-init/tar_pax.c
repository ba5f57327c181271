// SPDX-License-Identifier: Apache-2.0
// The records of a pax header.
#include "guest-init/tar_pax.h"

#include <errno.h>
#include <string.h>

/* Decimal digits of a pax record. Return: the first byte after them, or NULL. */
static const char *decimal(const char *p, const char *end, uint64_t *ret)
{
	uint64_t value = 0;

	if (p == end || *p < '0' || *p > '9')
		return NULL;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return NULL;
	*ret = value;
	return p;
}

static bool decimal_all(const char *p, const char *end, uint64_t max, uint64_t *ret)
{
	return decimal(p, end, ret) == end && *ret <= max;
}

/* "-1.5" and the like. Digits beyond nanoseconds are cut. */
static bool pax_time(const char *p, const char *end, struct timespec *ret)
{
	bool negative = p < end && *p == '-';
	uint64_t sec;
	long nsec = 0;

	p = decimal(p + negative, end, &sec);
	if (!p || sec > INT64_MAX / 2)
		return false;
	if (p < end && *p == '.') {
		long unit = 100000000;

		for (p++; p < end && *p >= '0' && *p <= '9'; p++, unit /= 10)
			nsec += (*p - '0') * unit;
	}
	if (p != end)
		return false;
	ret->tv_sec = negative ? -(time_t)sec - (nsec != 0) : (time_t)sec;
	ret->tv_nsec = negative && nsec ? 1000000000 - nsec : nsec;
	return true;
}

static bool text_store(char ret[TAR_NAME_MAX + 1], const char *text, size_t len)
{
	if (len > TAR_NAME_MAX || memchr(text, 0, len))
		return false;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return true;
}

static bool keyword_is(const char *keyword, size_t len, const char *name)
{
	return strlen(name) == len && !memcmp(keyword, name, len);
}

#define XATTR "SCHILY.xattr."
#define SPARSE "GNU.sparse."

/* One record. An empty value takes a keyword back. */
static int pax_record(struct tar_entry *entry, struct tar_extra *extra, const char *keyword,
	size_t len, const char *value, const char *end)
{
	size_t value_len = (size_t)(end - value);
	uint64_t n = 0;
	bool ok = true;

	if (keyword_is(keyword, len, "path")) {
		extra->name = value_len > 0;
		ok = text_store(entry->name, value, value_len);
	} else if (keyword_is(keyword, len, "linkpath")) {
		extra->target = value_len > 0;
		ok = text_store(entry->target, value, value_len);
	} else if (keyword_is(keyword, len, "size")) {
		extra->size = value_len > 0;
		ok = !value_len || decimal_all(value, end, INT64_MAX, &extra->size_value);
	} else if (keyword_is(keyword, len, "uid")) {
		extra->uid = value_len > 0;
		ok = !value_len || decimal_all(value, end, UINT32_MAX, &n);
		extra->uid_value = (uint32_t)n;
	} else if (keyword_is(keyword, len, "gid")) {
		extra->gid = value_len > 0;
		ok = !value_len || decimal_all(value, end, UINT32_MAX, &n);
		extra->gid_value = (uint32_t)n;
	} else if (keyword_is(keyword, len, "mtime")) {
		extra->mtime = value_len > 0;
		ok = !value_len || pax_time(value, end, &extra->mtime_value);
	} else if (len > strlen(SPARSE) && !memcmp(keyword, SPARSE, strlen(SPARSE))) {
		return -EOPNOTSUPP;
	} else if (len > strlen(XATTR) && !memcmp(keyword, XATTR, strlen(XATTR))) {
		char name[256];
		size_t name_len = len - strlen(XATTR);

		if (name_len >= sizeof(name) || memchr(keyword, 0, len))
			return -EINVAL;
		memcpy(name, keyword + strlen(XATTR), name_len);
		name[name_len] = '\0';
		return tar_xattr_add(entry, name, value, value_len);
	}
	return ok ? 0 : -EINVAL;
}

int tar_pax_parse(struct tar_entry *entry, struct tar_extra *extra, const char *data, size_t len)
{
	const char *p = data, *end = data + len;

	while (p < end) {
		const char *keyword, *record_end, *equals;
		uint64_t record_len;
		int r;

		keyword = decimal(p, end, &record_len);
		if (!keyword || keyword == end || *keyword != ' ' ||
			record_len > (uint64_t)(end - p))
			return -EINVAL;
		keyword++;
		record_end = p + record_len - 1;
		if (record_end <= keyword || *record_end != '\n')
			return -EINVAL;
		equals = memchr(keyword, '=', (size_t)(record_end - keyword));
		if (!equals)
			return -EINVAL;
		r = pax_record(
			entry, extra, keyword, (size_t)(equals - keyword), equals + 1, record_end);
		if (r < 0)
			return r;
		p = record_end + 1;
	}
	return 0;
}
