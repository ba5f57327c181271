// SPDX-License-Identifier: Apache-2.0
// Tests of guest-init/tar_read.h and tar_write.h: what one writes, the other reads, and faults.
#include "guest-init/tar_read.h"
#include "guest-init/tar_write.h"

#include "base/cleanup.h"
#include "tests/lib/suite.h"

#include <string.h>

static struct buf archive;
static struct tar_reader reader;
static size_t pos, chunk;
static struct tar_entry entry, got;
static struct err err;

static ssize_t read_archive(struct tar_reader *r, void *data, size_t n)
{
	if (n > archive.len - pos)
		n = archive.len - pos;
	if (chunk && n > chunk)
		n = chunk;
	if (n)
		memcpy(data, archive.data + pos, n);
	pos += n;
	return (ssize_t)n;
}

static void setup(void)
{
	archive = BUF_INIT(1 << 20);
	entry = (struct tar_entry){.type = TAR_FILE, .mode = 0644, .name = "file"};
	pos = 0;
	chunk = 0;
	tar_reader_init(&reader, read_archive);
}

static void teardown(void)
{
	buf_fini(&archive);
}

static int next(void)
{
	return tar_read_next(&reader, &got, &err);
}

static void add(void)
{
	ck_assert_int_eq(tar_write_header(&archive, &entry), 0);
	ck_assert_uint_eq(archive.len % TAR_BLOCK, 0);
}

static struct tar_header *header(void)
{
	return (struct tar_header *)(void *)archive.data;
}

/* The checksum is made good again, so that it's the change that is refused. */
static void sign(void)
{
	snprintf(header()->checksum, 8, "%06o", tar_checksum(header()));
}

START_TEST(every_type_and_value_comes_back)
{
	static const enum tar_type types[] = {
		TAR_FILE, TAR_HARDLINK, TAR_SYMLINK, TAR_CHAR, TAR_BLOCK_DEVICE, TAR_DIR, TAR_FIFO};

	entry.type = types[_i];
	entry.mode = 06751;
	entry.uid = 0x7fffffff;
	entry.gid = 4294967295u;
	entry.mtime.tv_sec = _i % 2 ? -77 : 0x7fffffffffff;
	strcpy(entry.name, "a/b");
	if (entry.type == TAR_HARDLINK || entry.type == TAR_SYMLINK)
		strcpy(entry.target, "c/d");
	if (entry.type == TAR_CHAR || entry.type == TAR_BLOCK_DEVICE) {
		entry.major = 0xfff;
		entry.minor = 0xfffff;
	}
	add();
	ck_assert_int_eq(tar_write_end(&archive), 0);
	chunk = 7;
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(got.type, entry.type);
	ck_assert_uint_eq(got.mode, entry.mode);
	ck_assert_uint_eq(got.uid, entry.uid);
	ck_assert_uint_eq(got.gid, entry.gid);
	ck_assert_int_eq(got.mtime.tv_sec, entry.mtime.tv_sec);
	ck_assert_uint_eq(got.major, entry.major);
	ck_assert_uint_eq(got.minor, entry.minor);
	ck_assert_str_eq(got.name, "a/b");
	ck_assert_str_eq(got.target, entry.target);
	ck_assert_int_eq(next(), 0);
}
END_TEST

/* Names of each length around the limits of the fields, with slashes in bad places. */
START_TEST(long_names_come_back)
{
	static const size_t lengths[] = {1, 99, 100, 101, 154, 155, 156, 255, 256, 257, 300, 4095};
	size_t len = lengths[_i % ARRAY_SIZE(lengths)];
	size_t every = (size_t[]){1000000, 50, 101, 2}[_i / ARRAY_SIZE(lengths)];

	for (int type = 0; type < 2; type++) {
		entry.type = type ? TAR_SYMLINK : TAR_FILE;
		for (size_t i = 0; i < len; i++)
			entry.name[i] = i % every == every - 1 && i + 1 < len ? '/' : 'n';
		entry.name[len] = '\0';
		memset(entry.target, type ? 't' : 0, len);
		entry.target[len] = '\0';
		archive.len = 0;
		pos = 0;
		add();
		ck_assert_int_eq(next(), 1);
		ck_assert_str_eq(got.name, entry.name);
		ck_assert_str_eq(got.target, entry.target);
		ck_assert_int_eq(next(), 0);
	}
}
END_TEST

START_TEST(a_huge_size_comes_back)
{
	entry.size = (uint64_t)1 << 40;
	add();
	ck_assert_int_eq(next(), 1);
	ck_assert_uint_eq(got.size, entry.size);
	ck_assert_int_eq(next(), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "ends inside"));
}
END_TEST

