// SPDX-License-Identifier: Apache-2.0
// Fuzzes the lookup of users in an image's passwd and group files.
#include "guest-init/user.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* USER, passwd and group in one input, separated by this byte. */
#define SEPARATOR 0xff

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *passwd = size ? memchr(data, SEPARATOR, size) : NULL, *group;
	struct user_file passwd_file = {0}, group_file = {0};
	struct user user;
	struct err err;
	char *spec;
	size_t left;

	if (!passwd)
		return 0;
	spec = strndup((const char *)data, (size_t)(passwd - data));
	if (!spec)
		return 0;
	passwd++;
	left = size - (size_t)(passwd - data);
	group = left ? memchr(passwd, SEPARATOR, left) : NULL;
	passwd_file.text = (const char *)passwd;
	passwd_file.len = group ? (size_t)(group - passwd) : left;
	if (group) {
		group_file.text = (const char *)group + 1;
		group_file.len = left - passwd_file.len - 1;
	}
	if (user_lookup(spec, &passwd_file, &group_file, &user, &err) == 0 &&
		(user.uid > USER_ID_MAX || user.gid > USER_ID_MAX ||
			user.n_groups > USER_GROUPS_MAX || user.home[0] != '/' ||
			!memchr(user.home, 0, sizeof(user.home))))
		__builtin_trap();
	free(spec);
	return 0;
}
