// SPDX-License-Identifier: Apache-2.0
// Content digests as OCI writes them, "algorithm:hex": checking the text and computing the value.
#pragma once

#include "image/image.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * struct digest_state - a digest being computed
 * @ctx:	EVP_MD_CTX, owned; NULL when not started
 * @algorithm:	static string
 */
struct digest_state {
	void *ctx;
	const char *algorithm;
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
 * digest_start() - begin to compute a digest by the same algorithm as @like, a valid digest
 *
 * Return: 0 or -ENOMEM. digest_fini() frees; it is harmless on a zeroed state.
 */
int digest_start(struct digest_state *state, const char *like);
void digest_fini(struct digest_state *state);

/* digest_add() - Return: 0 or -ENOMEM. */
int digest_add(struct digest_state *state, const void *data, size_t n);

/* digest_finish() - the text of the value; the state can only be freed after. */
int digest_finish(struct digest_state *state, char ret_digest[IMAGE_DIGEST_SIZE]);

/* digest_of() - of @n bytes at once, by the algorithm of @like. Return: 0 or -ENOMEM. */
int digest_of(const char *like, const void *data, size_t n, char ret_digest[IMAGE_DIGEST_SIZE]);
