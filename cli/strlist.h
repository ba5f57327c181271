// SPDX-License-Identifier: Apache-2.0
// A growable, NULL-terminated list of owned strings, with a ceiling.
#pragma once

#include <stddef.h>

/* Entries of one list: far beyond any real environment, and well below what one frame can carry. */
#define STRLIST_MAX 8192

/*
 * struct strlist - strings items[0..count)
 * @items:	NULL while empty, else NULL-terminated; list and strings are owned
 *
 * Zero-initialise; strlist_fini() frees.
 */
struct strlist {
	char **items;
	size_t count;
};

void strlist_fini(struct strlist *list);

/* strlist_add() - append a copy of @text. Return: 0, -E2BIG above the ceiling, -ENOMEM. */
int strlist_add(struct strlist *list, const char *text);

/*
 * strlist_set_env() - put NAME=VALUE, in the place of an earlier value of NAME if there is one
 * @entry:	holds a '='; the first one ends the name
 *
 * Return: as strlist_add().
 */
int strlist_set_env(struct strlist *list, const char *entry);

/* strlist_get_env() - the value of @name in a list of NAME=VALUE, or NULL. */
const char *strlist_get_env(const struct strlist *list, const char *name);
