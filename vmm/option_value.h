// SPDX-License-Identifier: Apache-2.0
// The values of options: numbers, descriptors, sizes.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct rate_limit_config;

/*
 * Each reads all of @text, which is untrusted, and names @option in its message.
 *
 * Return: 0, or -EINVAL with @err set and *@ret untouched.
 */

/* option_number() - decimal, 0 to @max */
int option_number(
	const char *option, const char *text, uint64_t max, uint64_t *ret, struct err *err);

/* option_switch() - "on" or "off" */
int option_switch(const char *option, const char *text, bool *ret, struct err *err);

/* option_fd() - the number of an inherited descriptor; whether it is open is not looked at */
int option_fd(const char *option, const char *text, int *ret, struct err *err);

/*
 * option_size() - decimal with an optional suffix K, M or G (powers of 1024)
 * @shift:	log2 of the unit where there is no suffix
 * @max:	largest result in bytes; 0 is out of range too
 * @ret:	bytes
 */
int option_size(const char *option, const char *text, unsigned int shift, uint64_t max,
	uint64_t *ret, struct err *err);

/*
 * option_rate() - bw:SIZE/MS[+BURST], ops:N/MS[+BURST], or both joined by ';'
 * @text:	is cut into pieces
 */
int option_rate(const char *option, char *text, struct rate_limit_config *ret, struct err *err);

/* option_mac() - six pairs of hexadecimal digits with colons between, of one device, not a group */
int option_mac(const char *option, const char *text, uint8_t ret[6], struct err *err);
