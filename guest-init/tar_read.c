// SPDX-License-Identifier: Apache-2.0
// A tar archive that is read.
#include "guest-init/tar_read.h"

#include "base/cleanup.h"
#include "guest-init/tar_pax.h"

#include <string.h>

/* Linux has 12 and 20 bits for a device number. */
#define MAJOR_MAX 0xfffu
#define MINOR_MAX 0xfffffu

void tar_reader_init(
	struct tar_reader *reader, ssize_t (*read)(struct tar_reader *reader, void *data, size_t n))
{
	*reader = (struct tar_reader){.read = read};
}

/* Up to @n bytes, fewer only at the archive's end. */
static ssize_t read_most(struct tar_reader *reader, void *data, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = reader->read(reader, (uint8_t *)data + done, n - done);

		if (got < 0)
			return got;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static int truncated(struct err *err)
{
	return err_set(err, -EINVAL, "the archive ends inside an entry");
}

static int read_exactly(struct tar_reader *reader, void *data, size_t n, struct err *err)
{
	ssize_t got = read_most(reader, data, n);

	if (got < 0)
		return err_errno(err, (int)-got, "reading the archive");
	return (size_t)got < n ? truncated(err) : 0;
}

static int skip(struct tar_reader *reader, uint64_t n, struct err *err)
{
	uint8_t block[TAR_BLOCK * 8];
	int r = 0;

	while (n && r == 0) {
		size_t part = n < sizeof(block) ? (size_t)n : sizeof(block);

		r = read_exactly(reader, block, part, err);
		n -= part;
	}
	return r;
}

/* GNU's numbers: the first bit is set, the others are a big-endian two's complement. */
static int binary_value(const char *field, size_t size, int64_t *ret)
{
	uint8_t fill = field[0] & 0x40 ? 0xff : 0;
	uint64_t value = fill ? UINT64_MAX : 0;

	for (size_t i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)field[i];

		if (i == 0)
			byte = (uint8_t)((byte & 0x7f) | (fill & 0x80));
		if (i + 8 < size ? byte != fill : i + 8 == size && (byte ^ fill) & 0x80)
			return -ERANGE;
		value = value << 8 | byte;
	}
	*ret = (int64_t)value;
	return 0;
}

/* A number of a header. Negative ones occur as times only. */
static int number(const char *field, size_t size, int64_t *ret)
{
	uint64_t value = 0;
	size_t i = 0;

	if (field[0] & 0x80)
		return binary_value(field, size, ret);
	while (i < size && field[i] == ' ')
		i++;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
		if (value >> 60)
			return -ERANGE;
		value = value << 3 | (uint64_t)(field[i] - '0');
	}
	if (i < size && field[i] != ' ' && field[i] != '\0')
		return -EINVAL;
	*ret = (int64_t)value;
	return 0;
}

static int number_up_to(const char *field, size_t size, uint64_t max, uint64_t *ret)
{
	int64_t value;
	int r = number(field, size, &value);

	if (r < 0)
		return r;
	if (value < 0 || (uint64_t)value > max)
		return -ERANGE;
	*ret = (uint64_t)value;
	return 0;
}

static bool is_zero(const struct tar_header *header)
{
	const uint8_t *p = (const uint8_t *)header;

	for (size_t i = 0; i < sizeof(*header); i++)
		if (p[i])
			return false;
	return true;
}

/* Take away what a name need not have. Return: -EINVAL if it leads upward. */
static int name_clean(char *name)
{
	const char *from = name;
	char *to = name;

	while (*from) {
		size_t len = strcspn(from, "/");

		if (len == 2 && !strncmp(from, "..", 2))
			return -EINVAL;
		if (len && !(len == 1 && *from == '.')) {
			if (to != name)
				*to++ = '/';
			memmove(to, from, len);
			to += len;
		}
		from += len + (from[len] == '/');
	}
	*to = '\0';
	return 0;
}

/* An entry of type x. (One of type g, whose records are for all that follow, is passed over.) */
static int pax_read(struct tar_reader *reader, struct tar_entry *entry, struct tar_extra *extra,
	uint64_t size, struct err *err)
{
	char CLEANUP_FREE *data = NULL;
	int r;

	if (extra->pax)
		return err_set(err, -EINVAL, "two pax headers for one entry of the archive");
	extra->pax = true;
	if (size > TAR_PAX_MAX)
		return err_set(err, -E2BIG, "a pax header of %llu bytes", (unsigned long long)size);
	data = malloc(size ? (size_t)size : 1);
	if (!data)
		return err_errno(err, ENOMEM, "pax header");
	r = read_exactly(reader, data, (size_t)size, err);
	if (r == 0)
		r = skip(reader, tar_padding(size), err);
	if (r < 0)
		return r;
	r = tar_pax_parse(entry, extra, data, (size_t)size);
	return r < 0 ? err_set(err, r, "a pax header that can't be read%s",
			       r == -EOPNOTSUPP ? ": a sparse file" : "")
		     : 0;
}

