// SPDX-License-Identifier: Apache-2.0
// Content digests.
#include "image/digest.h"

#include <nettle/nettle-meta.h>

#include <stdio.h>
#include <string.h>

static const struct digest_algorithm {
	const char *name;
	const struct nettle_hash *hash;
} algorithms[] = {{"sha256", &nettle_sha256}, {"sha512", &nettle_sha512}};

#define ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

/* Return: that of "algorithm:hex", @ret_hex behind the colon; or NULL. */
static const struct digest_algorithm *algorithm_of(const char *text, const char **ret_hex)
{
	for (size_t i = 0; i < ALGORITHMS; i++) {
		size_t n = strlen(algorithms[i].name);

		if (strncmp(text, algorithms[i].name, n) || text[n] != ':')
			continue;
		*ret_hex = text + n + 1;
		return &algorithms[i];
	}
	return NULL;
}

bool digest_is_valid(const char *text)
{
	const char *hex;
	const struct digest_algorithm *algorithm = algorithm_of(text, &hex);
	size_t len = algorithm ? 2ul * algorithm->hash->digest_size : 0;

	return len && strlen(hex) == len && strspn(hex, "0123456789abcdef") == len;
}

void digest_path(const char *digest, char ret_path[IMAGE_DIGEST_SIZE])
{
	char *colon;

	snprintf(ret_path, IMAGE_DIGEST_SIZE, "%s", digest);
	colon = strchr(ret_path, ':');
	if (colon)
		*colon = '/';
}

void digest_start(struct digest_state *state, const char *like)
{
	const char *hex;

	state->algorithm = algorithm_of(like, &hex);
	if (state->algorithm)
		state->algorithm->hash->init(&state->ctx);
}

void digest_add(struct digest_state *state, const void *data, size_t n)
{
	if (state->algorithm)
		state->algorithm->hash->update(&state->ctx, n, data);
}

void digest_finish(struct digest_state *state, char ret_digest[IMAGE_DIGEST_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t raw[SHA512_DIGEST_SIZE];
	unsigned int len;
	size_t pos;

	ret_digest[0] = '\0';
	if (!state->algorithm)
		return;
	len = state->algorithm->hash->digest_size;
	state->algorithm->hash->digest(&state->ctx, len, raw);
	pos = (size_t)snprintf(ret_digest, IMAGE_DIGEST_SIZE, "%s:", state->algorithm->name);
	for (unsigned int i = 0; i < len && pos + 3 <= IMAGE_DIGEST_SIZE; i++) {
		ret_digest[pos++] = digits[raw[i] >> 4];
		ret_digest[pos++] = digits[raw[i] & 15];
	}
	ret_digest[pos] = '\0';
}

void digest_of(const char *like, const void *data, size_t n, char ret_digest[IMAGE_DIGEST_SIZE])
{
	struct digest_state state;

	digest_start(&state, like);
	digest_add(&state, data, n);
	digest_finish(&state, ret_digest);
}
