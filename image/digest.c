// SPDX-License-Identifier: Apache-2.0
// Content digests.
#include "image/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	size_t hex_len;
} digest_algorithms[] = {{"sha256", 64}, {"sha512", 128}};

#define DIGEST_ALGORITHMS (sizeof(digest_algorithms) / sizeof(digest_algorithms[0]))

static const char *digest_algorithm(const char *text, const char **ret_hex, size_t *ret_len)
{
	for (size_t i = 0; i < DIGEST_ALGORITHMS; i++) {
		size_t n = strlen(digest_algorithms[i].name);

		if (strncmp(text, digest_algorithms[i].name, n) || text[n] != ':')
			continue;
		*ret_hex = text + n + 1;
		*ret_len = digest_algorithms[i].hex_len;
		return digest_algorithms[i].name;
	}
	return NULL;
}

bool digest_is_valid(const char *text)
{
	const char *hex;
	size_t len;

	if (!digest_algorithm(text, &hex, &len))
		return false;
	return strlen(hex) == len && strspn(hex, "0123456789abcdef") == len;
}

void digest_path(const char *digest, char ret_path[IMAGE_DIGEST_SIZE])
{
	char *colon;

	snprintf(ret_path, IMAGE_DIGEST_SIZE, "%s", digest);
	colon = strchr(ret_path, ':');
	if (colon)
		*colon = '/';
}

int digest_start(struct digest_state *state, const char *like)
{
	const char *hex;
	size_t len;
	const EVP_MD *md;

	state->ctx = NULL;
	state->algorithm = digest_algorithm(like, &hex, &len);
	if (!state->algorithm)
		return -EINVAL;
	md = strcmp(state->algorithm, "sha512") ? EVP_sha256() : EVP_sha512();
	state->ctx = EVP_MD_CTX_new();
	if (!state->ctx || !EVP_DigestInit_ex(state->ctx, md, NULL)) {
		digest_fini(state);
		return -ENOMEM;
	}
	return 0;
}

void digest_fini(struct digest_state *state)
{
	EVP_MD_CTX_free(state->ctx);
	state->ctx = NULL;
}

int digest_add(struct digest_state *state, const void *data, size_t n)
{
	return EVP_DigestUpdate(state->ctx, data, n) ? 0 : -ENOMEM;
}

int digest_finish(struct digest_state *state, char ret_digest[IMAGE_DIGEST_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	size_t pos;

	if (!EVP_DigestFinal_ex(state->ctx, raw, &len))
		return -ENOMEM;
	pos = (size_t)snprintf(ret_digest, IMAGE_DIGEST_SIZE, "%s:", state->algorithm);
	for (unsigned int i = 0; i < len && pos + 3 <= IMAGE_DIGEST_SIZE; i++) {
		ret_digest[pos++] = digits[raw[i] >> 4];
		ret_digest[pos++] = digits[raw[i] & 15];
	}
	ret_digest[pos] = '\0';
	return 0;
}

int digest_of(const char *like, const void *data, size_t n, char ret_digest[IMAGE_DIGEST_SIZE])
{
	struct digest_state state;
	int r = digest_start(&state, like);

	if (!r)
		r = digest_add(&state, data, n);
	if (!r)
		r = digest_finish(&state, ret_digest);
	digest_fini(&state);
	return r;
}
