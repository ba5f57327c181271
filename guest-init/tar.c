// SPDX-License-Identifier: Apache-2.0
// What an entry of a tar archive says.
#include "guest-init/tar.h"

#include <errno.h>
#include <string.h>

int tar_xattr_add(struct tar_entry *entry, const char *name, const void *value, size_t len)
{
	size_t name_size = strlen(name) + 1;
	uint32_t len32 = (uint32_t)len;
	uint8_t *p = entry->xattrs + entry->xattrs_len;

	if (len > TAR_XATTRS_SIZE || name_size > TAR_XATTRS_SIZE ||
		name_size + sizeof(len32) + len > TAR_XATTRS_SIZE - entry->xattrs_len)
		return -E2BIG;
	memcpy(p, name, name_size);
	memcpy(p + name_size, &len32, sizeof(len32));
	memcpy(p + name_size + sizeof(len32), value, len);
	entry->xattrs_len += name_size + sizeof(len32) + len;
	return 0;
}

bool tar_xattr_next(const struct tar_entry *entry, size_t *pos, const char **ret_name,
	const void **ret_value, size_t *ret_len)
{
	const uint8_t *p = entry->xattrs + *pos;
	uint32_t len;

	if (*pos >= entry->xattrs_len)
		return false;
	*ret_name = (const char *)p;
	p += strlen(*ret_name) + 1;
	memcpy(&len, p, sizeof(len));
	p += sizeof(len);
	*ret_value = p;
	*ret_len = len;
	*pos = (size_t)(p + len - entry->xattrs);
	return true;
}

uint32_t tar_checksum(const struct tar_header *header)
{
	const uint8_t *p = (const uint8_t *)header;
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof(*header); i++) {
		bool own = i >= offsetof(struct tar_header, checksum) &&
			   i < offsetof(struct tar_header, type);

		sum += own ? ' ' : p[i];
	}
	return sum;
}
