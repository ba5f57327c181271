// SPDX-License-Identifier: Apache-2.0
// Content digests as OCI writes them, "algorithm:hex": checking the text and computing the value.
#pragma once

#include "image/image.h"

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>

struct digest_algorithm;

/*
 * struct digest_state - a digest being computed; nothing is to be freed
 * @ctx:	of the algorithm
 * @algorithm:	static; NULL if it isn't supported
 */
struct digest_state {
	union {
		struct sha256_ctx sha256;
		struct sha512_ctx sha512;
	} ctx;
	const struct digest_algorithm *algorithm;
};

/*
 * digest_is_valid() - is @text a digest of a supported algorithm?
 *
 * Only "sha256:" with 64 and "sha512:" with 128 lower-case hex digits are, so that a valid digest
 * may be used as part of a path.
 */
bool digest_is_valid(const char *text);

/* digest_path() - "sha256/<hex>" of a valid digest, for the blobs folder of a layout. */
void digest_path(const char *digest, char ret_path[IMAGE_DIGEST_SIZE]);

/*
 * digest_start() - begin to compute a digest by the same algorithm as @like, of which "algorithm:"
 * suffices
 *
 * By an algorithm that isn't supported, any digest is the empty string, which no digest equals.
 */
void digest_start(struct digest_state *state, const char *like);

void digest_add(struct digest_state *state, const void *data, size_t n);

/* digest_finish() - the text of the value; the state is to be started anew after. */
void digest_finish(struct digest_state *state, char ret_digest[IMAGE_DIGEST_SIZE]);

/* digest_of() - of @n bytes at once, by the algorithm of @like. */
void digest_of(const char *like, const void *data, size_t n, char ret_digest[IMAGE_DIGEST_SIZE]);
