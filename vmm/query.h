// SPDX-License-Identifier: Apache-2.0
// The query of a request: names and values behind the path.
#pragma once

#include <stddef.h>

struct err;

enum query_type {
	QUERY_STRING, /* const char *: within the query */
	QUERY_BOOL,   /* bool: 1, true, 0 or false; without a value: true */
	QUERY_UINT,   /* uint64_t, decimal */
};

/* struct query_field - @ret: what @type says; untouched if there is no such name */
struct query_field {
	const char *name;
	enum query_type type;
	void *ret;
};

/*
 * query_read() - take a query's values
 * @query:	"name=value&...", untrusted, or NULL; percent-escapes are decoded in place
 * @fields:	@count rows; another name, or one given twice, is an error
 *
 * Return: 0 or -EINVAL with @err set.
 */
int query_read(char *query, const struct query_field *fields, size_t count, struct err *err);
