// SPDX-License-Identifier: Apache-2.0
// Values of options: whole numbers, sizes, names. Texts come from the user and are checked here.
#pragma once

#include <stdint.h>

struct err;

/*
 * value_number() - a decimal whole number
 * @min, @max:	inclusive
 *
 * Return: 0, -EINVAL (not a whole number) or -ERANGE, with a message.
 */
int value_number(
	const char *text, uint64_t min, uint64_t max, uint64_t *ret_number, struct err *err);

/*
 * value_size() - a size in bytes such as "512M"
 *
 * A whole number with an optional suffix b, k, m, g, t in either case, each 1024 times the one
 * before, maybe followed by "b" or "ib" ("2GiB").
 *
 * Return: 0, -EINVAL or -ERANGE (above 2^63), with a message.
 */
int value_size(const char *text, uint64_t *ret_size, struct err *err);

/* Longest container name, without its NUL. */
#define VALUE_NAME_MAX 64
/* Longest host name, without its NUL: what the kernel's utsname holds. */
#define VALUE_HOSTNAME_MAX 64

/* value_name() - check a container's name. Return: 0, or -EINVAL with a message. */
int value_name(const char *text, struct err *err);

/*
 * value_hostname() - check a host name
 *
 * Letters, digits, '-', '_' and dots; no label is empty or begins or ends with '-'.
 *
 * Return: 0, or -EINVAL with a message.
 */
int value_hostname(const char *text, struct err *err);
