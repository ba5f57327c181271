// SPDX-License-Identifier: Apache-2.0
// Base64, for bytes in texts that hold none.
#pragma once

#include <stddef.h>

/* Bytes of the text for @len bytes, with its NUL. */
#define BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)

/*
 * base64_encode() - write @len bytes as text
 * @ret:	BASE64_SIZE(@len) bytes
 *
 * Spec: RFC 4648 section 4
 */
void base64_encode(const void *data, size_t len, char *ret);

/*
 * base64_decode() - the bytes of a text
 * @text:	untrusted; padded, and without anything that isn't of the alphabet
 * @ret:	3/4 of its length; may be @text itself
 * @ret_len:	bytes written
 *
 * Return: 0 or -EINVAL.
 */
int base64_decode(const char *text, void *ret, size_t *ret_len);
