// SPDX-License-Identifier: Apache-2.0
// A growable, NULL-terminated list of owned strings.
#include "cli/strlist.h"

#include "base/cleanup.h"

#include <string.h>

void strlist_fini(struct strlist *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct strlist){0};
}

int strlist_add(struct strlist *list, const char *text)
{
	char **items;
	char *copy;

	if (list->count >= STRLIST_MAX)
		return -E2BIG;
	items = reallocarray(list->items, list->count + 2, sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->count] = NULL;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	items[list->count++] = copy;
	items[list->count] = NULL;
	return 0;
}

/* The position of NAME=... in the list, or its count; @len is the length of NAME. */
static size_t strlist_find(const struct strlist *list, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (!strncmp(list->items[i], name, len) && list->items[i][len] == '=')
			break;
	return i;
}

int strlist_set_env(struct strlist *list, const char *entry)
{
	size_t i = strlist_find(list, entry, strcspn(entry, "="));
	char *copy;

	if (i == list->count)
		return strlist_add(list, entry);
	copy = strdup(entry);
	if (!copy)
		return -ENOMEM;
	free(list->items[i]);
	list->items[i] = copy;
	return 0;
}

const char *strlist_get_env(const struct strlist *list, const char *name)
{
	size_t len = strlen(name);
	size_t i = strlist_find(list, name, len);

	return i == list->count ? NULL : list->items[i] + len + 1;
}
