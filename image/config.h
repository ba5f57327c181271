// SPDX-License-Identifier: Apache-2.0
// The OCI image config: what to run, for which CPU, and the digests of the unpacked layers.
#pragma once

#include "image/image.h"

#include <stddef.h>

/*
 * struct image_spec - a parsed config document
 * @architecture, @os:	never NULL; "" when the document doesn't say
 * @diff_ids:		valid digests of the uncompressed layers, lowest first; @ndiff_ids of them
 *
 * Everything is owned; image_spec_fini() frees and is harmless on a zeroed struct.
 * Spec: OCI image-spec 1.1 config.md
 */
struct image_spec {
	struct image_config config;
	char *architecture;
	char *os;
	char **diff_ids;
	size_t ndiff_ids;
};

/*
 * image_spec_parse() - read a config document
 * @name:	how to call it in messages
 * @data:	untrusted bytes
 * @ret_spec:	written only on success
 *
 * Return: 0, -EBADMSG or -ENOMEM.
 */
int image_spec_parse(
	const char *name, const void *data, size_t n, struct image_spec *ret_spec, struct err *err);
void image_spec_fini(struct image_spec *spec);

/* image_config_fini() - free the strings; harmless on a zeroed struct. */
void image_config_fini(struct image_config *config);