START_TEST(extended_attributes_come_back)
{
	const char *name;
	const void *value;
	size_t at = 0, len;

	ck_assert_int_eq(tar_xattr_add(&entry, "user.a", "\0=\n", 3), 0);
	ck_assert_int_eq(tar_xattr_add(&entry, "user.empty", "", 0), 0);
	ck_assert_int_eq(tar_xattr_add(&entry, "user.big", entry.xattrs, TAR_XATTRS_SIZE), -E2BIG);
	add();
	ck_assert_int_eq(next(), 1);
	ck_assert(tar_xattr_next(&got, &at, &name, &value, &len));
	ck_assert_str_eq(name, "user.a");
	ck_assert_uint_eq(len, 3);
	ck_assert_mem_eq(value, "\0=\n", 3);
	ck_assert(tar_xattr_next(&got, &at, &name, &value, &len));
	ck_assert_str_eq(name, "user.empty");
	ck_assert_uint_eq(len, 0);
	ck_assert(!tar_xattr_next(&got, &at, &name, &value, &len));
}
END_TEST

START_TEST(data_is_read_or_passed_over)
{
	uint8_t data[1024];

	for (int i = 0; i < 3; i++) {
		entry.size = 700;
		add();
		memset(data, 'a' + i, 700);
		memset(data + 700, 0, sizeof(data) - 700);
		ck_assert_int_eq(buf_add(&archive, data, sizeof(data)), 0);
	}
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(tar_read_data(&reader, data, 100, &err), 100);
	ck_assert_int_eq(data[99], 'b');
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(tar_read_data(&reader, data, sizeof(data), &err), 700);
	ck_assert_int_eq(data[699], 'c');
	ck_assert_int_eq(tar_read_data(&reader, data, sizeof(data), &err), 0);
	ck_assert_int_eq(next(), 0);
}
END_TEST

START_TEST(names_are_cleaned)
{
	static const char *const names[][2] = {{"/a/b", "a/b"}, {"./a", "a"}, {"a//b/", "a/b"},
		{"a/./b/.", "a/b"}, {"...", "..."}, {"a/..b", "a/..b"}};

	strcpy(entry.name, names[_i][0]);
	add();
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(got.name, names[_i][1]);
}
END_TEST

START_TEST(names_that_lead_upward_are_refused)
{
	static const char *const names[] = {"..", "../a", "a/..", "a/../b", "/..", "./.."};

	strcpy(entry.name, names[_i]);
	add();
	entry.type = TAR_HARDLINK;
	strcpy(entry.target, names[_i]);
	strcpy(entry.name, "good");
	add();
	ck_assert_int_eq(next(), -EINVAL);
	pos = TAR_BLOCK;
	ck_assert_int_eq(next(), -EINVAL);
	/* But a symlink may lead anywhere: it's only followed inside. */
	entry.type = TAR_SYMLINK;
	add();
	pos = 2 * TAR_BLOCK;
	ck_assert_int_eq(next(), 1);
}
END_TEST

START_TEST(a_name_is_needed)
{
	ck_assert_int_eq(
		tar_write_header(&archive, &(struct tar_entry){.type = TAR_FILE}), -EINVAL);
	strcpy(entry.name, "./");
	add();
	ck_assert_int_eq(next(), -EINVAL);
	archive.len = 0;
	pos = 0;
	entry.type = TAR_DIR;
	add();
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(got.name, "");
}
END_TEST

static void break_checksum(void)
{
	header()->mode[0] ^= 1;
}

static void break_magic(void)
{
	memcpy(header()->magic, "nostar", 6);
	sign();
}

static void break_type(void)
{
	header()->type = 'S';
	sign();
}

static void break_size(void)
{
	memcpy(header()->size, "0000000009", 11);
	sign();
}

static void break_size_negative(void)
{
	memset(header()->size, 0xff, 12);
	sign();
}

static void break_size_huge(void)
{
	memset(header()->size, 0x80, 12);
	sign();
}

static void break_uid(void)
{
	memcpy(header()->uid, "\x80\0\0\1\0\0\0\0", 8);
	sign();
}

static void break_link(void)
{
	header()->type = TAR_SYMLINK;
	sign();
}

static void break_device(void)
{
	header()->type = TAR_CHAR;
	memcpy(header()->major, "0010000", 8);
	sign();
}

START_TEST(bad_headers_are_refused)
{
	static void (*const faults[])(void) = {break_checksum, break_magic, break_type, break_size,
		break_size_negative, break_size_huge, break_uid, break_link, break_device};

	add();
	ck_assert_int_eq(next(), 1);
	pos = 0;
	sign();
	ck_assert_int_eq(next(), 1);
	pos = 0;
	faults[_i]();
	ck_assert_int_lt(next(), 0);
}
END_TEST

