// SPDX-License-Identifier: Apache-2.0
// Tests of guest-init/pack.h and unpack.h, as far as they need no root.
#include "guest-init/pack.h"
#include "guest-init/tar_read.h"
#include "guest-init/tar_write.h"
#include "guest-init/unpack.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char top[] = "/tmp/hull-test-tree-XXXXXX";
static int dir, file;
static struct err err;

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(top));
	dir = open(top, O_RDONLY | O_DIRECTORY);
	file = memfd_create("archive", MFD_CLOEXEC);
	ck_assert_int_ge(dir, 0);
	ck_assert_int_ge(file, 0);
}

static void teardown(void)
{
	char command[64];

	close(dir);
	close(file);
	snprintf(command, sizeof(command), "rm -rf %s", top);
	ck_assert_int_eq(system(command), 0);
	strcpy(top + strlen(top) - 6, "XXXXXX");
}

static const char *path(const char *name)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s/%s", top, name);
	return text;
}

static void put(const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_full(fd, text, strlen(text)), 0);
	close(fd);
}

static void is(const char *name, const char *text)
{
	char got[64] = "";
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(read(fd, got, sizeof(got) - 1), 0);
	ck_assert_str_eq(got, text);
	close(fd);
}

START_TEST(a_tree_comes_back)
{
	struct stat a, b;

	ck_assert_int_eq(mkdirat(dir, "from", 0755), 0);
	ck_assert_int_eq(mkdirat(dir, "from/sub", 0711), 0);
	ck_assert_int_eq(mkdirat(dir, "to", 0755), 0);
	put("from/sub/file", "text");
	put("from/empty", "");
	ck_assert_int_eq(symlinkat("nowhere", dir, "from/link"), 0);
	ck_assert_int_eq(linkat(dir, "from/sub/file", dir, "from/hard", 0), 0);
	ck_assert_int_eq(pack_tree(path("from"), file, &err), 0);
	ck_assert_int_eq(lseek(file, 0, SEEK_CUR) % TAR_BLOCK, 0);
	lseek(file, 0, SEEK_SET);
	ck_assert_int_eq(unpack_tree(path("to"), file, &err), 0);
	is("to/from/sub/file", "text");
	is("to/from/empty", "");
	ck_assert_int_eq(fstatat(dir, "to/from/sub/file", &a, 0), 0);
	ck_assert_int_eq(fstatat(dir, "to/from/hard", &b, 0), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_int_eq(fstatat(dir, "from/sub", &a, 0), 0);
	ck_assert_int_eq(fstatat(dir, "to/from/sub", &b, 0), 0);
	ck_assert_uint_eq(a.st_mode, b.st_mode);
	ck_assert_int_eq(a.st_mtim.tv_sec, b.st_mtim.tv_sec);
	ck_assert_int_eq(faccessat(dir, "to/from/link", F_OK, AT_SYMLINK_NOFOLLOW), 0);
}
END_TEST

START_TEST(too_deep_a_tree_is_told)
{
	int at = dup(dir);

	for (int i = 0; i < 502; i++) {
		int below;

		ck_assert_int_eq(mkdirat(at, "d", 0700), 0);
		below = openat(at, "d", O_RDONLY | O_DIRECTORY);
		close(at);
		at = below;
	}
	close(at);
	ck_assert_int_eq(pack_tree(top, file, &err), -ENAMETOOLONG);
}
END_TEST

START_TEST(a_link_out_is_not_followed)
{
	struct buf archive = BUF_INIT(1 << 16);
	static struct tar_entry entry;

	ck_assert_int_eq(mkdirat(dir, "in", 0755), 0);
	ck_assert_int_eq(mkdirat(dir, "out", 0755), 0);
	ck_assert_int_eq(symlinkat("../out", dir, "in/link"), 0);
	entry = (struct tar_entry){
		.type = TAR_FILE, .name = "link/file", .uid = getuid(), .gid = getgid()};
	ck_assert_int_eq(tar_write_header(&archive, &entry), 0);
	ck_assert_int_eq(io_write_full(file, archive.data, archive.len), 0);
	lseek(file, 0, SEEK_SET);
	ck_assert_int_eq(unpack_tree(path("in"), file, &err), -EXDEV);
	lseek(file, 0, SEEK_SET);
	/* From one level up it leads nowhere else. */
	ck_assert_int_eq(renameat(dir, "in/link", dir, "link"), 0);
	ck_assert_int_eq(unlinkat(dir, "link", 0), 0);
	ck_assert_int_eq(symlinkat("out", dir, "link"), 0);
	ck_assert_int_eq(unpack_tree(top, file, &err), 0);
	is("out/file", "");
	buf_fini(&archive);
}
END_TEST

SUITE_CASES("init_tree", setup, teardown, {a_tree_comes_back, 0}, {too_deep_a_tree_is_told, 0},
	{a_link_out_is_not_followed, 0})
