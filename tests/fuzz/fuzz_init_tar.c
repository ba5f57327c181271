// SPDX-License-Identifier: Apache-2.0
// Fuzz target: guest-init/tar_read.h. What it accepts is checked, written, and read again.
#include "guest-init/tar_read.h"
#include "guest-init/tar_write.h"

#include "base/cleanup.h"

#include <assert.h>
#include <string.h>

struct source {
	struct tar_reader reader;
	const uint8_t *data;
	size_t len;
};

static ssize_t source_read(struct tar_reader *reader, void *data, size_t n)
{
	struct source *source = container_of(reader, struct source, reader);

	if (n > source->len)
		n = source->len;
	if (n)
		memcpy(data, source->data, n);
	source->data += n;
	source->len -= n;
	return (ssize_t)n;
}

/* No name leads out of a directory, by whichever way it came. */
static void check_name(const char *name)
{
	const char *p = name;

	assert(strlen(name) <= TAR_NAME_MAX && name[0] != '/');
	while (*p) {
		size_t len = strcspn(p, "/");

		assert(len && !(len == 1 && p[0] == '.') && !(len == 2 && !memcmp(p, "..", 2)));
		p += len;
		if (*p)
			assert(*++p);
	}
}

static void check_again(const struct tar_entry *entry)
{
	static struct tar_entry again;
	struct buf buf = BUF_INIT(TAR_WRITE_MAX * 2);
	struct source source = {0};
	struct err err;
	int r;

	if (!entry->name[0])
		return;
	if (tar_write_header(&buf, entry) == 0) {
		source.data = buf.data;
		source.len = buf.len;
		tar_reader_init(&source.reader, source_read);
		r = tar_read_next(&source.reader, &again, &err);
		assert(r == 1);
		assert(again.type == entry->type && again.mode == entry->mode);
		assert(again.uid == entry->uid && again.size == entry->size);
		assert(again.mtime.tv_sec == entry->mtime.tv_sec);
		assert(!strcmp(again.name, entry->name));
		assert(!strcmp(again.target, entry->target));
	}
	buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tar_entry entry;
	struct source source = {.data = data, .len = size};
	struct err err;
	uint8_t part[100];

	tar_reader_init(&source.reader, source_read);
	while (tar_read_next(&source.reader, &entry, &err) == 1) {
		check_name(entry.name);
		if (entry.type == TAR_HARDLINK)
			check_name(entry.target);
		assert(entry.mtime.tv_nsec >= 0 && entry.mtime.tv_nsec < 1000000000);
		check_again(&entry);
		tar_read_data(&source.reader, part, sizeof(part), &err);
	}
	return 0;
}