/* An entry of @type with @text, and a file after it. */
static void add_special(char type, const char *text, size_t len)
{
	uint8_t zeros[TAR_BLOCK] = {0};

	archive.len = 0;
	pos = 0;
	entry.size = len;
	add();
	header()->type = type;
	sign();
	ck_assert_int_eq(buf_add(&archive, text, len), 0);
	ck_assert_int_eq(buf_add(&archive, zeros, tar_padding(len)), 0);
	entry.size = 0;
	add();
}

START_TEST(bad_pax_records_are_refused)
{
	static const char *const texts[] = {"x", "0 a=b\n", "5 a=b\n", "7 a=b\n", "6 a=b ",
		"7 ab c\n", "99999999999999999999 a=b\n", "6a=b\n\n", "13 path=a/..\n",
		"11 size=-1\n", "12 size=1x2\n", "18 uid=4294967296\n", "13 mtime=1e5\n",
		"22 GNU.sparse.major=1\n", "9 a=b\n"};

	add_special('x', texts[_i], strlen(texts[_i]));
	ck_assert_int_lt(next(), 0);
}
END_TEST

START_TEST(good_pax_records_count)
{
	add_special('x', "6 a=b\n10 path=x\n", 16);
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(got.name, "x");
	add_special('x', "10 path=x\n8 path=\n18 mtime=-1.2500\n", 35);
	ck_assert_int_eq(next(), -EINVAL); /* one length is wrong */
	add_special('x', "10 path=x\n8 path=\n17 mtime=-1.2500\n10 uid=77\n", 45);
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(got.name, "file");
	ck_assert_int_eq(got.mtime.tv_sec, -2);
	ck_assert_int_eq(got.mtime.tv_nsec, 750000000);
	ck_assert_uint_eq(got.uid, 77);
	/* Of type g: not for this file. */
	add_special('g', "10 path=x\n", 10);
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(got.name, "file");
	/* A NUL in a name. */
	add_special('x', "12 path=x\0y\n", 12);
	ck_assert_int_eq(next(), -EINVAL);
}
END_TEST

START_TEST(gnu_long_names_count)
{
	char name[TAR_NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	add_special('L', name, 4095);
	ck_assert_int_eq(next(), 1);
	ck_assert_uint_eq(strlen(got.name), 4095);
	add_special('L', name, 4096);
	ck_assert_int_eq(next(), -EINVAL);
	add_special('L', name, 0);
	ck_assert_int_eq(next(), -EINVAL);
	add_special('L', "a\0b", 4);
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(got.name, "a");
}
END_TEST

START_TEST(headers_before_a_file_come_once)
{
	size_t len;

	add_special("xLK"[_i], _i ? "a" : "6 a=b\n", _i ? 1 : 6);
	len = 2 * TAR_BLOCK;
	memmove(archive.data + len, archive.data, len);
	archive.len = 2 * len;
	ck_assert_int_eq(next(), -EINVAL);
	/* And a file must follow. */
	archive.len = len;
	pos = 0;
	ck_assert_int_eq(next(), -EINVAL);
}
END_TEST

START_TEST(ends_where_it_may)
{
	ck_assert_int_eq(next(), 0);
	add();
	for (size_t len = 1; len < TAR_BLOCK; len += 73) {
		archive.len = len;
		pos = 0;
		ck_assert_int_eq(next(), -EINVAL);
	}
	archive.len = 0;
	ck_assert_int_eq(tar_write_end(&archive), 0);
	ck_assert_int_eq(tar_write_end(&archive), 0);
	pos = 0;
	ck_assert_int_eq(next(), 0);
	ck_assert_uint_eq(pos, archive.len);
	archive.data[600] = 1;
	pos = 0;
	ck_assert_int_eq(next(), -EINVAL);
}
END_TEST

SUITE_CASES("init_tar", setup, teardown, {every_type_and_value_comes_back, 7},
	{long_names_come_back, 48}, {a_huge_size_comes_back, 0}, {extended_attributes_come_back, 0},
	{data_is_read_or_passed_over, 0}, {names_are_cleaned, 6},
	{names_that_lead_upward_are_refused, 6}, {a_name_is_needed, 0},
	{bad_headers_are_refused, 9}, {bad_pax_records_are_refused, 15},
	{good_pax_records_count, 0}, {gnu_long_names_count, 0},
	{headers_before_a_file_come_once, 3}, {ends_where_it_may, 0})
