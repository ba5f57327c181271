// SPDX-License-Identifier: Apache-2.0
// The documents between a tag and the layers: index and manifest. No files are touched here.
#pragma once

#include "image/layout.h"

#include <stdbool.h>

/*
 * struct index_entry - one row of an index
 * @is_index:	it points to another index rather than to a manifest
 * @tag, @architecture, @os:	NULL when not given; they live as long as the index
 */
struct index_entry {
	struct descriptor desc;
	bool is_index;
	const char *tag;
	const char *architecture;
	const char *os;
};

/*
 * struct index - a parsed image index or Docker manifest list
 * @root:	the JSON the entries' strings belong to
 *
 * Entries of unknown media types are left out: later versions of the format may add such.
 */
struct index {
	struct index_entry *entries;
	size_t count;
	void *root;
};

/*
 * index_parse() - @data is untrusted; @name is for messages
 *
 * Return: 0, -EBADMSG, -ENOMEM. index_fini() frees; harmless on a zeroed struct.
 */
int index_parse(
	const char *name, const void *data, size_t n, struct index *ret_index, struct err *err);
void index_fini(struct index *index);

/*
 * manifest_parse() - the digest of the result is left empty
 *
 * Return: 0, -EBADMSG, -ENOMEM.
 */
int manifest_parse(const char *name, const void *data, size_t n, struct manifest *ret_manifest,
	struct err *err);
