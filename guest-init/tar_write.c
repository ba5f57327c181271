// SPDX-License-Identifier: Apache-2.0
// The headers of a tar archive that is written.
#include "guest-init/tar_write.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <string.h>

static const uint8_t zeros[2 * TAR_BLOCK];

/* Octal digits with a NUL at the end. Return: whether it fits. */
static bool octal(char *field, size_t size, uint64_t value)
{
	if (size - 1 < 22 && value >> 3 * (size - 1)) {
		memset(field, '0', size - 1);
		return false;
	}
	for (size_t i = size - 1; i-- > 0; value >>= 3)
		field[i] = (char)('0' + (value & 7));
	return true;
}

/* "LENGTH KEYWORD=VALUE\n", where the length counts its own digits. */
static int record_add(struct buf *pax, const char *keyword, const void *value, size_t len)
{
	size_t rest = strlen(keyword) + len + 3; /* space, =, newline */
	size_t total = rest, digits;
	int r;

	do {
		digits = 1;
		for (size_t n = total; n >= 10; n /= 10)
			digits++;
		if (rest + digits == total)
			break;
		total = rest + digits;
	} while (true);
	r = buf_printf(pax, "%zu %s=", total, keyword);
	if (r == 0)
		r = buf_add(pax, value, len);
	if (r == 0)
		r = buf_add(pax, "\n", 1);
	return r;
}

static int number_add(struct buf *pax, const char *keyword, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return record_add(pax, keyword, text, strlen(text));
}

/* Whole seconds, as other engines write: a record for each file would only be for the fraction. */
static int time_add(struct buf *pax, const struct timespec *time)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, (int64_t)time->tv_sec);
	return record_add(pax, "mtime", text, strlen(text));
}

/* @name of @len into the fields of a ustar header, split at a slash if need be. Return: whether it
 * fits. */
static bool name_store(struct tar_header *header, const char *name, size_t len)
{
	if (len <= sizeof(header->name)) {
		memcpy(header->name, name, len);
		return true;
	}
	for (size_t i = len - 1 < sizeof(header->prefix) ? len - 1 : sizeof(header->prefix); i > 0;
		i--) {
		size_t rest = len - i - 1;

		if (name[i] != '/' || !rest || rest > sizeof(header->name))
			continue;
		memcpy(header->prefix, name, i);
		memcpy(header->name, name + i + 1, rest);
		return true;
	}
	/* Cut, for readers that don't know pax. */
	memcpy(header->name, name, sizeof(header->name));
	return false;
}

static int header_add(struct buf *out, struct tar_header *header)
{
	memcpy(header->magic, "ustar", 6);
	memcpy(header->version, "00", 2);
	octal(header->checksum, 7, tar_checksum(header));
	header->checksum[7] = ' ';
	return buf_add(out, header, sizeof(*header));
}

static int xattrs_add(struct buf *pax, const struct tar_entry *entry)
{
	const char *name;
	const void *value;
	size_t pos = 0, len;
	char keyword[300];
	int r = 0;

	while (r == 0 && tar_xattr_next(entry, &pos, &name, &value, &len)) {
		/* A keyword ends at the equals sign. Linux' names have 255 bytes at most. */
		if (strchr(name, '=') || strlen(name) > 255)
			continue;
		snprintf(keyword, sizeof(keyword), "SCHILY.xattr.%s", name);
		r = record_add(pax, keyword, value, len);
	}
	return r;
}

/* Fill @header; what doesn't fit goes to @pax as well. */
static int entry_store(struct tar_header *header, struct buf *pax, const struct tar_entry *entry)
{
	char name[TAR_NAME_MAX + 2];
	size_t len = strlen(entry->name), target_len = strlen(entry->target);
	size_t link_len = target_len < sizeof(header->link) ? target_len : sizeof(header->link);
	bool past = entry->mtime.tv_sec < 0, in_field;
	int r = 0;

	memcpy(name, entry->name, len);
	if (entry->type == TAR_DIR)
		name[len++] = '/';
	header->type = (char)entry->type;
	octal(header->mode, sizeof(header->mode), entry->mode & 07777);
	octal(header->major, sizeof(header->major), entry->major);
	octal(header->minor, sizeof(header->minor), entry->minor);
	memcpy(header->link, entry->target, link_len);
	if (!name_store(header, name, len))
		r = record_add(pax, "path", name, len);
	if (r == 0 && link_len < target_len)
		r = record_add(pax, "linkpath", entry->target, target_len);
	if (!octal(header->uid, sizeof(header->uid), entry->uid) && r == 0)
		r = number_add(pax, "uid", entry->uid);
	if (!octal(header->gid, sizeof(header->gid), entry->gid) && r == 0)
		r = number_add(pax, "gid", entry->gid);
	if (!octal(header->size, sizeof(header->size), entry->size) && r == 0)
		r = number_add(pax, "size", entry->size);
	in_field = octal(
		header->mtime, sizeof(header->mtime), past ? 0 : (uint64_t)entry->mtime.tv_sec);
	if ((past || !in_field) && r == 0)
		r = time_add(pax, &entry->mtime);
	return r < 0 ? r : xattrs_add(pax, entry);
}

int tar_write_header(struct buf *out, const struct tar_entry *entry)
{
	struct tar_header header = {0}, extended = {.type = 'x', .name = "pax"};
	struct buf pax = BUF_INIT(TAR_WRITE_MAX);
	size_t start = out->len;
	int r;

	if (!entry->name[0])
		return -EINVAL;
	r = entry_store(&header, &pax, entry);
	if (r == 0 && pax.len) {
		octal(extended.mode, sizeof(extended.mode), 0644);
		octal(extended.uid, sizeof(extended.uid), 0);
		octal(extended.gid, sizeof(extended.gid), 0);
		octal(extended.mtime, sizeof(extended.mtime), 0);
		octal(extended.size, sizeof(extended.size), pax.len);
		r = header_add(out, &extended);
		if (r == 0)
			r = buf_add(out, pax.data, pax.len);
		if (r == 0)
			r = buf_add(out, zeros, tar_padding(pax.len));
	}
	if (r == 0)
		r = header_add(out, &header);
	buf_fini(&pax);
	if (r < 0)
		out->len = start;
	return r;
}

int tar_write_end(struct buf *out)
{
	return buf_add(out, zeros, sizeof(zeros));
}