/* An entry of GNU tar's type L or K. */
static int long_read(
	struct tar_reader *reader, char ret[TAR_NAME_MAX + 1], uint64_t size, struct err *err)
{
	int r;

	/* With a NUL at the end, or more of them. */
	if (!size || size > TAR_NAME_MAX + 1)
		return err_set(err, -EINVAL, "a long name of %llu bytes", (unsigned long long)size);
	r = read_exactly(reader, ret, (size_t)size, err);
	if (r < 0)
		return r;
	if (size == TAR_NAME_MAX + 1 && ret[TAR_NAME_MAX])
		return err_set(err, -EINVAL, "a name that is too long");
	if (size <= TAR_NAME_MAX)
		ret[size] = '\0';
	return skip(reader, tar_padding(size), err);
}

static int header_check(const struct tar_header *header, bool *ret_gnu, struct err *err)
{
	uint64_t sum;

	if (number_up_to(header->checksum, sizeof(header->checksum), UINT32_MAX, &sum) < 0 ||
		sum != tar_checksum(header))
		return err_set(err, -EINVAL, "not a tar archive: wrong checksum");
	*ret_gnu = !memcmp(header->magic, "ustar ", 6);
	if (!*ret_gnu && memcmp(header->magic, "ustar", 6) != 0)
		return err_set(
			err, -EINVAL, "neither ustar nor pax nor GNU tar wrote this archive");
	return 0;
}

/* The name from a header. A ustar one may be split. */
static void header_name(const struct tar_header *header, bool gnu, char ret[TAR_NAME_MAX + 1])
{
	size_t len = 0;

	if (!gnu && header->prefix[0]) {
		len = strnlen(header->prefix, sizeof(header->prefix));
		memcpy(ret, header->prefix, len);
		ret[len++] = '/';
	}
	memcpy(ret + len, header->name, strnlen(header->name, sizeof(header->name)));
	ret[len + strnlen(header->name, sizeof(header->name))] = '\0';
}

static int header_numbers(const struct tar_header *header, struct tar_entry *entry)
{
	uint64_t mode = 0, uid = 0, gid = 0, major = 0, minor = 0;
	int64_t mtime = 0;
	int r = number_up_to(header->mode, sizeof(header->mode), UINT32_MAX, &mode);

	if (r == 0)
		r = number_up_to(header->uid, sizeof(header->uid), UINT32_MAX, &uid);
	if (r == 0)
		r = number_up_to(header->gid, sizeof(header->gid), UINT32_MAX, &gid);
	if (r == 0)
		r = number(header->mtime, sizeof(header->mtime), &mtime);
	if (r == 0 && (entry->type == TAR_CHAR || entry->type == TAR_BLOCK_DEVICE)) {
		r = number_up_to(header->major, sizeof(header->major), MAJOR_MAX, &major);
		if (r == 0)
			r = number_up_to(header->minor, sizeof(header->minor), MINOR_MAX, &minor);
	}
	entry->mode = (uint32_t)mode & 07777;
	entry->uid = (uint32_t)uid;
	entry->gid = (uint32_t)gid;
	entry->mtime = (struct timespec){.tv_sec = mtime};
	entry->major = (uint32_t)major;
	entry->minor = (uint32_t)minor;
	return r;
}

static int type_read(const struct tar_header *header, const char *name, struct tar_entry *entry)
{
	size_t len = strlen(name);

	switch (header->type) {
	case '\0': /* before POSIX, a directory was told by its slash only */
		entry->type = len && name[len - 1] == '/' ? TAR_DIR : TAR_FILE;
		return 0;
	case '7':
		entry->type = TAR_FILE;
		return 0;
	default:
		if (header->type < TAR_FILE || header->type > TAR_FIFO)
			return -EOPNOTSUPP;
		entry->type = (enum tar_type)header->type;
		return 0;
	}
}

