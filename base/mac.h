// SPDX-License-Identifier: Apache-2.0
// Ethernet addresses as text.
#pragma once

#include <stdint.h>

#define MAC_SIZE 6
/* "02:00:00:00:00:01" with its NUL. */
#define MAC_TEXT_SIZE (3 * MAC_SIZE)
/* Bits of the first byte: of a group, and of a range that anyone may use. */
#define MAC_GROUP 1
#define MAC_LOCAL 2

/* mac_parse() - read six pairs of hex digits. @text: untrusted. Return: 0 or -EINVAL. */
int mac_parse(const char *text, uint8_t ret[MAC_SIZE]);

/* mac_format() - write them. */
void mac_format(const uint8_t mac[MAC_SIZE], char ret[MAC_TEXT_SIZE]);
