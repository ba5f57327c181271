// SPDX-License-Identifier: Apache-2.0
// Ethernet addresses as text.
#include "base/mac.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int mac_parse(const char *text, uint8_t ret[MAC_SIZE])
{
	for (int i = 0; i < MAC_SIZE; i++, text += 3) {
		char pair[3] = {text[0]};

		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) ||
			text[2] != (i < MAC_SIZE - 1 ? ':' : '\0'))
			return -EINVAL;
		pair[1] = text[1];
		ret[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return 0;
}

void mac_format(const uint8_t mac[MAC_SIZE], char ret[MAC_TEXT_SIZE])
{
	snprintf(ret, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
}