/* A file's own header, with what was said before. */
static int entry_read(struct tar_reader *reader, struct tar_entry *entry,
	const struct tar_header *header, bool gnu, const struct tar_extra *extra, struct err *err)
{
	uint64_t size;

	if (!extra->name)
		header_name(header, gnu, entry->name);
	if (!extra->target) {
		size_t len = strnlen(header->link, sizeof(header->link));

		memcpy(entry->target, header->link, len);
		entry->target[len] = '\0';
	}
	if (type_read(header, entry->name, entry) < 0)
		return err_set(err, -EOPNOTSUPP, "%s: an entry of type 0x%02x", entry->name,
			(unsigned char)header->type);
	if (header_numbers(header, entry) < 0 ||
		number_up_to(header->size, sizeof(header->size), INT64_MAX, &size) < 0)
		return err_set(err, -EINVAL, "%s: a number that can't be read", entry->name);
	if (extra->uid)
		entry->uid = extra->uid_value;
	if (extra->gid)
		entry->gid = extra->gid_value;
	if (extra->mtime)
		entry->mtime = extra->mtime_value;
	if (extra->size)
		size = extra->size_value;
	entry->size = entry->type == TAR_FILE ? size : 0;
	reader->left = entry->size;
	reader->padding = tar_padding(entry->size);
	if (name_clean(entry->name) < 0 ||
		(entry->type == TAR_HARDLINK && name_clean(entry->target) < 0))
		return err_set(err, -EINVAL, "%s: leads upward", entry->name);
	if (!entry->name[0] && entry->type != TAR_DIR)
		return err_set(err, -EINVAL, "an entry without a name");
	if (!entry->target[0] && (entry->type == TAR_HARDLINK || entry->type == TAR_SYMLINK))
		return err_set(err, -EINVAL, "%s: a link to nothing", entry->name);
	if (entry->type == TAR_HARDLINK && !strcmp(entry->name, entry->target))
		return err_set(err, -EINVAL, "%s: a link to itself", entry->name);
	return 1;
}

/* After the first block of zeros. What follows the second is padding. */
static int archive_end(struct tar_reader *reader, struct err *err)
{
	struct tar_header header;
	ssize_t n = read_most(reader, &header, sizeof(header));

	if (n == sizeof(header) && !is_zero(&header))
		return err_set(err, -EINVAL, "an archive that goes on after a block of zeros");
	while (n == sizeof(header))
		n = read_most(reader, &header, sizeof(header));
	return n < 0 ? err_errno(err, (int)-n, "reading the archive") : 0;
}

int tar_read_next(struct tar_reader *reader, struct tar_entry *entry, struct err *err)
{
	struct tar_extra extra = {0};
	int r = skip(reader, reader->left, err);

	if (r == 0)
		r = skip(reader, reader->padding, err);
	reader->left = 0;
	reader->padding = 0;
	entry->xattrs_len = 0;
	while (r == 0) {
		struct tar_header header;
		ssize_t n = read_most(reader, &header, sizeof(header));
		uint64_t size;
		bool gnu;

		if (n < 0)
			return err_errno(err, (int)-n, "reading the archive");
		if (n == 0 && !extra.any)
			return 0;
		if (n < (ssize_t)sizeof(header))
			return truncated(err);
		if (is_zero(&header))
			return extra.any ? truncated(err) : archive_end(reader, err);
		r = header_check(&header, &gnu, err);
		if (r < 0)
			return r;
		if (!strchr("xgLK", header.type) || !header.type)
			return entry_read(reader, entry, &header, gnu, &extra, err);
		if (number_up_to(header.size, sizeof(header.size), INT64_MAX, &size) < 0)
			return err_set(err, -EINVAL, "a size that can't be read");
		if (header.type == 'g') {
			r = skip(reader, size + tar_padding(size), err);
			continue;
		}
		extra.any = true;
		if (header.type == 'x') {
			r = pax_read(reader, entry, &extra, size, err);
		} else if (header.type == 'L' && !extra.name) {
			r = long_read(reader, entry->name, size, err);
			extra.name = true;
		} else if (header.type == 'K' && !extra.target) {
			r = long_read(reader, entry->target, size, err);
			extra.target = true;
		} else {
			r = err_set(err, -EINVAL, "two long names for one entry of the archive");
		}
	}
	return r;
}

ssize_t tar_read_data(struct tar_reader *reader, void *data, size_t n, struct err *err)
{
	ssize_t got;

	if (n > reader->left)
		n = (size_t)reader->left;
	if (!n)
		return 0;
	got = reader->read(reader, data, n);
	if (got < 0)
		return err_errno(err, (int)-got, "reading the archive");
	if (got == 0)
		return truncated(err);
	reader->left -= (uint64_t)got;
	return got;
}
